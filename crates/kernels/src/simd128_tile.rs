//! Micro-kernels for WebAssembly. Its engines have sixteen registers of four lanes on most CPUs, keep one of them for themselves,
//! and fold no load into another operation: so a pass over the inputs has at most twelve sums, of a whole panel for one or two rows,
//! and of half of it for more.

use std::arch::wasm32::*;

use crate::{
    finish::{finish, finish_short},
    lanes::{
        LANES,
        simd128::{Simd128Lanes, relaxed_madd},
    },
    tile::Tile,
};

/// Registers of one panel's outputs.
pub(crate) const REGISTERS: usize = LANES / 4;

/// Rows that a pass over whole panels takes.
pub(crate) const WHOLE_ROWS: usize = 2;

/// The sums of `R` registers of each panel and row.
type Sums<const M: usize, const N: usize, const R: usize> = [[[v128; R]; N]; M];

/// One weight format.
trait Format {
    /// Sums over all inputs, for the registers from `first` on.
    unsafe fn pass<const RELAXED: bool, const M: usize, const N: usize, const R: usize>(
        tile: &Tile,
        first: usize,
    ) -> Sums<M, N, R>;
}

/// Panels are [inputs][16].
struct F32;
/// Widened; panels are [inputs / 2][16][2].
struct Bf16;

/// f32 weights and activations.
#[inline(always)]
pub(crate) unsafe fn f32_tile<const RELAXED: bool, const M: usize, const N: usize>(tile: &Tile) {
    finish_short(tile, multiply::<F32, RELAXED, M, N>(tile));
}

/// bf16 weights, f32 activations.
#[inline(always)]
pub(crate) unsafe fn bf16_tile<const RELAXED: bool, const M: usize, const N: usize>(tile: &Tile) {
    finish(tile, multiply::<Bf16, RELAXED, M, N>(tile));
}

#[inline(always)]
unsafe fn multiply<F: Format, const RELAXED: bool, const M: usize, const N: usize>(
    tile: &Tile,
) -> [[Simd128Lanes<RELAXED>; N]; M] {
    let mut sums = [[Simd128Lanes::<RELAXED>([f32x4_splat(0.0); REGISTERS]); N]; M];
    if M <= WHOLE_ROWS {
        let whole = F::pass::<RELAXED, M, N, REGISTERS>(tile, 0);
        for row in 0..M {
            for panel in 0..N {
                sums[row][panel] = Simd128Lanes(whole[row][panel]);
            }
        }
    } else {
        let low = F::pass::<RELAXED, M, N, 2>(tile, 0);
        let high = F::pass::<RELAXED, M, N, 2>(tile, 2);
        for row in 0..M {
            for panel in 0..N {
                let ([a, b], [c, d]) = (low[row][panel], high[row][panel]);
                sums[row][panel] = Simd128Lanes([a, b, c, d]);
            }
        }
    }
    sums
}

impl Format for F32 {
    #[inline(always)]
    unsafe fn pass<const RELAXED: bool, const M: usize, const N: usize, const R: usize>(
        tile: &Tile,
        first: usize,
    ) -> Sums<M, N, R> {
        let mut sums = [[[f32x4_splat(0.0); R]; N]; M];
        for input in 0..tile.num_inputs {
            for panel in 0..N {
                for register in 0..R {
                    let weights = load(tile, panel, input, first + register);
                    for row in 0..M {
                        let sum = &mut sums[row][panel][register];
                        *sum = madd::<RELAXED>(activation(tile, row, input), weights, *sum);
                    }
                }
            }
        }
        sums
    }
}

impl Format for Bf16 {
    #[inline(always)]
    unsafe fn pass<const RELAXED: bool, const M: usize, const N: usize, const R: usize>(
        tile: &Tile,
        first: usize,
    ) -> Sums<M, N, R> {
        let mut sums = [[[f32x4_splat(0.0); R]; N]; M];
        let num_pairs = tile.num_inputs / 2;
        for pair in 0..num_pairs {
            for panel in 0..N {
                let mut pairs = [f32x4_splat(0.0); R];
                for (register, both) in pairs.iter_mut().enumerate() {
                    *both = load(tile, panel, pair, first + register);
                }
                let mut weights = [f32x4_splat(0.0); R];
                for register in 0..R {
                    weights[register] = u32x4_shl(pairs[register], 16);
                }
                add::<RELAXED, M, N, R>(tile, panel, pair * 2, weights, &mut sums);
                for register in 0..R {
                    weights[register] = upper_halves(pairs[register]);
                }
                add::<RELAXED, M, N, R>(tile, panel, pair * 2 + 1, weights, &mut sums);
            }
        }
        // The last pair of an odd number of inputs has only its first half.
        if tile.num_inputs % 2 == 1 {
            for panel in 0..N {
                for register in 0..R {
                    let low = u32x4_shl(load(tile, panel, num_pairs, first + register), 16);
                    for row in 0..M {
                        let sum = &mut sums[row][panel][register];
                        *sum = madd::<RELAXED>(activation(tile, row, num_pairs * 2), low, *sum);
                    }
                }
            }
        }
        sums
    }
}

/// Adds the products of one input to all sums of a panel. Row by row, so that there is one activation at a time beside the sums.
#[inline(always)]
unsafe fn add<const RELAXED: bool, const M: usize, const N: usize, const R: usize>(
    tile: &Tile,
    panel: usize,
    input: usize,
    weights: [v128; R],
    sums: &mut Sums<M, N, R>,
) {
    for row in 0..M {
        let activation = activation(tile, row, input);
        for register in 0..R {
            let sum = &mut sums[row][panel][register];
            *sum = madd::<RELAXED>(activation, weights[register], *sum);
        }
    }
}

/// The second of each pair of bf16: a blend with zero, which needs no mask in a register.
#[inline(always)]
pub(crate) unsafe fn upper_halves(pairs: v128) -> v128 {
    i16x8_shuffle::<0, 9, 2, 11, 4, 13, 6, 15>(i16x8_splat(0), pairs)
}

/// `a * b + c`, rounded as the lanes do it.
#[inline(always)]
pub(crate) unsafe fn madd<const RELAXED: bool>(a: v128, b: v128, c: v128) -> v128 {
    if RELAXED { relaxed_madd(a, b, c) } else { f32x4_add(f32x4_mul(a, b), c) }
}

/// One row's activation at one input, in all lanes.
#[inline(always)]
unsafe fn activation(tile: &Tile, row: usize, input: usize) -> v128 {
    v128_load32_splat(tile.x.add(row * tile.x_stride_bytes).cast::<u32>().add(input))
}

/// Four outputs' weights at one input, or at a pair of them.
#[inline(always)]
unsafe fn load(tile: &Tile, panel: usize, group: usize, register: usize) -> v128 {
    let start = tile.weights.add(panel * tile.panel_bytes).cast::<u32>();
    v128_load(start.add(group * LANES + register * 4).cast())
}
