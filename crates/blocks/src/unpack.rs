//! From blocks to whole numbers: what a kernel computes with that never makes the values themselves.

use half::f16;

use crate::{BlockFormat, q3_k_scales, q4_k_scales};

/// Values that one scale belongs to in the finest formats.
const GROUP: usize = 16;

/// Blocks of up to 256 values in parts. Value `i` is `scale * scales[i / 16] * level(codes[i]) + min * mins[i / 16]`, with
/// the products of 32-bit floats in this order. Formats whose groups have 32 values say everything twice.
#[derive(Clone, Debug)]
pub struct UnpackedBlock {
    /// The numbers as stored, by value; a signed byte's bits in Q8_0.
    pub codes: [u8; 256],
    /// The factors of the scale; 1 where there are none.
    pub scales: [i8; 16],
    /// The factors of the min; 1 where there are none.
    pub mins: [u8; 16],
    /// The block's scale.
    pub scale: f16,
    /// The block's min, with the sign that it is added with; 0 where there is none.
    pub min: f16,
}

impl Default for UnpackedBlock {
    fn default() -> UnpackedBlock {
        UnpackedBlock { codes: [0; 256], scales: [1; 16], mins: [1; 16], scale: f16::ZERO, min: f16::ZERO }
    }
}

/// Takes one block apart; what lies beyond its values stays as it is.
///
/// # Panics
/// `block` has another length than blocks of `format` have.
pub fn unpack(format: BlockFormat, block: &[u8], parts: &mut UnpackedBlock) {
    assert_eq!(block.len(), format.block_bytes(), "{format}: not one block; this is a bug");
    let codes = &mut parts.codes;
    match format {
        BlockFormat::Q4_0 | BlockFormat::IQ4_NL => {
            parts.scale = half_at(block, 0);
            nibbles::<16>(&block[2..18], codes);
        }
        BlockFormat::Q4_1 => {
            (parts.scale, parts.min) = (half_at(block, 0), half_at(block, 2));
            nibbles::<16>(&block[4..20], codes);
        }
        BlockFormat::Q5_0 => {
            parts.scale = half_at(block, 0);
            nibbles::<16>(&block[6..22], codes);
            fifth_bits(&block[2..6], codes);
        }
        BlockFormat::Q5_1 => {
            (parts.scale, parts.min) = (half_at(block, 0), half_at(block, 2));
            nibbles::<16>(&block[8..24], codes);
            fifth_bits(&block[4..8], codes);
        }
        BlockFormat::Q8_0 => {
            parts.scale = half_at(block, 0);
            codes[..32].copy_from_slice(&block[2..34]);
        }
        BlockFormat::Q2_K => {
            (parts.scale, parts.min) = (half_at(block, 80), -half_at(block, 82));
            for (group, packed) in block[..16].iter().enumerate() {
                (parts.scales[group], parts.mins[group]) = ((packed & 15) as i8, packed >> 4);
            }
            two_bits(&block[16..80], codes);
        }
        BlockFormat::Q3_K => {
            parts.scale = half_at(block, 108);
            parts.scales = q3_k_scales(block[96..].first_chunk().expect("14 bytes follow; this is a bug"));
            two_bits(&block[32..96], codes);
            for (index, code) in codes.iter_mut().enumerate() {
                *code |= ((block[index % 32] >> (index / 32)) & 1) << 2;
            }
        }
        BlockFormat::Q4_K => {
            six_bit_scales(block, parts);
            nibbles::<32>(&block[16..], &mut parts.codes);
        }
        BlockFormat::Q5_K => {
            six_bit_scales(block, parts);
            nibbles::<32>(&block[48..], &mut parts.codes);
            for (index, code) in parts.codes.iter_mut().enumerate() {
                *code |= ((block[16 + index % 32] >> (index / 32)) & 1) << 4;
            }
        }
        BlockFormat::Q6_K => {
            parts.scale = half_at(block, 208);
            parts.scales = std::array::from_fn(|group| block[192 + group] as i8);
            for half in 0..2 {
                let codes = &mut codes[128 * half..][..128];
                nibbles::<64>(&block[64 * half..][..64], codes);
                for (index, code) in codes.iter_mut().enumerate() {
                    *code |= ((block[128 + 32 * half + index % 32] >> (2 * (index / 32))) & 3) << 4;
                }
            }
        }
        BlockFormat::IQ4_XS => {
            parts.scale = half_at(block, 0);
            let upper = u16::from_le_bytes([block[2], block[3]]);
            for (group, scale) in parts.scales.iter_mut().enumerate() {
                let group = group / 2;
                let low = (block[4 + group / 2] >> (4 * (group % 2))) & 15;
                *scale = (low | ((upper >> (2 * group)) as u8 & 3) << 4) as i8 - 32;
            }
            nibbles::<16>(&block[8..], &mut parts.codes);
        }
    }
}

fn half_at(block: &[u8], at: usize) -> f16 {
    f16::from_le_bytes([block[at], block[at + 1]])
}

/// Runs of so many bytes: their low halves first, then their high ones.
fn nibbles<const RUN: usize>(packed: &[u8], codes: &mut [u8]) {
    let halves = codes.as_chunks_mut::<RUN>().0.as_chunks_mut::<2>().0;
    for (bytes, [low, high]) in packed.as_chunks::<RUN>().0.iter().zip(halves) {
        for index in 0..RUN {
            (low[index], high[index]) = (bytes[index] & 15, bytes[index] >> 4);
        }
    }
}

fn fifth_bits(packed: &[u8], codes: &mut [u8]) {
    for (index, code) in codes[..32].iter_mut().enumerate() {
        *code |= ((packed[index / 8] >> (index % 8)) & 1) << 4;
    }
}

/// Each 32 bytes have 128 values, 32 in each two bits.
fn two_bits(packed: &[u8], codes: &mut [u8; 256]) {
    for (index, code) in codes.iter_mut().enumerate() {
        *code = (packed[32 * (index / 128) + index % 32] >> (2 * (index % 128 / 32))) & 3;
    }
}

fn six_bit_scales(block: &[u8], parts: &mut UnpackedBlock) {
    (parts.scale, parts.min) = (half_at(block, 0), -half_at(block, 2));
    let (scales, mins) = q4_k_scales(block[4..].first_chunk().expect("140 bytes follow; this is a bug"));
    parts.scales = std::array::from_fn(|group| scales[group * GROUP / 32] as i8);
    parts.mins = std::array::from_fn(|group| mins[group * GROUP / 32]);
}

#[cfg(test)]
mod tests {
    use super::{GROUP, UnpackedBlock, unpack};
    use crate::{BlockFormat, IQ4_LEVELS, dequantise};

    fn level(format: BlockFormat, code: u8) -> f32 {
        match format {
            BlockFormat::Q4_0 => f32::from(code as i8 - 8),
            BlockFormat::Q5_0 => f32::from(code as i8 - 16),
            BlockFormat::Q3_K => f32::from(code as i8 - 4),
            BlockFormat::Q6_K => f32::from(code as i8 - 32),
            BlockFormat::IQ4_NL | BlockFormat::IQ4_XS => f32::from(IQ4_LEVELS[usize::from(code)]),
            _ => f32::from(code as i8),
        }
    }

    #[test]
    fn parts_make_the_values_of_the_block() {
        let mut state = 7_u32;
        for format in BlockFormat::all() {
            for _ in 0..20 {
                let block: Vec<u8> = (0..format.block_bytes())
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (state >> 24) as u8
                    })
                    .collect();
                let mut expected = vec![0.0; format.block_len()];
                dequantise(format, &block, &mut expected);
                let mut parts = UnpackedBlock::default();
                unpack(format, &block, &mut parts);
                let (scale, min) = (parts.scale.to_f32(), parts.min.to_f32());
                for (index, expected) in expected.iter().enumerate() {
                    let scale = scale * f32::from(parts.scales[index / GROUP]);
                    let min = min * f32::from(parts.mins[index / GROUP]);
                    let actual = scale * level(format, parts.codes[index]) + min;
                    assert!(actual == *expected || actual.is_nan() && expected.is_nan(), "{format} {index}");
                }
            }
        }
    }
}
