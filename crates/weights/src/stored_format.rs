//! What a tensor is stored as: single numbers, or blocks of quantised ones.

use std::fmt;

use quire_blocks::BlockFormat;
use quire_gguf::{ElementType, TensorType};

use crate::DType;

/// A format that weights are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoredFormat {
    /// Single numbers.
    Elements(DType),
    /// Blocks along the last dimension.
    Blocks(BlockFormat),
    /// Rows of signed bytes, a float32 scale in front of each.
    Int8,
}

impl StoredFormat {
    /// The format of a tensor of a GGUF file; `None` if weights are not read from it.
    pub(crate) fn of_gguf(tensor_type: TensorType) -> Option<StoredFormat> {
        match tensor_type {
            TensorType::Elements(ElementType::F32) => Some(StoredFormat::Elements(DType::F32)),
            TensorType::Elements(ElementType::F16) => Some(StoredFormat::Elements(DType::F16)),
            TensorType::Elements(ElementType::Bf16) => Some(StoredFormat::Elements(DType::Bf16)),
            TensorType::Blocks(format) => Some(StoredFormat::Blocks(format)),
            TensorType::Other(_) => None,
        }
    }

    /// `float32`, `bfloat16`, `Q4_K`, `int8`.
    pub fn name(self) -> &'static str {
        match self {
            StoredFormat::Elements(dtype) => dtype.name(),
            StoredFormat::Blocks(format) => format.name(),
            StoredFormat::Int8 => "int8",
        }
    }
}

impl fmt::Display for StoredFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
