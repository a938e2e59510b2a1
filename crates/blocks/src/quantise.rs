//! From values to blocks, each on its own: the levels span a block's range, and every value takes the nearest.

use half::f16;

use crate::BlockFormat;
use crate::quantise_q4_0::q4_0_weighted;
use crate::quantise_q4_k::q4_k;
use crate::quantise_q6_k::q6_k;

/// The formats that [`quantise`] writes.
pub const QUANTISED_FORMATS: [BlockFormat; 7] = [
    BlockFormat::Q4_0,
    BlockFormat::Q4_1,
    BlockFormat::Q5_0,
    BlockFormat::Q5_1,
    BlockFormat::Q8_0,
    BlockFormat::Q4_K,
    BlockFormat::Q6_K,
];

/// Those of them whose scales are searched for, so that [`quantise_weighted`] differs from [`quantise`].
pub const WEIGHTED_FORMATS: [BlockFormat; 3] = [BlockFormat::Q4_0, BlockFormat::Q4_K, BlockFormat::Q6_K];

/// Writes `values` as blocks. Formats of 32 values come out as ggml writes them, to the bit. Values that are not finite
/// make a block that is of no use, and no more than that.
///
/// # Panics
/// The format is none of [`QUANTISED_FORMATS`], `values` are not whole blocks, or `blocks` has another length than they take.
pub fn quantise(format: BlockFormat, values: &[f32], blocks: &mut [u8]) {
    assert_eq!(
        format.bytes_of(values.len()),
        Some(blocks.len()),
        "{} values are not {} bytes of {format}: this is a bug",
        values.len(),
        blocks.len(),
    );
    match format {
        BlockFormat::Q4_0 => each(values, blocks, q4_0),
        BlockFormat::Q4_1 => each(values, blocks, q4_1),
        BlockFormat::Q5_0 => each(values, blocks, q5_0),
        BlockFormat::Q5_1 => each(values, blocks, q5_1),
        BlockFormat::Q8_0 => each(values, blocks, q8_0),
        BlockFormat::Q4_K => each(values, blocks, |values, block| q4_k(values, None, block)),
        BlockFormat::Q6_K => each(values, blocks, |values, block| q6_k(values, None, block)),
        other => panic!("{other} is not a format that is written: this is a bug"),
    }
}

/// As [`quantise`], but an error of a value counts as much as `importance` says, which is not negative and about 1: how large
/// the square of what the value is multiplied with is on average. Formats other than [`WEIGHTED_FORMATS`] can't take it into
/// account.
///
/// # Panics
/// As [`quantise`], and where `importance` has another length than `values`.
pub fn quantise_weighted(format: BlockFormat, values: &[f32], importance: &[f32], blocks: &mut [u8]) {
    assert_eq!(values.len(), importance.len(), "as many values as what they count; this is a bug");
    match format {
        BlockFormat::Q4_0 => each_weighted(values, importance, blocks, q4_0_weighted),
        BlockFormat::Q4_K => {
            each_weighted(values, importance, blocks, |values, importance, block| {
                q4_k(values, Some(importance), block)
            });
        }
        BlockFormat::Q6_K => {
            each_weighted(values, importance, blocks, |values, importance, block| {
                q6_k(values, Some(importance), block)
            });
        }
        other => quantise(other, values, blocks),
    }
}

fn each_weighted<const VALUES: usize, const BYTES: usize>(
    values: &[f32],
    importance: &[f32],
    blocks: &mut [u8],
    block: impl Fn(&[f32; VALUES], &[f32; VALUES], &mut [u8; BYTES]),
) {
    let values = values.as_chunks::<VALUES>().0.iter().zip(importance.as_chunks::<VALUES>().0);
    for ((values, importance), bytes) in values.zip(blocks.as_chunks_mut::<BYTES>().0) {
        block(values, importance, bytes);
    }
}

fn each<const VALUES: usize, const BYTES: usize>(
    values: &[f32],
    blocks: &mut [u8],
    block: impl Fn(&[f32; VALUES], &mut [u8; BYTES]),
) {
    for (values, bytes) in values.as_chunks::<VALUES>().0.iter().zip(blocks.as_chunks_mut::<BYTES>().0) {
        block(values, bytes);
    }
}

pub(crate) fn q4_0(values: &[f32; 32], block: &mut [u8; 18]) {
    let scale = largest(values) / -8.0;
    let inverse = inverse_of(scale);
    put_half(block, 0, scale);
    let levels = values.map(|value| level(value * inverse + 8.5, 15));
    put_nibbles(&levels, &mut block[2..]);
}

fn q4_1(values: &[f32; 32], block: &mut [u8; 20]) {
    let (min, scale) = span(values, 15.0);
    let inverse = inverse_of(scale);
    put_half(block, 0, scale);
    put_half(block, 2, min);
    let levels = values.map(|value| level((value - min) * inverse + 0.5, 15));
    put_nibbles(&levels, &mut block[4..]);
}

fn q5_0(values: &[f32; 32], block: &mut [u8; 22]) {
    let scale = largest(values) / -16.0;
    let inverse = inverse_of(scale);
    put_half(block, 0, scale);
    let levels = values.map(|value| level(value * inverse + 16.5, 31));
    put_five_bits(&levels, &mut block[2..]);
}

fn q5_1(values: &[f32; 32], block: &mut [u8; 24]) {
    let (min, scale) = span(values, 31.0);
    let inverse = inverse_of(scale);
    put_half(block, 0, scale);
    put_half(block, 2, min);
    let levels = values.map(|value| level((value - min) * inverse + 0.5, 31));
    put_five_bits(&levels, &mut block[4..]);
}

fn q8_0(values: &[f32; 32], block: &mut [u8; 34]) {
    let scale = values.iter().fold(0.0, |most: f32, value| most.max(value.abs())) / 127.0;
    let inverse = inverse_of(scale);
    put_half(block, 0, scale);
    for (byte, value) in block[2..].iter_mut().zip(values) {
        *byte = (value * inverse).round() as i8 as u8;
    }
}

/// The value that is farthest from 0, the first of several, with its sign.
pub(crate) fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest: f32, &value| if value.abs() > largest.abs() { value } else { largest })
}

/// The least value, and the step of which `steps` reach the greatest.
fn span(values: &[f32], steps: f32) -> (f32, f32) {
    let min = values.iter().copied().fold(f32::INFINITY, f32::min);
    let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (min, (max - min) / steps)
}

fn inverse_of(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// The whole part, within 0 and `most`.
fn level(position: f32, most: u8) -> u8 {
    (position as u8).min(most)
}

pub(crate) fn put_half(block: &mut [u8], at: usize, value: f32) {
    block[at..at + 2].copy_from_slice(&f16::from_f32(value).to_le_bytes());
}

pub(crate) fn put_nibbles(levels: &[u8; 32], packed: &mut [u8]) {
    for (index, byte) in packed.iter_mut().enumerate() {
        *byte = (levels[index] & 15) | (levels[index + 16] << 4);
    }
}

fn put_five_bits(levels: &[u8; 32], packed: &mut [u8]) {
    let fifth = levels.iter().enumerate().fold(0, |bits, (index, level)| bits | (u32::from(level >> 4) << index));
    packed[..4].copy_from_slice(&fifth.to_le_bytes());
    put_nibbles(levels, &mut packed[4..]);
}
