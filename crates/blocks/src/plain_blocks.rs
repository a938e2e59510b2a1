//! Blocks of 32 values with one scale.

use crate::IQ4_LEVELS;
use crate::dequantise::half_at;

pub(crate) fn q4_0(block: &[u8; 18], values: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    nibbles(&block[2..], values, |q| f32::from(q as i8 - 8) * scale);
}

pub(crate) fn q4_1(block: &[u8; 20], values: &mut [f32; 32]) {
    let (scale, min) = (half_at(block, 0), half_at(block, 2));
    nibbles(&block[4..], values, |q| f32::from(q) * scale + min);
}

pub(crate) fn q5_0(block: &[u8; 22], values: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    five_bits(&block[2..], values, |q| f32::from(q as i8 - 16) * scale);
}

pub(crate) fn q5_1(block: &[u8; 24], values: &mut [f32; 32]) {
    let (scale, min) = (half_at(block, 0), half_at(block, 2));
    five_bits(&block[4..], values, |q| f32::from(q) * scale + min);
}

pub(crate) fn q8_0(block: &[u8; 34], values: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    for (value, &q) in values.iter_mut().zip(&block[2..]) {
        *value = f32::from(q as i8) * scale;
    }
}

pub(crate) fn iq4_nl(block: &[u8; 18], values: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    nibbles(&block[2..], values, |q| f32::from(IQ4_LEVELS[usize::from(q)]) * scale);
}

/// 16 bytes of two 4-bit numbers: low halves first.
pub(crate) fn nibbles(packed: &[u8], values: &mut [f32; 32], value: impl Fn(u8) -> f32) {
    let (low, high) = values.split_at_mut(16);
    for ((low, high), &byte) in low.iter_mut().zip(high).zip(packed) {
        *low = value(byte & 15);
        *high = value(byte >> 4);
    }
}

/// 4 bytes of fifth bits, then 16 bytes of the lower four.
fn five_bits(packed: &[u8], values: &mut [f32; 32], value: impl Fn(u8) -> f32) {
    let fifth = u32::from_le_bytes([packed[0], packed[1], packed[2], packed[3]]);
    let bit = |index: usize| ((fifth >> index) as u8 & 1) << 4;
    for (index, &byte) in packed[4..].iter().enumerate() {
        values[index] = value((byte & 15) | bit(index));
        values[index + 16] = value((byte >> 4) | bit(index + 16));
    }
}
