//! Two to four rows of bytes times a panel of bytes, for Advanced SIMD with the matrix product of bytes.

use super::{LINE_INPUTS, panels::SCALES_BYTES, tile::scaled};
use crate::{
    finish::finish,
    lanes::{LANES, Lanes, neon::NeonLanes},
    quantised::{
        neon_matrix::MOST_ROWS,
        sums::{
            Sums,
            neon::NeonSums,
            neon_pairs::{PairSums, eights},
        },
    },
    tile::Tile,
};

/// The micro-kernel for `M` rows and one panel. Where rows are odd, the last is multiplied twice.
///
/// # Safety
/// As the other micro-kernels of [`Tile`]s, on a CPU with the matrix product of bytes.
#[inline(always)]
pub(crate) unsafe fn matrix_tile<const M: usize>(tile: &Tile) {
    const { assert!(M <= MOST_ROWS, "sums have no registers") };
    let levels = tile.weights.add(SCALES_BYTES);
    let mut pairs = [PairSums::zero(); MOST_ROWS / 2];
    for step in 0..tile.num_inputs.next_multiple_of(LINE_INPUTS) / 8 {
        let stored = levels.add(step * 8 * LANES);
        let levels = eights(NeonSums::<true>::bytes(stored), NeonSums::<true>::bytes(stored.add(4 * LANES)));
        for (index, pair) in pairs.iter_mut().enumerate().take(M.div_ceil(2)) {
            let rows = [2 * index, (2 * index + 1).min(M - 1)];
            *pair = pair.add(levels, rows.map(|row| tile.x.wrapping_add(row * tile.x_stride_bytes + step * 8).cast()));
        }
    }
    let scale = NeonLanes::load(tile.weights.cast());
    let mut sums = [[NeonLanes::splat(0.0)]; M];
    for (row, [sum]) in sums.iter_mut().enumerate() {
        let whole = pairs[row / 2].row(row % 2, NeonSums::splat(0));
        *sum = scaled(whole.to_lanes(), scale, *tile.x_scales.add(row));
    }
    finish(tile, sums);
}
