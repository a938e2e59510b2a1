//! Many rows of bytes times panels of bytes by Intel's tiles, whose sums are whole numbers to the end.

use std::{
    arch::x86_64::{_mm512_add_epi32, _mm512_cvtepi32_ps, _mm512_loadu_si512, _mm512_set1_epi32},
    mem::MaybeUninit,
    ops::Range,
};

use super::{LINE_INPUTS, panels::SCALES_BYTES, tile::scaled};
use crate::{
    amx::{
        Configured, ROW_BYTES, TILE_BYTES, TILE_ROWS, TILE_SUMS, TileMemory, ask_for_results,
        products::{ByteProducts, Instruction, Operands},
    },
    finish::finish_sums,
    lanes::{LANES, Lanes, avx512::Avx512Lanes},
    prefetch::ask_for_share,
    tile::Tile,
};

/// Products of a stretch: of two panels 16 KiB, which stay in the nearest cache beside as much of the rows that pass.
const STRETCH_STEPS: usize = 8;

/// Rows whose sums wait at once: whole pairs of tiles.
const MOST_ROWS: usize = 192;

/// Any number of rows of levels, in [tiles](crate::tile::TileInput::Int8Tiles), times all columns of `block`.
///
/// # Safety
/// As [`TileFn`](crate::tile::TileFn)s, on a CPU with [`has_byte_products`](crate::amx::has_byte_products); the caller has AVX-512.
#[inline(always)]
pub(crate) unsafe fn multiply(block: &Tile, num_rows: usize) {
    const LOW: (u8, u16) = (TILE_ROWS as u8, ROW_BYTES as u16);
    let pairs = 2 * TILE_ROWS;
    let full_rows = num_rows / pairs * pairs;
    if full_rows > 0 {
        let configured = Configured::new([LOW; 8]);
        multiply_rows(block, 0..full_rows);
        drop(configured);
    }
    let rest = num_rows - full_rows;
    if rest > 0 {
        let upper = (rest.min(TILE_ROWS) as u8, LOW.1);
        let lower = (rest.saturating_sub(TILE_ROWS) as u8, LOW.1);
        // As `two_by_two` and `one_by_four` take them; of no rows there is no tile, and neither is one used.
        let shapes = if rest > TILE_ROWS {
            [upper, upper, lower, lower, upper, lower, LOW, LOW]
        } else {
            [upper, upper, upper, upper, upper, LOW, LOW, LOW]
        };
        let configured = Configured::new(shapes);
        multiply_rows(block, full_rows..num_rows);
        drop(configured);
    }
}

/// The rows of one configuration: 32 at a time, or at most 32.
#[inline(always)]
unsafe fn multiply_rows(block: &Tile, rows: Range<usize>) {
    let all_steps = block.num_inputs.div_ceil(LINE_INPUTS);
    let most_panels = if rows.len() > TILE_ROWS { 2 } else { 4 };
    let num_panels = block.columns.div_ceil(LANES);
    let stretch_steps = if rows.len() > 2 * TILE_ROWS { STRETCH_STEPS } else { all_steps.max(1) };
    let mut sums = MaybeUninit::<TileMemory<{ MOST_ROWS / TILE_ROWS * 2 }>>::uninit();
    let sums = sums.as_mut_ptr().cast::<f32>();
    for start in rows.clone().step_by(MOST_ROWS) {
        let end = rows.end.min(start + MOST_ROWS);
        let mut panel = 0;
        while panel < num_panels {
            let panels = if panel + most_panels <= num_panels { most_panels } else { 1 };
            let weights = block.weights.add(panel * block.panel_bytes + SCALES_BYTES);
            std::ptr::write_bytes(sums, 0, (end - start).div_ceil(TILE_ROWS) * panels * TILE_SUMS);
            // Weights of a stretch of inputs stay in the nearest cache while all rows pass; sums wait in memory.
            for first in (0..all_steps.max(1)).step_by(stretch_steps) {
                let steps = stretch_steps.min(all_steps - first);
                let ends = first + steps == all_steps;
                let (next, next_steps) = if ends {
                    (weights.wrapping_add(panels * block.panel_bytes), stretch_steps.min(all_steps))
                } else {
                    let next_steps = stretch_steps.min(all_steps - first - steps);
                    (weights.wrapping_add((first + stretch_steps) * TILE_BYTES), next_steps)
                };
                let shares = (end - start).div_ceil(2 * TILE_ROWS);
                for row in (start..end).step_by(2 * TILE_ROWS) {
                    let num_rows = (end - row).min(2 * TILE_ROWS);
                    // Fewer rows take weights as fast as they come, and ask for them step by step.
                    for index in 0..if shares > 1 { panels } else { 0 } {
                        let share = (row - start) / (2 * TILE_ROWS);
                        let next = next.wrapping_add(index * block.panel_bytes);
                        ask_for_share(next, next_steps * TILE_BYTES, share, shares);
                    }
                    let operands = Operands {
                        x: block.x.add(row * block.x_stride_bytes + first * TILE_BYTES),
                        x_stride: block.x_stride_bytes,
                        weights: weights.add(first * TILE_BYTES),
                        panel_bytes: block.panel_bytes,
                        steps,
                        rest: std::ptr::null(),
                        sums: sums.add((row - start) * panels * LANES),
                    };
                    if ends {
                        ask_for_results(block, row..row + num_rows, panel..panel + panels);
                    }
                    match (num_rows > TILE_ROWS, panels) {
                        (true, 2) => ByteProducts::two_by_two(operands),
                        (false, 4) => ByteProducts::one_by_four(operands),
                        (true, _) => ByteProducts::two_by_one(operands),
                        (false, _) => ByteProducts::one_by_one(operands),
                    }
                    if ends {
                        store_sums(block, row..row + num_rows, panel..panel + panels, operands.sums);
                    }
                }
            }
            panel += panels;
        }
    }
}

/// Sums of up to 32 rows of some panels, all panels of the upper rows before those of the lower ones, to the results. Levels of
/// panels are stored with 128 added, which the sum of a row's levels takes back.
#[inline(always)]
unsafe fn store_sums(block: &Tile, rows: Range<usize>, panels: Range<usize>, sums: *const f32) {
    let mut results = MaybeUninit::<TileMemory<1>>::uninit();
    let results = results.as_mut_ptr().cast::<f32>();
    for (index, panel) in panels.clone().enumerate() {
        let column = panel * LANES;
        let scale = Avx512Lanes::load(block.weights.add(panel * block.panel_bytes).cast());
        for (tile, row) in rows.clone().step_by(TILE_ROWS).enumerate() {
            let num_rows = TILE_ROWS.min(rows.end - row);
            let sums = sums.add((tile * panels.len() + index) * TILE_SUMS);
            for within in 0..num_rows {
                let x = *block.x_scales.add(row + within);
                let whole = _mm512_loadu_si512(sums.add(within * LANES).cast());
                let whole = _mm512_add_epi32(whole, _mm512_set1_epi32(x.minus_128));
                let result = scaled(Avx512Lanes(_mm512_cvtepi32_ps(whole)), scale, x);
                result.store(results.add(within * LANES));
            }
            let part = Tile {
                bias: if block.bias.is_null() { block.bias } else { block.bias.add(column) },
                out: block.out.add(row * block.out_stride + column),
                columns: (block.columns - column).min(LANES),
                ..*block
            };
            finish_sums::<Avx512Lanes>(&part, results, num_rows, 1);
        }
    }
}
