//! The micro-kernel: a few rows of rounded activations times a few panels of blocks.

use std::sync::atomic::{Ordering, compiler_fence};

use super::{
    BLOCK_INPUTS, SUPER_BLOCKS, levels::Levels, regions::Regions, rows::ActivationBlock, scales::Scales, sums::Sums,
};
#[cfg(target_arch = "x86_64")]
use super::{levels::Bytes, tall::TallTile};
#[cfg(target_arch = "x86_64")]
use crate::lanes::LANES;
use crate::{
    finish::finish,
    lanes::Lanes,
    prefetch::{AHEAD_BYTES, LINE_BYTES, ask_for_line},
    tile::Tile,
};

/// Pairs of groups of four inputs in a block.
const PAIRS: usize = BLOCK_INPUTS / 8;

/// Blocks that follow each other, of the rows of a tile and of its panels.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    /// The first blocks of all rows side by side, then their second ones.
    pub(crate) x: *const ActivationBlock,
    /// Levels of the first panel.
    pub(crate) levels: *const u8,
    /// Bytes from the levels of one panel to those of the next.
    pub(crate) levels_stride: usize,
    /// The scales of 256 of the first panel; the first block is the first of a super-block.
    pub(crate) of_256: *const u8,
    /// The scales of blocks of the first panel.
    pub(crate) of_32: *const u8,
    /// Bytes from the scales of one panel to those of the next.
    pub(crate) panel_bytes: usize,
    /// How many blocks.
    pub(crate) num_blocks: usize,
    /// Whether levels come from far away, and are asked for ahead.
    pub(crate) asks_ahead: bool,
}

/// `x` of the tile are the [`ActivationBlock`]s of its `M` rows, block by block.
///
/// # Safety
/// As the other micro-kernels of [`Tile`]s.
#[inline(always)]
pub(crate) unsafe fn block_tile<S: Sums, V: Levels, C: Scales, const M: usize, const N: usize>(tile: &Tile) {
    let regions = Regions::new(V::CODE, C::CODE, tile.num_inputs);
    let span = Span {
        x: tile.x.cast(),
        levels: tile.weights.add(regions.levels),
        levels_stride: tile.panel_bytes,
        of_256: tile.weights,
        of_32: tile.weights.add(regions.scales),
        panel_bytes: tile.panel_bytes,
        num_blocks: tile.num_inputs / BLOCK_INPUTS,
        asks_ahead: true,
    };
    finish(tile, add_blocks::<S, V, C, M, N>(&span, [[S::Lanes::splat(0.0); N]; M]));
}

/// The micro-kernel of a stretch: levels are bytes, scales as they are stored.
///
/// # Safety
/// As [`Sums`]; what the tile says is there.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) unsafe fn tall_tile<S: Sums, C: Scales, const M: usize, const N: usize>(tall: &TallTile) {
    let mut sums = [[S::Lanes::splat(0.0); N]; M];
    for (row, sums) in sums.iter_mut().enumerate() {
        for (panel, sum) in sums.iter_mut().enumerate() {
            *sum = S::Lanes::load(tall.sums.add((row * N + panel) * LANES));
        }
    }
    let span = Span {
        x: tall.x,
        levels: tall.levels,
        levels_stride: tall.levels_stride,
        of_256: tall.of_256,
        of_32: tall.of_32,
        panel_bytes: tall.panel_bytes,
        num_blocks: tall.num_blocks,
        asks_ahead: false,
    };
    let sums = add_blocks::<S, Bytes, C, M, N>(&span, sums);
    for (row, sums) in sums.into_iter().enumerate() {
        for (panel, sum) in sums.into_iter().enumerate() {
            sum.store(tall.sums.add((row * N + panel) * LANES));
        }
    }
}

/// Adds the products of a span to sums.
///
/// # Safety
/// As [`Sums`]; what the span says is there.
#[inline(always)]
pub(crate) unsafe fn add_blocks<S: Sums, V: Levels, C: Scales, const M: usize, const N: usize>(
    span: &Span,
    mut sums: [[S::Lanes; N]; M],
) -> [[S::Lanes; N]; M] {
    for block in 0..span.num_blocks {
        let x = span.x.add(block * M);
        let levels = span.levels.add(block * V::CODE.block_bytes());
        let of_256 = span.of_256.add(block / SUPER_BLOCKS * C::SUPER_BYTES);
        let of_32 = span.of_32.add(block * C::BLOCK_BYTES);
        if span.asks_ahead {
            for panel in 0..N {
                for line in (0..V::CODE.block_bytes()).step_by(LINE_BYTES) {
                    ask_for_line(levels.wrapping_add(panel * span.levels_stride + line + AHEAD_BYTES));
                }
            }
        }
        for part in 0..C::PARTS {
            let mut whole = [[S::splat(0); N]; M];
            for (row, whole) in whole.iter_mut().enumerate() {
                let x = x.add(row);
                *whole = [if C::PARTS == 1 { V::begin::<S>(x) } else { V::begin_half::<S>(x, part) }; N];
            }
            for pair in part * PAIRS / C::PARTS..(part + 1) * PAIRS / C::PARTS {
                let mut weights = [V::load::<S>(levels, pair); N];
                for (panel, weights) in weights.iter_mut().enumerate().skip(1) {
                    *weights = V::load::<S>(levels.add(panel * span.levels_stride), pair);
                }
                for (group, input) in [0, 4].into_iter().enumerate() {
                    for (row, whole) in whole.iter_mut().enumerate() {
                        let x = x.add(row).cast::<i8>().add(pair * 8 + input);
                        for panel in 0..N {
                            whole[panel] = V::add(whole[panel], weights[panel][group], x);
                        }
                    }
                }
            }
            // Scales are not to be loaded before their turn: registers are all taken.
            compiler_fence(Ordering::SeqCst);
            for panel in 0..N {
                let (of_256, of_32) = (of_256.add(panel * span.panel_bytes), of_32.add(panel * span.panel_bytes));
                let scale = C::scale::<S::Lanes>(of_256, of_32, part);
                for row in 0..M {
                    let factor = scale.mul(S::Lanes::splat((*x.add(row)).scale));
                    sums[row][panel] = whole[row][panel].to_lanes().fused_mul_add(factor, sums[row][panel]);
                }
                if C::HAS_MIN {
                    let min = C::min::<S::Lanes>(of_256, of_32, part);
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let x = x.add(row);
                        let of_x = if C::PARTS == 1 { (*x).sum } else { (*x).half_sums[part] };
                        sums[panel] = min.fused_mul_add(S::Lanes::splat(of_x), sums[panel]);
                    }
                }
            }
            compiler_fence(Ordering::SeqCst);
        }
    }
    sums
}
