//! The types of tensors: elements, blocks, and those whose size alone is known.

use quire_blocks::BlockFormat;

/// A type of single numbers that weights are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of binary32.
    Bf16,
}

/// What a tensor is stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorType {
    /// Single numbers.
    Elements(ElementType),
    /// Blocks that are read here.
    Blocks(BlockFormat),
    /// Something that is not read, by ggml's name, so that files with it can be walked.
    Other(&'static str),
}

const ELEMENTS: [(u32, &str, ElementType, usize); 3] =
    [(0, "F32", ElementType::F32, 4), (1, "F16", ElementType::F16, 2), (30, "BF16", ElementType::Bf16, 2)];

/// ggml's number and name, values and bytes of a block.
/// The types 4, 5, 31 to 33 and 36 to 38 are no longer ggml's.
const OTHERS: [(u32, &str, usize, usize); 26] = [
    (4, "Q4_2", 16, 10),
    (5, "Q4_3", 16, 12),
    (9, "Q8_1", 32, 36),
    (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66),
    (17, "IQ2_XS", 256, 74),
    (18, "IQ3_XXS", 256, 98),
    (19, "IQ1_S", 256, 50),
    (21, "IQ3_S", 256, 110),
    (22, "IQ2_S", 256, 82),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56),
    (31, "Q4_0_4_4", 32, 18),
    (32, "Q4_0_4_8", 32, 18),
    (33, "Q4_0_8_8", 32, 18),
    (34, "TQ1_0", 256, 54),
    (35, "TQ2_0", 256, 66),
    (36, "IQ4_NL_4_4", 32, 18),
    (37, "IQ4_NL_4_8", 32, 18),
    (38, "IQ4_NL_8_8", 32, 18),
    (39, "MXFP4", 32, 17),
    (40, "NVFP4", 64, 36),
];

impl TensorType {
    /// The type that ggml numbers so.
    pub fn from_ggml_type(number: u32) -> Option<TensorType> {
        let element = ELEMENTS.iter().find(|row| row.0 == number).map(|row| TensorType::Elements(row.2));
        let other = || OTHERS.iter().find(|row| row.0 == number).map(|row| TensorType::Other(row.1));
        element.or_else(|| BlockFormat::from_ggml_type(number).map(TensorType::Blocks)).or_else(other)
    }

    /// ggml's number.
    pub fn ggml_type(self) -> u32 {
        match self {
            TensorType::Elements(element) => element_row(element).0,
            TensorType::Blocks(format) => format.ggml_type(),
            TensorType::Other(name) => other_row(name).0,
        }
    }

    /// ggml's name.
    pub fn name(self) -> &'static str {
        match self {
            TensorType::Elements(element) => element_row(element).1,
            TensorType::Blocks(format) => format.name(),
            TensorType::Other(name) => name,
        }
    }

    /// The names of all types that weights are read from.
    pub fn supported() -> Vec<&'static str> {
        ELEMENTS.iter().map(|row| row.1).chain(BlockFormat::all().map(BlockFormat::name)).collect()
    }

    /// Values and bytes of a block; an element is one of its own.
    pub(crate) fn block(self) -> (usize, usize) {
        match self {
            TensorType::Elements(element) => (1, element_row(element).3),
            TensorType::Blocks(format) => (format.block_len(), format.block_bytes()),
            TensorType::Other(name) => (other_row(name).2, other_row(name).3),
        }
    }
}

fn element_row(element: ElementType) -> &'static (u32, &'static str, ElementType, usize) {
    ELEMENTS.iter().find(|row| row.2 == element).expect("every element type has its row: this is a bug")
}

fn other_row(name: &str) -> &'static (u32, &'static str, usize, usize) {
    OTHERS.iter().find(|row| row.1 == name).expect("names come from the table: this is a bug")
}
