//! Two to four rows times blocks, for Advanced SIMD with the matrix product of bytes. Sums within a block are whole numbers and exact,
//! so none differs from the scalar one.

use std::sync::atomic::{Ordering, compiler_fence};

use super::{
    BLOCK_INPUTS, SUPER_BLOCKS,
    levels::Levels,
    regions::Regions,
    rows::ActivationBlock,
    scales::Scales,
    sums::{
        Sums,
        neon::NeonSums,
        neon_pairs::{PairSums, eights},
    },
};
use crate::{
    finish::finish,
    lanes::{Lanes, neon::NeonLanes},
    tile::Tile,
};

/// The most rows of a tile: their sums are half of all registers.
pub(crate) const MOST_ROWS: usize = 4;

/// Steps of eight inputs in a block.
const STEPS: usize = BLOCK_INPUTS / 8;

/// The micro-kernel for `M` rows and one panel. Where rows are odd, the last is multiplied twice.
///
/// # Safety
/// As the other micro-kernels of [`Tile`]s, on a CPU with the matrix product of bytes.
#[inline(always)]
pub(crate) unsafe fn matrix_tile<V: Levels, C: Scales, const M: usize>(tile: &Tile) {
    const { assert!(M <= MOST_ROWS, "sums have no registers") };
    let regions = Regions::new(V::CODE, C::CODE, tile.num_inputs);
    let mut sums = [[NeonLanes::splat(0.0)]; M];
    for block in 0..tile.num_inputs / BLOCK_INPUTS {
        let x = tile.x.cast::<ActivationBlock>().add(block * M);
        let levels = tile.weights.add(regions.levels + block * V::CODE.block_bytes());
        let of_256 = tile.weights.add(block / SUPER_BLOCKS * C::SUPER_BYTES);
        let of_32 = tile.weights.add(regions.scales + block * C::BLOCK_BYTES);
        for part in 0..C::PARTS {
            let mut pairs = [PairSums::zero(); MOST_ROWS / 2];
            for step in part * STEPS / C::PARTS..(part + 1) * STEPS / C::PARTS {
                let [low, high] = V::load::<NeonSums<true>>(levels, step);
                let levels = eights(low, high);
                for (index, pair) in pairs.iter_mut().enumerate().take(M.div_ceil(2)) {
                    let rows = [2 * index, (2 * index + 1).min(M - 1)];
                    *pair = pair.add(levels, rows.map(|row| x.wrapping_add(row).cast::<i8>().wrapping_add(step * 8)));
                }
            }
            // Scales are not to be loaded before their turn: registers are all taken.
            compiler_fence(Ordering::SeqCst);
            let scale = C::scale::<NeonLanes>(of_256, of_32, part);
            for (row, [sum]) in sums.iter_mut().enumerate() {
                let of_x = x.add(row);
                let begun = if C::PARTS == 1 { V::begin(of_x) } else { V::begin_half(of_x, part) };
                let whole = pairs[row / 2].row(row % 2, begun).to_lanes();
                *sum = whole.fused_mul_add(scale.mul(NeonLanes::splat((*of_x).scale)), *sum);
                if C::HAS_MIN {
                    let of_x = if C::PARTS == 1 { (*of_x).sum } else { (*of_x).half_sums[part] };
                    *sum = C::min::<NeonLanes>(of_256, of_32, part).fused_mul_add(NeonLanes::splat(of_x), *sum);
                }
            }
            compiler_fence(Ordering::SeqCst);
        }
    }
    finish(tile, sums);
}
