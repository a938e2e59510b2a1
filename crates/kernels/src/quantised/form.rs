//! In which shape each block format is packed: the same numbers, sixteen outputs side by side, nothing rounded.

use quire_blocks::{BlockFormat, IQ4_LEVELS};

/// A shape of packed blocks: how levels are stored, and how their scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockForm {
    /// Bytes, a scale for 32: Q8_0, Q5_0.
    Bytes,
    /// Bytes, a scale and a min for 32: Q5_1.
    BytesMin,
    /// Bytes, a scale for 16: Q3_K, Q6_K.
    BytesOf16,
    /// Bytes, a scale and a min for 16: Q2_K.
    BytesOf16Min,
    /// Bytes, a scale and a min for 32 that are relative to those of 256: Q5_K.
    BytesOf32Min,
    /// Four bits, of which 8 is taken, a scale for 32: Q4_0.
    Nibbles,
    /// Four bits, a scale and a min for 32: Q4_1.
    NibblesMin,
    /// Four bits, a scale and a min for 32 that are relative to those of 256: Q4_K.
    NibblesOf32Min,
    /// Four bits that are looked up, a scale for 32: IQ4_NL.
    Table,
    /// Four bits that are looked up, a scale for 32 that is relative to that of 256: IQ4_XS.
    TableOf32,
}

/// How levels are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LevelCode {
    /// A byte with the level + 128.
    Byte,
    /// Half a byte.
    Nibble,
}

/// How the scales of one block are stored, sixteen of each side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScaleCode {
    /// A half for each 32 inputs.
    Half,
    /// A half and a half min for each 32 inputs.
    HalfMin,
    /// A signed byte for each 16 inputs, times a half for each 256.
    Of16,
    /// A signed byte and a byte of min for each 16 inputs, times two halves for each 256.
    Of16Min,
    /// A signed byte and a byte of min for each 32 inputs, times two halves for each 256.
    Of32Min,
}

impl BlockForm {
    pub(crate) fn of(format: BlockFormat) -> BlockForm {
        match format {
            BlockFormat::Q8_0 | BlockFormat::Q5_0 => BlockForm::Bytes,
            BlockFormat::Q5_1 => BlockForm::BytesMin,
            BlockFormat::Q3_K | BlockFormat::Q6_K => BlockForm::BytesOf16,
            BlockFormat::Q2_K => BlockForm::BytesOf16Min,
            BlockFormat::Q5_K => BlockForm::BytesOf32Min,
            BlockFormat::Q4_0 => BlockForm::Nibbles,
            BlockFormat::Q4_1 => BlockForm::NibblesMin,
            BlockFormat::Q4_K => BlockForm::NibblesOf32Min,
            BlockFormat::IQ4_NL => BlockForm::Table,
            BlockFormat::IQ4_XS => BlockForm::TableOf32,
        }
    }

    pub(crate) fn level_code(self) -> LevelCode {
        match self {
            BlockForm::Bytes
            | BlockForm::BytesMin
            | BlockForm::BytesOf16
            | BlockForm::BytesOf16Min
            | BlockForm::BytesOf32Min => LevelCode::Byte,
            BlockForm::Nibbles
            | BlockForm::NibblesMin
            | BlockForm::NibblesOf32Min
            | BlockForm::Table
            | BlockForm::TableOf32 => LevelCode::Nibble,
        }
    }

    pub(crate) fn scale_code(self) -> ScaleCode {
        match self {
            BlockForm::Bytes | BlockForm::Nibbles | BlockForm::Table => ScaleCode::Half,
            BlockForm::BytesMin | BlockForm::NibblesMin => ScaleCode::HalfMin,
            BlockForm::BytesOf16 => ScaleCode::Of16,
            BlockForm::BytesOf16Min => ScaleCode::Of16Min,
            BlockForm::BytesOf32Min | BlockForm::NibblesOf32Min | BlockForm::TableOf32 => ScaleCode::Of32Min,
        }
    }

    /// What a stored level stands for.
    pub(crate) fn level(self, stored: u8) -> i32 {
        match self {
            BlockForm::Nibbles => i32::from(stored) - 8,
            BlockForm::NibblesMin | BlockForm::NibblesOf32Min => i32::from(stored),
            BlockForm::Table | BlockForm::TableOf32 => i32::from(IQ4_LEVELS[usize::from(stored & 15)]),
            _ => i32::from(stored) - 128,
        }
    }
}

/// What is added to a code of `format`, as [`unpack`](quire_blocks::unpack) gives it, to have the byte that is stored.
pub(crate) fn code_offset(format: BlockFormat) -> u8 {
    match format {
        BlockFormat::Q8_0 | BlockFormat::Q5_1 | BlockFormat::Q2_K | BlockFormat::Q5_K => 128,
        BlockFormat::Q5_0 => 128 - 16,
        BlockFormat::Q3_K => 128 - 4,
        BlockFormat::Q6_K => 128 - 32,
        BlockFormat::Q4_0 | BlockFormat::Q4_1 | BlockFormat::Q4_K | BlockFormat::IQ4_NL | BlockFormat::IQ4_XS => 0,
    }
}

impl ScaleCode {
    /// Bytes for each block of 32 inputs.
    pub(crate) const fn block_bytes(self) -> usize {
        match self {
            ScaleCode::Half | ScaleCode::Of16 | ScaleCode::Of32Min => 32,
            ScaleCode::HalfMin | ScaleCode::Of16Min => 64,
        }
    }

    /// Bytes for each 256 inputs.
    pub(crate) const fn super_bytes(self) -> usize {
        match self {
            ScaleCode::Half | ScaleCode::HalfMin => 0,
            ScaleCode::Of16 => 32,
            ScaleCode::Of16Min | ScaleCode::Of32Min => 64,
        }
    }
}

impl LevelCode {
    /// Bytes of a block of 32 inputs of sixteen outputs.
    pub(crate) const fn block_bytes(self) -> usize {
        match self {
            LevelCode::Byte => 512,
            LevelCode::Nibble => 256,
        }
    }
}
