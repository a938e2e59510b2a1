//! Panels of f32 and bf16.
//!
//! ```text
//! [inputs / g][16][g]     g inputs of one output are neighbours: 1 for f32, 2 for bf16
//! ```
//! Inputs are padded to g with zeros.

use half::bf16;

use crate::{
    ElementType, WeightFormat,
    lanes::LANES,
    matrix_source::{CHUNK_INPUTS, MatrixOrder, MatrixSource, PANEL_LINE_BYTES, PanelPart, panel_parts},
    narrow::narrow_one,
};

/// Lines that are filled together.
const CHUNK_LINES: usize = 128;

/// Bytes of a panel; `None` when they can't be counted.
pub(crate) fn panel_bytes(dtype: ElementType, num_inputs: usize) -> Option<usize> {
    let inputs = num_inputs.checked_next_multiple_of(group(dtype))?;
    inputs.checked_mul(LANES)?.checked_mul(dtype.size_bytes())
}

/// Neighbouring inputs of one output.
const fn group(dtype: ElementType) -> usize {
    match dtype {
        ElementType::F32 => 1,
        ElementType::F16 | ElementType::Bf16 => 2,
    }
}

/// Fills one panel from whichever sources its sixteen outputs lie in.
pub(crate) fn pack_panel(sources: &[MatrixSource<'_>], panel: usize, dtype: ElementType, target: &mut [u8]) {
    let num_inputs = sources.first().map_or(0, |source| source.num_inputs);
    let group = group(dtype);
    if num_inputs.is_multiple_of(group) && panel_parts(sources, panel).all(|part| is_kept(part.source, dtype)) {
        return interleave(sources, panel, target);
    }
    let mut block = [[0.0; CHUNK_INPUTS]; LANES];
    for start in (0..num_inputs).step_by(CHUNK_INPUTS) {
        let inputs = start..num_inputs.min(start + CHUNK_INPUTS);
        // A short last block leaves stale numbers where the padding of its last group goes.
        block.iter_mut().for_each(|row| row[inputs.len()..].fill(0.0));
        for part in panel_parts(sources, panel) {
            part.source.widen_block(part.outputs, inputs.clone(), &mut block[part.lanes]);
        }
        let size = dtype.size_bytes();
        let len = inputs.len().next_multiple_of(group);
        let target = &mut target[start * LANES * size..(start + len) * LANES * size];
        match dtype {
            ElementType::F32 => {
                for (index, target) in target.as_chunks_mut().0.iter_mut().enumerate() {
                    *target = block[index % LANES][index / LANES].to_le_bytes();
                }
            }
            ElementType::F16 | ElementType::Bf16 => {
                for (index, pair) in target.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                    let row = &block[index % LANES];
                    let low = bf16::from_bits(narrow_one(row[index / LANES * 2])).to_le_bytes();
                    let high = bf16::from_bits(narrow_one(row[index / LANES * 2 + 1])).to_le_bytes();
                    *pair = [low[0], low[1], high[0], high[1]];
                }
            }
        }
    }
}

/// Whether what is stored is what panels of `dtype` are made of, row behind row.
fn is_kept(source: &MatrixSource<'_>, dtype: ElementType) -> bool {
    source.stored == WeightFormat::Elements(dtype)
        && dtype != ElementType::F16
        && source.order == MatrixOrder::OutputsFirst
}

/// Puts four bytes of each row side by side: a number of f32, or a pair of bf16, as they are stored.
fn interleave(sources: &[MatrixSource<'_>], panel: usize, target: &mut [u8]) {
    // A chunk of lines stays in the nearest cache while all rows pass.
    for (index, lines) in target.as_chunks_mut::<PANEL_LINE_BYTES>().0.chunks_mut(CHUNK_LINES).enumerate() {
        for PanelPart { source, outputs, lanes } in panel_parts(sources, panel) {
            for (lane, output) in lanes.zip(outputs) {
                let row = source.stored_bytes(output, &(0..source.num_inputs)).as_chunks::<4>().0;
                for (line, numbers) in lines.iter_mut().zip(&row[index * CHUNK_LINES..]) {
                    line[4 * lane..4 * lane + 4].copy_from_slice(numbers);
                }
            }
        }
    }
}

/// Gathers the weights of one output of a panel.
pub(crate) fn gather(panel: &[u8], dtype: ElementType, lane: usize, out: &mut [f32]) {
    match dtype {
        ElementType::F32 => {
            for (groups, out) in panel.as_chunks::<PANEL_LINE_BYTES>().0.iter().zip(out) {
                let bytes = [0, 1, 2, 3].map(|byte| groups[lane * 4 + byte]);
                *out = f32::from_le_bytes(bytes);
            }
        }
        ElementType::F16 | ElementType::Bf16 => {
            for (groups, out) in panel.as_chunks::<PANEL_LINE_BYTES>().0.iter().zip(out.chunks_mut(2)) {
                let pair = [0, 1, 2, 3].map(|byte| groups[lane * 4 + byte]);
                let pair = [[pair[0], pair[1]], [pair[2], pair[3]]];
                for (out, bytes) in out.iter_mut().zip(pair) {
                    *out = bf16::from_le_bytes(bytes).to_f32();
                }
            }
        }
    }
}
