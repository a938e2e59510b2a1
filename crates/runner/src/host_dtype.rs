//! Element types of host tensors, by PyTorch's names.

use half::{bf16, f16};
use quire_kernels::ElementType;

/// The type of one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostDType {
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary16.
    Float16,
    /// The upper half of binary32.
    Bfloat16,
    /// Signed byte.
    Int8,
    /// Unsigned byte.
    Uint8,
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// One byte, 0 or 1.
    Bool,
}

impl HostDType {
    /// Every type.
    pub const ALL: [HostDType; 8] = [
        HostDType::Float32,
        HostDType::Float16,
        HostDType::Bfloat16,
        HostDType::Int8,
        HostDType::Uint8,
        HostDType::Int32,
        HostDType::Int64,
        HostDType::Bool,
    ];

    /// PyTorch's name without the prefix.
    pub fn name(self) -> &'static str {
        match self {
            HostDType::Float32 => "float32",
            HostDType::Float16 => "float16",
            HostDType::Bfloat16 => "bfloat16",
            HostDType::Int8 => "int8",
            HostDType::Uint8 => "uint8",
            HostDType::Int32 => "int32",
            HostDType::Int64 => "int64",
            HostDType::Bool => "bool",
        }
    }

    /// The type of this [`name`](HostDType::name).
    pub fn from_name(name: &str) -> Option<HostDType> {
        HostDType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    /// Bytes of one element.
    pub fn size_bytes(self) -> usize {
        match self {
            HostDType::Int8 | HostDType::Uint8 | HostDType::Bool => 1,
            HostDType::Float16 | HostDType::Bfloat16 => 2,
            HostDType::Float32 | HostDType::Int32 => 4,
            HostDType::Int64 => 8,
        }
    }

    /// Appends `number`, converted as PyTorch converts: rounded to nearest even for floats, truncated for integers.
    pub(crate) fn append(self, number: f64, bytes: &mut Vec<u8>) {
        match self {
            HostDType::Float32 => bytes.extend((number as f32).to_le_bytes()),
            HostDType::Float16 => bytes.extend(f16::from_f64(number).to_le_bytes()),
            HostDType::Bfloat16 => bytes.extend(bf16::from_f64(number).to_le_bytes()),
            HostDType::Int8 => bytes.extend((number as i8).to_le_bytes()),
            HostDType::Uint8 => bytes.push(number as u8),
            HostDType::Int32 => bytes.extend((number as i32).to_le_bytes()),
            HostDType::Int64 => bytes.extend((number as i64).to_le_bytes()),
            HostDType::Bool => bytes.push(u8::from(number != 0.0)),
        }
    }
}

impl From<ElementType> for HostDType {
    fn from(element: ElementType) -> HostDType {
        match element {
            ElementType::F32 => HostDType::Float32,
            ElementType::F16 => HostDType::Float16,
            ElementType::Bf16 => HostDType::Bfloat16,
        }
    }
}
