//! More rows than a tile has times bf16, for WebAssembly. Of a stretch of a panel weights become f32, once for all rows; then four
//! rows at a time pass over it. A pass takes one input at each turn of its loop: of several, compilers load all activations before the
//! first is multiplied, for which there are no registers, and sums go to memory and back. Between stretches they wait there, which
//! changes none of them.

use std::arch::wasm32::*;

use crate::{
    finish::finish_sums,
    lanes::{LANES, simd128::Simd128Lanes},
    lines::{Lines, lines},
    simd128_tile::{REGISTERS, WHOLE_ROWS, madd, upper_halves},
    tile::Tile,
};

/// Rows whose sums one pass has: eight sums, as many as keep two multipliers busy, with what they are made of.
pub(crate) const ROWS: usize = 4;

/// Inputs of a stretch, whose weights stay in the nearest cache with the activations of a few rows.
const STRETCH_INPUTS: usize = 192;

/// Rows whose sums wait at once.
const MOST_ROWS: usize = 192;

/// A few rows and a stretch of a panel.
pub(crate) struct Stretch {
    /// The first row's first input.
    x: *const u8,
    /// Bytes from one row to the next.
    x_stride_bytes: usize,
    /// [inputs][16].
    weights: *const f32,
    num_inputs: usize,
    /// Sums of the rows, [rows][16].
    sums: *mut f32,
}

pub(crate) type StretchFn = unsafe fn(&Stretch);

/// Any number of rows times all columns of a tile, by kernels for 1 to [`ROWS`] rows. Panels are [inputs / 2][16][2].
///
/// # Safety
/// As the other micro-kernels of [`Tile`]s.
#[inline(always)]
pub(crate) unsafe fn multiply<const RELAXED: bool>(block: &Tile, num_rows: usize, kernels: [StretchFn; ROWS]) {
    let mut widened: Lines<STRETCH_INPUTS> = lines();
    let mut sums: Lines<MOST_ROWS> = lines();
    let (widened, sums) = (widened.as_mut_ptr().cast::<f32>(), sums.as_mut_ptr().cast::<f32>());
    for first_row in (0..num_rows).step_by(MOST_ROWS) {
        let rows = (num_rows - first_row).min(MOST_ROWS);
        for panel in 0..block.columns.div_ceil(LANES) {
            let weights = block.weights.add(panel * block.panel_bytes);
            sums.write_bytes(0, rows * LANES);
            for first in (0..block.num_inputs).step_by(STRETCH_INPUTS) {
                let num_inputs = STRETCH_INPUTS.min(block.num_inputs - first);
                widen(weights.add(first * LANES * 2), num_inputs, widened);
                for row in (0..rows).step_by(ROWS) {
                    kernels[ROWS.min(rows - row) - 1](&Stretch {
                        x: block.x.add((first_row + row) * block.x_stride_bytes + first * size_of::<f32>()),
                        x_stride_bytes: block.x_stride_bytes,
                        weights: widened,
                        num_inputs,
                        sums: sums.add(row * LANES),
                    });
                }
            }
            let column = panel * LANES;
            let tile = Tile {
                bias: if block.bias.is_null() { block.bias } else { block.bias.add(column) },
                out: block.out.add(first_row * block.out_stride + column),
                columns: (block.columns - column).min(LANES),
                ..*block
            };
            finish_sums::<Simd128Lanes<RELAXED>>(&tile, sums, rows, 1);
        }
    }
}

/// Makes f32 of pairs of bf16. The second half of the last pair of an odd number of inputs is left.
#[inline(always)]
unsafe fn widen(stored: *const u8, num_inputs: usize, target: *mut f32) {
    let (stored, target) = (stored.cast::<v128>(), target.cast::<v128>());
    for pair in 0..num_inputs / 2 {
        for register in 0..REGISTERS {
            let both = v128_load(stored.add(pair * REGISTERS + register));
            v128_store(target.add(pair * 2 * REGISTERS + register), u32x4_shl(both, 16));
            v128_store(target.add((pair * 2 + 1) * REGISTERS + register), upper_halves(both));
        }
    }
    if num_inputs % 2 == 1 {
        for register in 0..REGISTERS {
            let both = v128_load(stored.add(num_inputs / 2 * REGISTERS + register));
            v128_store(target.add((num_inputs - 1) * REGISTERS + register), u32x4_shl(both, 16));
        }
    }
}

/// The micro-kernel: `M` rows times a stretch, in passes that have a whole panel's sums or half of them.
///
/// # Safety
/// The CPU has the instructions; what the stretch says is there.
#[inline(always)]
pub(crate) unsafe fn stretch_tile<const RELAXED: bool, const M: usize>(stretch: &Stretch) {
    if M <= WHOLE_ROWS {
        pass::<RELAXED, M, REGISTERS>(stretch, 0);
    } else {
        pass::<RELAXED, M, 2>(stretch, 0);
        pass::<RELAXED, M, 2>(stretch, 2);
    }
}

/// Adds to the sums of `R` registers of each row, from register `first` on.
#[inline(always)]
unsafe fn pass<const RELAXED: bool, const M: usize, const R: usize>(stretch: &Stretch, first: usize) {
    let waiting = stretch.sums.cast::<v128>().add(first);
    let mut sums = [[f32x4_splat(0.0); R]; M];
    let mut x = [stretch.x; M];
    for row in 0..M {
        x[row] = stretch.x.add(row * stretch.x_stride_bytes);
        for register in 0..R {
            sums[row][register] = v128_load(waiting.add(row * REGISTERS + register));
        }
    }
    let mut weights = stretch.weights.cast::<v128>().add(first);
    let end = weights.add(stretch.num_inputs * REGISTERS);
    while weights != end {
        let mut of_input = [f32x4_splat(0.0); R];
        for (register, of_input) in of_input.iter_mut().enumerate() {
            *of_input = v128_load(weights.add(register));
        }
        for row in 0..M {
            let activation = v128_load32_splat(x[row].cast());
            for register in 0..R {
                sums[row][register] = madd::<RELAXED>(activation, of_input[register], sums[row][register]);
            }
            x[row] = x[row].add(size_of::<f32>());
        }
        weights = weights.add(REGISTERS);
    }
    for row in 0..M {
        for register in 0..R {
            v128_store(waiting.add(row * REGISTERS + register), sums[row][register]);
        }
    }
}
