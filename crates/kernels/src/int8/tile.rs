//! The micro-kernel: a few rows of bytes times a few panels of bytes.

use super::{LINE_INPUTS, panels::SCALES_BYTES, rows::RowScale};
use crate::{
    finish::finish,
    lanes::{LANES, Lanes},
    quantised::sums::Sums,
    tile::Tile,
};

/// `x` of the tile are lines of levels, those of a row behind each other; `x_scales` has the scales of the rows.
///
/// # Safety
/// As the other micro-kernels of [`Tile`]s.
#[inline(always)]
pub(crate) unsafe fn int8_tile<S: Sums, const M: usize, const N: usize>(tile: &Tile) {
    let padded = tile.num_inputs.next_multiple_of(LINE_INPUTS);
    let mut whole = [[S::splat(0); N]; M];
    for (row, whole) in whole.iter_mut().enumerate() {
        let x = tile.x.add(row * tile.x_stride_bytes).cast();
        *whole = [S::begin_signed(x, padded, (*tile.x_scales.add(row)).minus_128); N];
    }
    let levels = tile.weights.add(SCALES_BYTES);
    for group in 0..padded / 4 {
        let mut weights = [S::bytes(levels.add(group * 4 * LANES)); N];
        for (panel, weights) in weights.iter_mut().enumerate().skip(1) {
            *weights = S::bytes(levels.add(panel * tile.panel_bytes + group * 4 * LANES));
        }
        for (row, whole) in whole.iter_mut().enumerate() {
            let x = tile.x.add(row * tile.x_stride_bytes + group * 4).cast();
            for panel in 0..N {
                whole[panel] = whole[panel].add_signed(weights[panel], x);
            }
        }
    }
    let mut sums = [[S::Lanes::splat(0.0); N]; M];
    for panel in 0..N {
        let scale = S::Lanes::load(tile.weights.add(panel * tile.panel_bytes).cast());
        for row in 0..M {
            sums[row][panel] = scaled(whole[row][panel].to_lanes(), scale, *tile.x_scales.add(row));
        }
    }
    finish(tile, sums);
}

/// Whole numbers as what they stand for: one way of rounding for all.
#[inline(always)]
pub(crate) unsafe fn scaled<L: Lanes>(whole: L, scale: L, row: RowScale) -> L {
    whole.mul(scale.mul(L::splat(row.scale)))
}
