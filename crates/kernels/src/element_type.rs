//! Element types of weights and caches. Says how wide they are and how they turn into f32; knows no tensors.

use std::fmt;

use half::{bf16, f16};

/// The type of one number in memory, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
}

impl ElementType {
    /// Bytes of one element.
    pub const fn size_bytes(self) -> usize {
        match self {
            ElementType::F32 => 4,
            ElementType::F16 | ElementType::Bf16 => 2,
        }
    }

    /// Widens consecutive little-endian elements, of any alignment, to f32. Exact.
    ///
    /// Panics unless `source` holds `target.len()` elements.
    pub fn widen(self, source: &[u8], target: &mut [f32]) {
        assert_eq!(source.len(), target.len() * self.size_bytes(), "widen: lengths differ; this is a bug");
        match self {
            ElementType::F32 => {
                for (value, bytes) in target.iter_mut().zip(source.as_chunks().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
            }
            ElementType::F16 => {
                for (value, bytes) in target.iter_mut().zip(source.as_chunks().0) {
                    *value = f16::from_le_bytes(*bytes).to_f32();
                }
            }
            ElementType::Bf16 => {
                for (value, bytes) in target.iter_mut().zip(source.as_chunks().0) {
                    *value = bf16::from_le_bytes(*bytes).to_f32();
                }
            }
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ElementType::F32 => "float32",
            ElementType::F16 => "float16",
            ElementType::Bf16 => "bfloat16",
        })
    }
}
