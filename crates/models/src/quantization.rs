//! Whether weights are held as small whole numbers: the choice that a user has. Knows no layout.

use quire_blocks::{BlockFormat, QUANTISED_FORMATS, WEIGHTED_FORMATS};
use quire_kernels::WeightFormat;

/// What becomes of matrices. Vectors, such as norms and biases, are never quantised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantization {
    /// Blocks and rows of bytes of a checkpoint stay as they are, everything else is held as numbers.
    #[default]
    Stored,
    /// All are held as numbers: what is stored in fewer bits is widened.
    None,
    /// Numbers become bytes with one scale for each output, and activations are rounded to bytes with one for each token; blocks
    /// of a checkpoint stay as they are.
    Int8,
    /// Numbers become blocks of this format, where rows are whole blocks; blocks of a checkpoint stay as they are.
    Blocks(BlockFormat),
}

impl Quantization {
    /// The choice called `name`: `auto`, `none`, `int8`, or a format of blocks that weights can be quantised to, such as `q8_0`.
    pub fn from_name(name: &str) -> Option<Quantization> {
        match name {
            "auto" => Some(Quantization::Stored),
            "none" => Some(Quantization::None),
            INT8 => Some(Quantization::Int8),
            name => BlockFormat::from_name(name)
                .filter(|format| QUANTISED_FORMATS.contains(format))
                .map(Quantization::Blocks),
        }
    }

    /// The names of the formats that weights can be quantised to, in lower case.
    pub fn format_names() -> Vec<String> {
        let blocks = QUANTISED_FORMATS.iter().map(|format| format.name().to_ascii_lowercase());
        std::iter::once(INT8.to_owned()).chain(blocks).collect()
    }

    /// Whether an importance matrix makes a difference: scales of such blocks are searched for.
    pub fn weighs_errors(self) -> bool {
        matches!(self, Quantization::Blocks(format) if WEIGHTED_FORMATS.contains(&format))
    }

    /// What numbers in rows of `num_inputs` become: the format, or the one of at least its size that has smaller blocks, or, of
    /// rows that are no whole blocks, nothing.
    pub(crate) fn format_for(self, num_inputs: usize) -> Option<WeightFormat> {
        let format = match self {
            Quantization::Stored | Quantization::None => return None,
            Quantization::Int8 => return Some(WeightFormat::Int8).filter(|int8| int8.can_pack(num_inputs)),
            Quantization::Blocks(format) => format,
        };
        let smaller = match format {
            BlockFormat::Q4_K => Some(BlockFormat::Q4_1),
            BlockFormat::Q6_K => Some(BlockFormat::Q8_0),
            _ => None,
        };
        let formats = [Some(format), smaller].into_iter().flatten();
        formats.map(WeightFormat::Blocks).find(|format| format.can_pack(num_inputs))
    }
}

/// The name of bytes with one scale for each output.
const INT8: &str = "int8";

#[cfg(test)]
mod tests {
    use super::{BlockFormat, Quantization, WeightFormat};

    #[test]
    fn names_are_choices() {
        assert_eq!(Quantization::from_name("auto"), Some(Quantization::Stored));
        assert_eq!(Quantization::from_name("none"), Some(Quantization::None));
        for name in Quantization::format_names() {
            let choice = Quantization::from_name(&name);
            assert!(matches!(choice, Some(Quantization::Blocks(_) | Quantization::Int8)), "{name}");
        }
        // Weights are read from it, but never written.
        assert_eq!(Quantization::from_name("q5_k"), None);
        assert_eq!(Quantization::from_name("int3"), None);
    }

    #[test]
    fn rows_take_the_blocks_that_fit() {
        let of = |format, inputs| Quantization::Blocks(format).format_for(inputs);
        let blocks = |format| Some(WeightFormat::Blocks(format));
        assert_eq!(of(BlockFormat::Q4_K, 512), blocks(BlockFormat::Q4_K));
        assert_eq!(of(BlockFormat::Q4_K, 576), blocks(BlockFormat::Q4_1));
        assert_eq!(of(BlockFormat::Q6_K, 576), blocks(BlockFormat::Q8_0));
        assert_eq!(of(BlockFormat::Q4_K, 80), None);
        assert_eq!(of(BlockFormat::Q8_0, 80), None);
        assert_eq!(Quantization::Int8.format_for(80), Some(WeightFormat::Int8));
        assert_eq!(Quantization::Int8.format_for(1 << 20), None);
        assert_eq!(Quantization::Stored.format_for(512), None);
    }
}
