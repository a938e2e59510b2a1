//! The micro-kernel: a few rows of rounded activations times a few panels of blocks.

use std::sync::atomic::{Ordering, compiler_fence};

use super::{
    BLOCK_INPUTS, SUPER_BLOCKS, levels::Levels, regions::Regions, rows::ActivationBlock, scales::Scales, sums::Sums,
};
use crate::{
    lanes::Lanes,
    tile::{Tile, finish},
};

/// Pairs of groups of four inputs in a block.
const PAIRS: usize = BLOCK_INPUTS / 8;

/// `x` of the tile are the [`ActivationBlock`]s of its `M` rows, block by block.
///
/// # Safety
/// As the other micro-kernels of [`Tile`]s.
#[inline(always)]
pub(crate) unsafe fn block_tile<S: Sums, V: Levels, C: Scales, const M: usize, const N: usize>(tile: &Tile) {
    let regions = Regions::new(V::CODE, C::CODE, tile.num_inputs);
    let mut sums = [[S::Lanes::splat(0.0); N]; M];
    for block in 0..tile.num_inputs / BLOCK_INPUTS {
        let x = tile.x.cast::<ActivationBlock>().add(block * M);
        let levels = tile.weights.add(regions.levels + block * V::CODE.block_bytes());
        let of_256 = tile.weights.add(block / SUPER_BLOCKS * C::CODE.super_bytes());
        let of_32 = tile.weights.add(regions.scales + block * C::CODE.block_bytes());
        for part in 0..C::PARTS {
            let mut whole = [[S::splat(0); N]; M];
            for (row, whole) in whole.iter_mut().enumerate() {
                let x = x.add(row);
                *whole = [if C::PARTS == 1 { V::begin::<S>(x) } else { V::begin_half::<S>(x, part) }; N];
            }
            for pair in part * PAIRS / C::PARTS..(part + 1) * PAIRS / C::PARTS {
                let mut weights = [V::load::<S>(levels, pair); N];
                for (panel, weights) in weights.iter_mut().enumerate().skip(1) {
                    *weights = V::load::<S>(levels.add(panel * tile.panel_bytes), pair);
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
                let (of_256, of_32) = (of_256.add(panel * tile.panel_bytes), of_32.add(panel * tile.panel_bytes));
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
    finish(tile, sums);
}
