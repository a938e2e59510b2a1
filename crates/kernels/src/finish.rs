//! The end of every product: bias, epilogue and the edge of the last panel. Built once for an instruction set and called, since it
//! is longer than the loop of most kernels and takes little time beside it.

use std::mem::MaybeUninit;

use crate::{
    lanes::{LANES, Lanes},
    per_isa::per_isa,
    tile::{Epilogue, Tile},
};

/// Turns sums in registers into results.
///
/// # Safety
/// As [`Lanes`]; the results and the bias that the tile names are there.
#[inline(always)]
pub(crate) unsafe fn finish<L: Lanes, const M: usize, const N: usize>(tile: &Tile, registers: [[L; N]; M]) {
    // Stored one by one, so that the sums themselves have no address and stay in registers while they grow.
    let mut sums = [[MaybeUninit::<[f32; LANES]>::uninit(); N]; M];
    for row in 0..M {
        for panel in 0..N {
            registers[row][panel].store(sums[row][panel].as_mut_ptr().cast());
        }
    }
    finish_sums::<L>(tile, sums.as_ptr().cast(), M, N);
}

/// The same of short sums, as those of attention are: a call takes longer than what is to be done with most of them.
///
/// # Safety
/// As [`finish`].
#[inline(always)]
pub(crate) unsafe fn finish_short<L: Lanes, const M: usize, const N: usize>(tile: &Tile, sums: [[L; N]; M]) {
    if !tile.bias.is_null() || tile.columns < N * LANES {
        return finish(tile, sums);
    }
    let adds = tile.epilogue == Epilogue::Add;
    for (row, sums) in sums.into_iter().enumerate() {
        for (panel, sum) in sums.into_iter().enumerate() {
            let out = tile.out.add(row * tile.out_stride + panel * LANES);
            (if adds { L::load(out).add(sum) } else { sum }).store(out);
        }
    }
}

/// The same of sums in memory, [rows][panels][16]. Those behind the columns of the tile are left.
///
/// A function without target features, in which `inline(never)` is heeded.
///
/// # Safety
/// As [`finish`].
#[inline(never)]
pub(crate) unsafe fn finish_sums<L: Lanes>(tile: &Tile, sums: *const f32, num_rows: usize, num_panels: usize) {
    finish_on(L::ISA)(tile, sums, num_rows, num_panels);
}

#[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", feature = "relaxed-simd")))]
pub(crate) type FinishFn = unsafe fn(&Tile, *const f32, usize, usize);

per_isa!(
    #[inline(always)]
    finish_on = finish_lanes[](tile: &Tile, sums: *const f32, num_rows: usize, num_panels: usize)
);

#[inline(always)]
unsafe fn finish_lanes<L: Lanes>(tile: &Tile, sums: *const f32, num_rows: usize, num_panels: usize) {
    for row in 0..num_rows {
        for panel in 0..num_panels.min(tile.columns.div_ceil(LANES)) {
            let column = panel * LANES;
            let count = (tile.columns - column).min(LANES);
            let bias = if tile.bias.is_null() { tile.bias } else { tile.bias.add(column) };
            let out = tile.out.add(row * tile.out_stride + column);
            let mut value = L::load(sums.add((row * num_panels + panel) * LANES));
            if count == LANES {
                if !bias.is_null() {
                    value = value.add(L::load(bias));
                }
                if tile.epilogue == Epilogue::Add {
                    value = L::load(out).add(value);
                }
                value.store(out);
            } else {
                if !bias.is_null() {
                    value = value.add(L::load_first(bias, count, 0.0));
                }
                if tile.epilogue == Epilogue::Add {
                    value = L::load_first(out, count, 0.0).add(value);
                }
                value.store_first(out, count);
            }
        }
    }
}
