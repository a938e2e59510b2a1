//! Blocks of 256 values whose groups have scales of their own, relative to the block's.

use crate::dequantise::half_at;
use crate::plain_blocks::nibbles;
use crate::{IQ4_LEVELS, q3_k_scales, q4_k_scales};

/// Bytes 0-31 of each half's `q` have the first 128 values in bits 0-1, 2-3, 4-5, 6-7, 32 values each.
pub(crate) fn q2_k(block: &[u8; 84], values: &mut [f32; 256]) {
    let (scale, min) = (half_at(block, 80), half_at(block, 82));
    for (group, values) in values.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let packed = block[group];
        let (scale, min) = (scale * f32::from(packed & 15), min * f32::from(packed >> 4));
        let at = two_bits(group);
        for (value, &byte) in values.iter_mut().zip(&block[16 + at.byte..]) {
            *value = scale * f32::from((byte >> at.shift) & 3) - min;
        }
    }
}

/// The lower two bits lie as in Q2_K; bit `j` of the 32 bytes in front belongs to the `j`th 32 values, and 0 means minus 4.
pub(crate) fn q3_k(block: &[u8; 110], values: &mut [f32; 256]) {
    let scale = half_at(block, 108);
    let scales = q3_k_scales(block[96..].first_chunk().expect("14 bytes follow: this is a bug"));
    for (group, values) in values.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = scale * f32::from(scales[group]);
        let at = two_bits(group);
        let third = &block[16 * (group % 2)..];
        for ((value, &byte), &third) in values.iter_mut().zip(&block[32 + at.byte..]).zip(third) {
            let low = ((byte >> at.shift) & 3) as i8;
            let minus = if (third >> (group / 2)) & 1 == 0 { 4 } else { 0 };
            *value = scale * f32::from(low - minus);
        }
    }
}

/// Each 32 bytes have 32 values in their low halves and the next 32 in their high ones.
pub(crate) fn q4_k(block: &[u8; 144], values: &mut [f32; 256]) {
    scaled_groups(block, values, |group, index| (block[16 + 32 * (group / 2) + index] >> (4 * (group % 2))) & 15);
}

/// As Q4_K; bit `j` of the 32 bytes in front is the fifth of the values of group `j`.
pub(crate) fn q5_k(block: &[u8; 176], values: &mut [f32; 256]) {
    scaled_groups(block, values, |group, index| {
        let low = (block[48 + 32 * (group / 2) + index] >> (4 * (group % 2))) & 15;
        low | (((block[16 + index] >> group) & 1) << 4)
    });
}

/// Each half of the block: 64 bytes of lower bits, whose low halves are the first 64 values; 32 bytes of upper bits, 32
/// values for each two.
pub(crate) fn q6_k(block: &[u8; 210], values: &mut [f32; 256]) {
    let scale = half_at(block, 208);
    for (group, values) in values.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = scale * f32::from(block[192 + group] as i8);
        let (half, part, second) = (group / 8, (group % 8) / 2, 16 * (group % 2));
        let low = &block[64 * half + 32 * (part % 2) + second..];
        let high = &block[128 + 32 * half + second..];
        for ((value, &low), &high) in values.iter_mut().zip(low).zip(high) {
            let q = ((low >> (4 * (part / 2))) & 15) | (((high >> (2 * part)) & 3) << 4);
            *value = scale * f32::from(q as i8 - 32);
        }
    }
}

pub(crate) fn iq4_xs(block: &[u8; 136], values: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let upper = u16::from_le_bytes([block[2], block[3]]);
    for (group, values) in values.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let low = (block[4 + group / 2] >> (4 * (group % 2))) & 15;
        let high = (upper >> (2 * group)) as u8 & 3;
        let scale = scale * f32::from((low | (high << 4)) as i8 - 32);
        nibbles(&block[8 + 16 * group..], values, |q| scale * f32::from(IQ4_LEVELS[usize::from(q)]));
    }
}

/// Q4_K and Q5_K: half scale, half min, packed scales and mins of 8 groups, numbers that `q` finds.
fn scaled_groups(block: &[u8], values: &mut [f32; 256], q: impl Fn(usize, usize) -> u8) {
    let (scale, min) = (half_at(block, 0), half_at(block, 2));
    let (scales, mins) = q4_k_scales(block[4..].first_chunk().expect("140 bytes follow: this is a bug"));
    for (group, values) in values.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, min) = (scale * f32::from(scales[group]), min * f32::from(mins[group]));
        for (index, value) in values.iter_mut().enumerate() {
            *value = scale * f32::from(q(group, index)) - min;
        }
    }
}

/// Where the 2-bit numbers of a group of 16 begin.
struct TwoBits {
    byte: usize,
    shift: usize,
}

fn two_bits(group: usize) -> TwoBits {
    TwoBits { byte: 32 * (group / 8) + 16 * (group % 2), shift: 2 * ((group % 8) / 2) }
}
