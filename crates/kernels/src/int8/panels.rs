//! Panels of bytes: how a matrix is laid out for the kernels, and how a row is read back.
//!
//! ```text
//! [16]                     f32 scale
//! [inputs / 4][16][4]      level + 128
//! ```
//! Inputs are padded to [`LINE_INPUTS`] with levels of 0, so that levels are whole right-hand tiles of Intel's products.

use super::{LINE_INPUTS, MAGNITUDE, scale_of};
use crate::{
    WeightFormat,
    lanes::LANES,
    matrix_source::{CHUNK_INPUTS, MatrixSource, PanelPart, panel_parts},
};

/// Bytes of the scales in front of the levels.
pub(crate) const SCALES_BYTES: usize = LANES * size_of::<f32>();

/// What is added to a level.
const ZERO: u8 = 128;

/// Bytes of a panel; `None` when they can't be counted.
pub(crate) fn panel_bytes(num_inputs: usize) -> Option<usize> {
    num_inputs.checked_next_multiple_of(LINE_INPUTS)?.checked_mul(LANES)?.checked_add(SCALES_BYTES)
}

/// Fills one panel from whichever sources its sixteen outputs lie in: stored bytes as they are, other numbers rounded to the
/// nearest of the 127 steps to either side of 0 that reach the largest of their row.
pub(crate) fn pack_panel(sources: &[MatrixSource<'_>], panel: usize, target: &mut [u8]) {
    let (scales, levels) = target.split_at_mut(SCALES_BYTES);
    levels.fill(ZERO);
    for part in panel_parts(sources, panel) {
        if part.source.stored == WeightFormat::Int8 {
            for (lane, output) in part.lanes.zip(part.outputs) {
                let (scale, bytes) = part.source.int8_row(output);
                put_scale(scales, lane, scale);
                for (input, byte) in bytes.iter().enumerate() {
                    levels[place(input, lane)] = byte ^ ZERO;
                }
            }
        } else {
            round_part(part, scales, levels);
        }
    }
}

fn round_part(part: PanelPart<'_>, scales: &mut [u8], levels: &mut [u8]) {
    let PanelPart { source, outputs, lanes } = part;
    let mut widened = [[0.0_f32; CHUNK_INPUTS]; LANES];
    let chunks =
        || (0..source.num_inputs).step_by(CHUNK_INPUTS).map(|start| start..source.num_inputs.min(start + CHUNK_INPUTS));
    let mut largest = [0; LANES];
    for inputs in chunks() {
        source.widen_block(outputs.clone(), inputs.clone(), &mut widened);
        for (largest, values) in largest.iter_mut().zip(&widened).take(outputs.len()) {
            *largest =
                values[..inputs.len()].iter().fold(*largest, |most, value| most.max(value.to_bits() & MAGNITUDE));
        }
    }
    let found = largest.map(scale_of);
    for (lane, (scale, _)) in lanes.clone().zip(found) {
        put_scale(scales, lane, scale);
    }
    for inputs in chunks() {
        source.widen_block(outputs.clone(), inputs.clone(), &mut widened);
        for ((lane, values), (_, inverse)) in lanes.clone().zip(&widened).zip(found) {
            for (input, value) in inputs.clone().zip(values) {
                // Without a scale there is no level either: NaN becomes 0.
                levels[place(input, lane)] = (value * inverse).round_ties_even() as i8 as u8 ^ ZERO;
            }
        }
    }
}

/// Gathers the weights of one output of a panel.
pub(crate) fn gather(panel: &[u8], lane: usize, out: &mut [f32]) {
    let (scales, levels) = panel.split_at(SCALES_BYTES);
    let at = lane * size_of::<f32>();
    let scale = f32::from_le_bytes([scales[at], scales[at + 1], scales[at + 2], scales[at + 3]]);
    for (input, out) in out.iter_mut().enumerate() {
        *out = scale * f32::from((levels[place(input, lane)] ^ ZERO) as i8);
    }
}

/// Where the level of an input of an output lies.
fn place(input: usize, lane: usize) -> usize {
    (input / 4 * LANES + lane) * 4 + input % 4
}

fn put_scale(scales: &mut [u8], lane: usize, scale: f32) {
    scales[lane * size_of::<f32>()..][..size_of::<f32>()].copy_from_slice(&scale.to_le_bytes());
}
