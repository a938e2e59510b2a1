//! More than two rows times blocks, for WebAssembly: its engines have sixteen registers of four lanes on most CPUs, so a pass over the
//! inputs has the sums of four rows and of half a panel. Scales become floats once for all rows.

use std::{marker::PhantomData, mem::MaybeUninit};

use super::{
    BLOCK_INPUTS,
    form::ScaleCode,
    levels::Levels,
    regions::Regions,
    rows::ActivationBlock,
    scales::Scales,
    sums::simd128::Simd128Sums,
    tile::{Span, add_blocks},
};
use crate::{
    lanes::{LANES, Lanes, simd128::Simd128Lanes},
    tile::{Tile, finish},
};

/// Rows whose sums one pass has.
pub(crate) const ROWS: usize = 4;

/// Rows that pass over whole panels.
const WHOLE_ROWS: usize = 2;

/// Sixteen scales or mins.
type Line = [f32; LANES];

/// Scales and mins that are floats at once.
const LINES: usize = 512;

/// The scales of `C` as floats, one line for each part of a block, and behind them as many of its mins, if it has any.
pub(crate) struct Widened<C>(PhantomData<C>);

impl<C: Scales> Widened<C> {
    /// Lines of a block.
    const BLOCK_LINES: usize = C::PARTS * if C::HAS_MIN { 2 } else { 1 };
    /// Blocks whose lines there is room for; whole super-blocks.
    const BLOCKS: usize = LINES / Self::BLOCK_LINES;
}

impl<C: Scales> Scales for Widened<C> {
    const CODE: ScaleCode = C::CODE;
    const PARTS: usize = C::PARTS;
    const HAS_MIN: bool = C::HAS_MIN;
    const SUPER_BYTES: usize = 0;
    const BLOCK_BYTES: usize = Self::BLOCK_LINES * size_of::<Line>();
    #[inline(always)]
    unsafe fn scale<L: Lanes>(_: *const u8, of_32: *const u8, part: usize) -> L {
        L::load(of_32.cast::<f32>().add(part * LANES))
    }
    #[inline(always)]
    unsafe fn min<L: Lanes>(_: *const u8, of_32: *const u8, part: usize) -> L {
        L::load(of_32.cast::<f32>().add((C::PARTS + part) * LANES))
    }
}

/// A few rows and one panel, of which as many blocks have widened scales as there is room for.
pub(crate) struct TallTile<'a> {
    tile: Tile,
    regions: Regions,
    lines: &'a mut [MaybeUninit<Line>; LINES],
    /// The panel and its first block whose scales are widened.
    widened: &'a mut Option<(usize, usize)>,
    panel: usize,
}

pub(crate) type TallFn = unsafe fn(&mut TallTile<'_>);

/// Any number of rows times all columns of a tile, by kernels for 1 to [`ROWS`] rows.
///
/// # Safety
/// As the other micro-kernels of [`Tile`]s.
#[inline(always)]
pub(crate) unsafe fn multiply<V: Levels, C: Scales>(tile: &Tile, num_rows: usize, kernels: [TallFn; ROWS]) {
    let mut lines = [MaybeUninit::<Line>::uninit(); LINES];
    let mut widened = None;
    let regions = Regions::new(V::CODE, C::CODE, tile.num_inputs);
    for panel in 0..tile.columns.div_ceil(LANES) {
        let column = panel * LANES;
        for row in (0..num_rows).step_by(ROWS) {
            let mut tall = TallTile {
                tile: Tile {
                    weights: tile.weights.add(panel * tile.panel_bytes),
                    bias: if tile.bias.is_null() { tile.bias } else { tile.bias.add(column) },
                    x: tile.x.add(row * tile.x_stride_bytes),
                    out: tile.out.add(row * tile.out_stride + column),
                    columns: (tile.columns - column).min(LANES),
                    ..*tile
                },
                regions,
                lines: &mut lines,
                widened: &mut widened,
                panel,
            };
            kernels[(num_rows - row).min(ROWS) - 1](&mut tall);
        }
    }
}

/// The micro-kernel.
///
/// # Safety
/// As [`Scales`]; what the tile says is there.
#[inline(always)]
pub(crate) unsafe fn tall_tile<const RELAXED: bool, V: Levels, C: Scales, const M: usize>(tall: &mut TallTile<'_>) {
    let num_blocks = tall.tile.num_inputs / BLOCK_INPUTS;
    let mut sums = [[Simd128Lanes::<RELAXED>::splat(0.0)]; M];
    for first in (0..num_blocks).step_by(Widened::<C>::BLOCKS) {
        let span = Span {
            x: tall.tile.x.cast::<ActivationBlock>().add(first * M),
            levels: tall.tile.weights.add(tall.regions.levels + first * V::CODE.block_bytes()),
            levels_stride: 0,
            of_256: tall.tile.weights,
            of_32: tall.lines.as_ptr().cast(),
            panel_bytes: 0,
            num_blocks: (num_blocks - first).min(Widened::<C>::BLOCKS),
            asks_ahead: false,
        };
        if *tall.widened != Some((tall.panel, first)) {
            widen::<RELAXED, C>(tall, first, span.num_blocks);
        }
        sums = add::<RELAXED, V, Widened<C>, M>(&span, sums);
    }
    finish(&tall.tile, sums);
}

/// Adds the products of a span to the sums of one panel.
#[inline(always)]
unsafe fn add<const RELAXED: bool, V: Levels, C: Scales, const M: usize>(
    span: &Span,
    sums: [[Simd128Lanes<RELAXED>; 1]; M],
) -> [[Simd128Lanes<RELAXED>; 1]; M] {
    let mut low = add_blocks::<Simd128Sums<RELAXED>, V, C, M, 1>(span, sums);
    if M > WHOLE_ROWS {
        // What is not taken of either is not computed.
        let high = add_blocks::<Simd128Sums<RELAXED>, V, C, M, 1>(span, sums);
        for (low, high) in low.iter_mut().zip(high) {
            low[0].0[2] = high[0].0[2];
            low[0].0[3] = high[0].0[3];
        }
    }
    low
}

/// Makes floats of the scales of so many blocks.
#[inline(always)]
unsafe fn widen<const RELAXED: bool, C: Scales>(tall: &mut TallTile<'_>, first: usize, num_blocks: usize) {
    let weights = tall.tile.weights;
    let lines = tall.lines.as_mut_ptr().cast::<f32>();
    for block in 0..num_blocks {
        let of_256 = weights.add((first + block) / super::SUPER_BLOCKS * C::SUPER_BYTES);
        let of_32 = weights.add(tall.regions.scales + (first + block) * C::BLOCK_BYTES);
        let lines = lines.add(block * Widened::<C>::BLOCK_LINES * LANES);
        for part in 0..C::PARTS {
            C::scale::<Simd128Lanes<RELAXED>>(of_256, of_32, part).store(lines.add(part * LANES));
            if C::HAS_MIN {
                let mins = lines.add((C::PARTS + part) * LANES);
                C::min::<Simd128Lanes<RELAXED>>(of_256, of_32, part).store(mins);
            }
        }
    }
    *tall.widened = Some((tall.panel, first));
}
