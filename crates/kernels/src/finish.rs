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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Isa,
        lanes::scalar::ScalarLanes,
        testing::{assert_same_bits, numbers},
    };

    /// Columns behind which nothing is to be written.
    const OUT_STRIDE: usize = 80;

    /// Results of one way of finishing three rows of `columns` columns, over what was there.
    fn results(bias: Option<&[f32]>, columns: usize, epilogue: Epilogue, run: &dyn Fn(&Tile)) -> Vec<f32> {
        let mut out = numbers(3 * OUT_STRIDE, 7);
        run(&Tile {
            weights: std::ptr::null(),
            panel_bytes: 0,
            x: std::ptr::null(),
            x_stride_bytes: 0,
            x_scales: std::ptr::null(),
            num_inputs: 0,
            bias: bias.map_or(std::ptr::null(), <[f32]>::as_ptr),
            out: out.as_mut_ptr(),
            out_stride: OUT_STRIDE,
            columns,
            epilogue,
            waiting: std::ptr::null_mut(),
        });
        out
    }

    #[test]
    fn every_set_writes_the_bits_of_plain_additions_and_no_others() {
        let (sums, bias) = (numbers(3 * 4 * LANES, 1), numbers(4 * LANES, 2));
        // SAFETY: portable code; sums are there.
        let load = |row: usize, panel: usize| unsafe { ScalarLanes::load(sums[(row * 4 + panel) * LANES..].as_ptr()) };
        let registers: [[ScalarLanes; 4]; 3] = std::array::from_fn(|row| std::array::from_fn(|panel| load(row, panel)));
        for columns in [1, 15, 16, 17, 32, 47, 63, 64] {
            for bias in [None, Some(&bias[..columns])] {
                for epilogue in [Epilogue::Store, Epilogue::Add] {
                    let expected = results(bias, columns, epilogue, &|tile| {
                        for (row, column) in (0..3).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                            // SAFETY: a row has more elements than columns.
                            let out = unsafe { &mut *tile.out.add(row * OUT_STRIDE + column) };
                            let sum = sums[row * 4 * LANES + column] + bias.map_or(0.0, |bias| bias[column]);
                            *out = if epilogue == Epilogue::Add { *out + sum } else { sum };
                        }
                    });
                    let what = format!("{columns} columns, {epilogue:?}, bias {}", bias.is_some());
                    for isa in Isa::available() {
                        // SAFETY: the instruction set is there, and so are sums of three rows and four panels.
                        let run = |tile: &Tile| unsafe { finish_on(isa)(tile, sums.as_ptr(), 3, 4) };
                        assert_same_bits(&results(bias, columns, epilogue, &run), &expected, &format!("{isa}, {what}"));
                    }
                    // SAFETY: portable code, and results as above.
                    let run = |tile: &Tile| unsafe { finish(tile, registers) };
                    assert_same_bits(&results(bias, columns, epilogue, &run), &expected, &what);
                    // SAFETY: as above.
                    let run = |tile: &Tile| unsafe { finish_short(tile, registers) };
                    assert_same_bits(&results(bias, columns, epilogue, &run), &expected, &format!("short, {what}"));
                }
            }
        }
    }
}
