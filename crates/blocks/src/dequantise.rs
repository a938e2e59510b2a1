//! From blocks to the values that they stand for, to the bit what ggml makes of them: products and differences of 32-bit
//! floats in ggml's order, none of them fused.

use crate::{BlockFormat, k_blocks, plain_blocks};

/// Writes the values of `blocks`.
///
/// # Panics
/// `blocks` are not whole blocks, or `values` has another length than they have values.
pub fn dequantise(format: BlockFormat, blocks: &[u8], values: &mut [f32]) {
    assert_eq!(
        format.bytes_of(values.len()),
        Some(blocks.len()),
        "{} values are not {} bytes of {format}: this is a bug",
        values.len(),
        blocks.len(),
    );
    match format {
        BlockFormat::Q4_0 => each(blocks, values, plain_blocks::q4_0),
        BlockFormat::Q4_1 => each(blocks, values, plain_blocks::q4_1),
        BlockFormat::Q5_0 => each(blocks, values, plain_blocks::q5_0),
        BlockFormat::Q5_1 => each(blocks, values, plain_blocks::q5_1),
        BlockFormat::Q8_0 => each(blocks, values, plain_blocks::q8_0),
        BlockFormat::Q2_K => each(blocks, values, k_blocks::q2_k),
        BlockFormat::Q3_K => each(blocks, values, k_blocks::q3_k),
        BlockFormat::Q4_K => each(blocks, values, k_blocks::q4_k),
        BlockFormat::Q5_K => each(blocks, values, k_blocks::q5_k),
        BlockFormat::Q6_K => each(blocks, values, k_blocks::q6_k),
        BlockFormat::IQ4_NL => each(blocks, values, plain_blocks::iq4_nl),
        BlockFormat::IQ4_XS => each(blocks, values, k_blocks::iq4_xs),
    }
}

fn each<const BYTES: usize, const VALUES: usize>(
    blocks: &[u8],
    values: &mut [f32],
    block: impl Fn(&[u8; BYTES], &mut [f32; VALUES]),
) {
    let (blocks, values) = (blocks.as_chunks::<BYTES>().0, values.as_chunks_mut::<VALUES>().0);
    for (bytes, values) in blocks.iter().zip(values) {
        block(bytes, values);
    }
}

/// The half-precision number at `at`.
pub(crate) fn half_at(bytes: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}
