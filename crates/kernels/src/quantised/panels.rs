//! Panels of blocks: how stored ones are laid out for the kernels, and how a row is read back.

use half::f16;
use quire_blocks::{BlockFormat, UnpackedBlock, quantise, quantise_weighted, unpack};

use super::{
    BLOCK_INPUTS, SUPER_BLOCKS,
    form::{BlockForm, LevelCode, ScaleCode, code_offset},
    regions::Regions,
};
use crate::{
    WeightFormat,
    lanes::LANES,
    matrix_source::{CHUNK_INPUTS, MatrixSource, PANEL_LINE_BYTES, panel_parts},
};

/// Bytes of a panel; `None` when they can't be counted.
pub(crate) fn panel_bytes(form: BlockForm, num_inputs: usize) -> Option<usize> {
    // No form takes more than two bytes for each weight, and none more than three lines for nothing.
    num_inputs.checked_mul(2 * LANES)?.checked_add(256)?;
    Some(regions(form, num_inputs).end)
}

fn regions(form: BlockForm, num_inputs: usize) -> Regions {
    Regions::new(form.level_code(), form.scale_code(), num_inputs)
}

/// Fills one panel from whichever sources its sixteen outputs lie in; all of them are packed as blocks of this form.
pub(crate) fn pack_panel(sources: &[MatrixSource<'_>], panel: usize, form: BlockForm, target: &mut [u8]) {
    let num_inputs = sources.first().map_or(0, |source| source.num_inputs);
    let regions = regions(form, num_inputs);
    let mut widened = [[0.0; CHUNK_INPUTS]; LANES];
    let mut made = [0; 2 * CHUNK_INPUTS];
    let mut parts = UnpackedBlock::default();
    for start in (0..num_inputs).step_by(CHUNK_INPUTS) {
        let inputs = start..num_inputs.min(start + CHUNK_INPUTS);
        for part in panel_parts(sources, panel) {
            let WeightFormat::Blocks(format) = part.source.packed else {
                panic!("elements in a panel of blocks; this is a bug");
            };
            let keeps = part.source.stored == part.source.packed;
            if !keeps {
                part.source.widen_block(part.outputs.clone(), inputs.clone(), &mut widened);
            }
            for (index, lane) in part.lanes.enumerate() {
                let blocks = if keeps {
                    part.source.stored_bytes(part.outputs.start + index, &inputs)
                } else {
                    let blocks = &mut made[..inputs.len() / format.block_len() * format.block_bytes()];
                    let values = &widened[index][..inputs.len()];
                    match part.source.importance {
                        Some(importance) => quantise_weighted(format, values, &importance[inputs.clone()], blocks),
                        None => quantise(format, values, blocks),
                    }
                    blocks
                };
                for (index, block) in blocks.chunks_exact(format.block_bytes()).enumerate() {
                    unpack(format, block, &mut parts);
                    let first = (start + index * format.block_len()) / BLOCK_INPUTS;
                    put(target, &regions, form, lane, first, format, &parts);
                }
            }
        }
    }
}

/// Lays out one stored block, whose first 32 inputs are those of the block `first`.
fn put(
    panel: &mut [u8],
    regions: &Regions,
    form: BlockForm,
    lane: usize,
    first: usize,
    format: BlockFormat,
    parts: &UnpackedBlock,
) {
    let (levels, scales) = (form.level_code(), form.scale_code());
    if scales.super_bytes() > 0 {
        let of_256 = &mut panel[first / SUPER_BLOCKS * scales.super_bytes()..][..scales.super_bytes()];
        put_half(of_256, lane, parts.scale);
        if scales.super_bytes() > 2 * LANES {
            put_half(of_256, LANES + lane, parts.min);
        }
    }
    let offset = code_offset(format);
    for (index, codes) in parts.codes[..format.block_len()].as_chunks::<BLOCK_INPUTS>().0.iter().enumerate() {
        let block = first + index;
        let of_32 = &mut panel[regions.scales + block * scales.block_bytes()..][..scales.block_bytes()];
        match scales {
            ScaleCode::Half | ScaleCode::HalfMin => {
                put_half(of_32, lane, parts.scale);
                if scales == ScaleCode::HalfMin {
                    put_half(of_32, LANES + lane, parts.min);
                }
            }
            ScaleCode::Of16 | ScaleCode::Of16Min => {
                for half in 0..2 {
                    of_32[half * LANES + lane] = parts.scales[2 * index + half] as u8;
                    if scales == ScaleCode::Of16Min {
                        of_32[(2 + half) * LANES + lane] = parts.mins[2 * index + half];
                    }
                }
            }
            ScaleCode::Of32Min => {
                of_32[lane] = parts.scales[2 * index] as u8;
                of_32[LANES + lane] = parts.mins[2 * index];
            }
        }
        let stored = &mut panel[regions.levels + block * levels.block_bytes()..][..levels.block_bytes()];
        let lines = stored.as_chunks_mut::<PANEL_LINE_BYTES>().0;
        let at = 4 * lane..4 * lane + 4;
        match levels {
            LevelCode::Byte => {
                let mut bytes = *codes;
                for byte in &mut bytes {
                    *byte = byte.wrapping_add(offset);
                }
                for (line, group) in lines.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    line[at.clone()].copy_from_slice(group);
                }
            }
            LevelCode::Nibble => {
                for (line, [low, high]) in lines.iter_mut().zip(codes.as_chunks::<4>().0.as_chunks::<2>().0) {
                    // No code has a fifth bit, which would reach the next.
                    let pairs = u32::from_le_bytes(*low) | u32::from_le_bytes(*high) << 4;
                    line[at.clone()].copy_from_slice(&pairs.to_le_bytes());
                }
            }
        }
    }
}

/// Gathers the weights of one output of a panel: the very numbers that its stored blocks stand for.
pub(crate) fn gather(panel: &[u8], form: BlockForm, lane: usize, out: &mut [f32]) {
    let regions = regions(form, out.len());
    let (levels, scales) = (form.level_code(), form.scale_code());
    for (block, out) in out.as_chunks_mut::<BLOCK_INPUTS>().0.iter_mut().enumerate() {
        let of_256 = &panel[block / SUPER_BLOCKS * scales.super_bytes()..][..scales.super_bytes()];
        let of_32 = &panel[regions.scales + block * scales.block_bytes()..][..scales.block_bytes()];
        let (scale, min): ([f32; 2], [f32; 2]) = match scales {
            ScaleCode::Half => ([half(of_32, lane); 2], [0.0; 2]),
            ScaleCode::HalfMin => ([half(of_32, lane); 2], [half(of_32, LANES + lane); 2]),
            ScaleCode::Of16 | ScaleCode::Of16Min => {
                let scale = [0, 1].map(|part| half(of_256, lane) * f32::from(of_32[part * LANES + lane] as i8));
                let has_min = scales == ScaleCode::Of16Min;
                let min = |part: usize| half(of_256, LANES + lane) * f32::from(of_32[(2 + part) * LANES + lane]);
                (scale, if has_min { [min(0), min(1)] } else { [0.0; 2] })
            }
            ScaleCode::Of32Min => {
                let min = half(of_256, LANES + lane) * f32::from(of_32[LANES + lane]);
                ([half(of_256, lane) * f32::from(of_32[lane] as i8); 2], [min; 2])
            }
        };
        let stored = &panel[regions.levels + block * levels.block_bytes()..][..levels.block_bytes()];
        for (index, out) in out.iter_mut().enumerate() {
            let (group, at) = (index / 4, lane * 4 + index % 4);
            let code = match levels {
                LevelCode::Byte => stored[group * 64 + at],
                LevelCode::Nibble => (stored[group / 2 * 64 + at] >> (4 * (group % 2))) & 15,
            };
            *out = scale[index / 16] * form.level(code) as f32 + min[index / 16];
        }
    }
}

fn put_half(halves: &mut [u8], index: usize, value: f16) {
    halves[2 * index..2 * index + 2].copy_from_slice(&value.to_le_bytes());
}

fn half(halves: &[u8], index: usize) -> f32 {
    f16::from_le_bytes([halves[2 * index], halves[2 * index + 1]]).to_f32()
}
