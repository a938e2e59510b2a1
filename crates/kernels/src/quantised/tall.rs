//! Many rows of rounded activations times a few panels of blocks, a stretch of inputs at a time: the weights of a stretch stay
//! in the nearest cache, and become bytes once for all rows; meanwhile those of the next stretch are asked for. Sums wait in
//! memory between stretches, which changes none of them.

use std::mem::MaybeUninit;

use super::{
    BLOCK_INPUTS, SUPER_BLOCKS,
    form::LevelCode,
    levels::{Bytes, Levels},
    regions::Regions,
    rows::ActivationBlock,
    scales::Scales,
    sums::Sums,
    tile::{Span, add_blocks},
};
use crate::{
    finish::finish,
    lanes::{LANES, Lanes},
    prefetch::ask_for_share,
    tile::Tile,
};

/// Blocks of a stretch: with two panels of bytes 16 KiB and their scales, a half of the nearest cache or less.
const STRETCH_BLOCKS: usize = 2 * SUPER_BLOCKS;

/// Panels that pass together.
const PANELS: usize = 2;

/// Rows whose sums wait at once.
const MOST_ROWS: usize = 192;

/// Bytes of a block of levels of one panel.
const BLOCK_BYTES: usize = LevelCode::Byte.block_bytes();

/// A few rows, a few panels and a stretch of blocks.
pub(crate) struct TallTile {
    /// Where the results go.
    tile: Tile,
    /// What is multiplied; levels are bytes.
    span: Span,
    /// Sums between stretches: sixteen for each row and panel.
    sums: *mut f32,
    /// Whether sums begin here.
    begins: bool,
    /// Whether sums are complete behind it.
    ends: bool,
}

pub(crate) type TallFn = unsafe fn(&TallTile);

/// The micro-kernels of one way of storing scales.
#[derive(Clone, Copy)]
pub(crate) struct TallKernels {
    /// By rows - 1, for [`PANELS`] panels.
    pub(crate) wide: &'static [TallFn],
    /// By rows - 1, for one panel.
    pub(crate) narrow: &'static [TallFn],
}

/// The micro-kernel.
///
/// # Safety
/// As [`Sums`]; what the tile says is there.
#[inline(always)]
pub(crate) unsafe fn tall_tile<S: Sums, C: Scales, const M: usize, const N: usize>(tall: &TallTile) {
    let mut sums = [[S::Lanes::splat(0.0); N]; M];
    if !tall.begins {
        for (row, sums) in sums.iter_mut().enumerate() {
            for (panel, sum) in sums.iter_mut().enumerate() {
                *sum = S::Lanes::load(tall.sums.add((row * N + panel) * LANES));
            }
        }
    }
    let sums = add_blocks::<S, Bytes, C, M, N>(&tall.span, sums);
    if tall.ends {
        finish(&tall.tile, sums);
        return;
    }
    for (row, sums) in sums.into_iter().enumerate() {
        for (panel, sum) in sums.into_iter().enumerate() {
            sum.store(tall.sums.add((row * N + panel) * LANES));
        }
    }
}

/// A cache line of the memory beside.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "is written and read by address")] [u8; 64]);

/// Multiplies `num_rows` rows, which lie in groups as high as the highest micro-kernel, by all columns of `block`.
///
/// # Safety
/// As [`TileFn`](crate::tile::TileFn)s.
#[inline(always)]
pub(crate) unsafe fn multiply<V: Levels, C: Scales>(block: &Tile, num_rows: usize, kernels: TallKernels) {
    let group_rows = kernels.wide.len();
    let regions = Regions::new(V::CODE, C::CODE, block.num_inputs);
    let num_blocks = block.num_inputs / BLOCK_INPUTS;
    let mut levels = [MaybeUninit::<Line>::uninit(); PANELS * STRETCH_BLOCKS * BLOCK_BYTES / 64];
    let mut sums = [MaybeUninit::<Line>::uninit(); PANELS * MOST_ROWS];
    let (levels, sums) = (levels.as_mut_ptr().cast::<u8>(), sums.as_mut_ptr().cast::<f32>());
    let num_panels = block.columns.div_ceil(LANES);
    for first_row in (0..num_rows).step_by(MOST_ROWS / group_rows * group_rows) {
        let end_row = num_rows.min(first_row + MOST_ROWS / group_rows * group_rows);
        let mut panel = 0;
        while panel < num_panels {
            let (kernels, panels) =
                if panel + PANELS <= num_panels { (kernels.wide, PANELS) } else { (kernels.narrow, 1) };
            let column = panel * LANES;
            let weights = block.weights.add(panel * block.panel_bytes);
            let mut tall = TallTile {
                tile: Tile {
                    weights,
                    bias: if block.bias.is_null() { block.bias } else { block.bias.add(column) },
                    columns: (block.columns - column).min(panels * LANES),
                    ..*block
                },
                span: Span {
                    x: std::ptr::null(),
                    levels,
                    levels_stride: STRETCH_BLOCKS * BLOCK_BYTES,
                    of_256: weights,
                    of_32: weights.add(regions.scales),
                    panel_bytes: block.panel_bytes,
                    num_blocks: 0,
                    asks_ahead: false,
                },
                sums,
                begins: true,
                ends: false,
            };
            for first in (0..num_blocks.max(1)).step_by(STRETCH_BLOCKS) {
                let stretch = STRETCH_BLOCKS.min(num_blocks - first);
                let stored = weights.add(regions.levels + first * V::CODE.block_bytes());
                if V::CODE == LevelCode::Byte {
                    (tall.span.levels, tall.span.levels_stride) = (stored, block.panel_bytes);
                } else {
                    for panel in 0..panels {
                        let target = levels.add(panel * STRETCH_BLOCKS * BLOCK_BYTES);
                        V::lift(stored.add(panel * block.panel_bytes), stretch * V::CODE.block_bytes(), 128, target);
                    }
                }
                tall.span.of_256 = weights.add(first / SUPER_BLOCKS * C::CODE.super_bytes());
                tall.span.of_32 = weights.add(regions.scales + first * C::CODE.block_bytes());
                tall.span.num_blocks = stretch;
                (tall.begins, tall.ends) = (first == 0, first + stretch == num_blocks);
                let next = if tall.ends {
                    weights.wrapping_add(panels * block.panel_bytes + regions.levels)
                } else {
                    stored.add(STRETCH_BLOCKS * V::CODE.block_bytes())
                };
                let shares = (end_row - first_row).div_ceil(group_rows);
                for (share, row) in (first_row..end_row).step_by(group_rows).enumerate() {
                    let rows = group_rows.min(num_rows - row);
                    for panel in 0..panels {
                        let next = next.wrapping_add(panel * block.panel_bytes);
                        ask_for_share(next, STRETCH_BLOCKS * V::CODE.block_bytes(), share, shares);
                    }
                    let x = block.x.add(row * block.x_stride_bytes).cast::<ActivationBlock>();
                    tall.span.x = x.add(first * rows);
                    tall.sums = sums.add((row - first_row) * panels * LANES);
                    tall.tile.out = block.out.add(row * block.out_stride + column);
                    kernels[rows - 1](&tall);
                }
            }
            panel += panels;
        }
    }
}
