//! The block formats by name, number and size.

use std::fmt;

/// How a block of consecutive values of one row is stored. All numbers are little-endian; a half is IEEE 754 binary16.
/// Formats of 32 values have the value `i` in the low four bits of byte `i` and the value `i + 16` in the high ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(non_camel_case_types, reason = "the names by which everybody knows them")]
pub enum BlockFormat {
    /// 32 values `d * (q - 8)`: half `d`, 16 bytes of 4-bit `q`.
    Q4_0,
    /// 32 values `d * q + m`: half `d`, half `m`, 16 bytes of 4-bit `q`.
    Q4_1,
    /// 32 values `d * (q - 16)`: half `d`, 4 bytes with the fifth bits of `q`, 16 bytes with the lower four.
    Q5_0,
    /// 32 values `d * q + m`: half `d`, half `m`, 4 bytes with the fifth bits of `q`, 16 bytes with the lower four.
    Q5_1,
    /// 32 values `d * q`: half `d`, 32 signed bytes `q`.
    Q8_0,
    /// 256 values in 16 groups of 16, `d * scale * q - dmin * min`: 16 bytes with 4-bit `scale` (low) and `min` (high), 64
    /// bytes of 2-bit `q`, half `d`, half `dmin`.
    Q2_K,
    /// 256 values in 16 groups of 16, `d * scale * q`: 32 bytes with the third bits of `q` + 4, 64 bytes with the lower two,
    /// 12 bytes of 6-bit scales (see [`q3_k_scales`](crate::q3_k_scales)), half `d`.
    Q3_K,
    /// 256 values in 8 groups of 32, `d * scale * q - dmin * min`: half `d`, half `dmin`, 12 bytes of 6-bit scales and mins
    /// (see [`q4_k_scales`](crate::q4_k_scales)), 128 bytes of 4-bit `q`.
    Q4_K,
    /// As [`Q4_K`](BlockFormat::Q4_K) with 5-bit `q`, whose fifth bits are 32 bytes in front of the 128.
    Q5_K,
    /// 256 values in 16 groups of 16, `d * scale * (q - 32)`: 128 bytes with the lower four bits of `q`, 64 bytes with the
    /// upper two, 16 signed bytes of scales, half `d`.
    Q6_K,
    /// 32 values `d * level`: half `d`, 16 bytes of 4-bit indices into [`IQ4_LEVELS`](crate::IQ4_LEVELS).
    IQ4_NL,
    /// 256 values in 8 groups of 32, `d * (scale - 32) * level`: half `d`, 2 bytes with the upper two bits of the scales, 4
    /// bytes with the lower four, 128 bytes of indices, each group as in [`IQ4_NL`](BlockFormat::IQ4_NL).
    IQ4_XS,
}

/// Format, ggml's number for it, its name, values and bytes of a block.
const TABLE: [(BlockFormat, u32, &str, usize, usize); 12] = [
    (BlockFormat::Q4_0, 2, "Q4_0", 32, 18),
    (BlockFormat::Q4_1, 3, "Q4_1", 32, 20),
    (BlockFormat::Q5_0, 6, "Q5_0", 32, 22),
    (BlockFormat::Q5_1, 7, "Q5_1", 32, 24),
    (BlockFormat::Q8_0, 8, "Q8_0", 32, 34),
    (BlockFormat::Q2_K, 10, "Q2_K", 256, 84),
    (BlockFormat::Q3_K, 11, "Q3_K", 256, 110),
    (BlockFormat::Q4_K, 12, "Q4_K", 256, 144),
    (BlockFormat::Q5_K, 13, "Q5_K", 256, 176),
    (BlockFormat::Q6_K, 14, "Q6_K", 256, 210),
    (BlockFormat::IQ4_NL, 20, "IQ4_NL", 32, 18),
    (BlockFormat::IQ4_XS, 23, "IQ4_XS", 256, 136),
];

impl BlockFormat {
    /// All formats, in the order of ggml's numbers.
    pub fn all() -> impl ExactSizeIterator<Item = BlockFormat> {
        TABLE.iter().map(|row| row.0)
    }

    /// The format that ggml numbers so; `None` for element types and for formats that are not here.
    pub fn from_ggml_type(number: u32) -> Option<BlockFormat> {
        TABLE.iter().find(|row| row.1 == number).map(|row| row.0)
    }

    /// The format of this name, in any case: `Q4_K`, `q8_0`.
    pub fn from_name(name: &str) -> Option<BlockFormat> {
        TABLE.iter().find(|row| row.2.eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    /// ggml's number.
    pub fn ggml_type(self) -> u32 {
        self.row().1
    }

    /// ggml's name, such as `Q4_K`.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// Values of a block.
    pub fn block_len(self) -> usize {
        self.row().3
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        self.row().4
    }

    /// Bytes that `num_values` values take; `None` unless they are whole blocks whose bytes can be counted.
    pub fn bytes_of(self, num_values: usize) -> Option<usize> {
        let whole = num_values.is_multiple_of(self.block_len());
        (num_values / self.block_len()).checked_mul(self.block_bytes()).filter(|_| whole)
    }

    fn row(self) -> &'static (BlockFormat, u32, &'static str, usize, usize) {
        &TABLE[self as usize]
    }
}

impl fmt::Display for BlockFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{BlockFormat, TABLE};

    #[test]
    fn every_format_finds_its_own_row() {
        for (format, number, name, block_len, block_bytes) in TABLE {
            assert_eq!(format.name(), name);
            assert_eq!(BlockFormat::from_ggml_type(number), Some(format));
            assert_eq!(BlockFormat::from_name(&name.to_lowercase()), Some(format));
            assert_eq!(format.bytes_of(3 * block_len), Some(3 * block_bytes));
            assert_eq!(format.bytes_of(block_len + 1), None);
            assert_eq!(format.bytes_of(usize::MAX - usize::MAX % block_len), {
                (usize::MAX / block_len).checked_mul(block_bytes)
            });
        }
    }

    #[test]
    fn element_types_and_unknown_numbers_are_none() {
        for number in [0, 1, 9, 15, 16, 28, 30, 39, u32::MAX] {
            assert_eq!(BlockFormat::from_ggml_type(number), None);
        }
    }
}
