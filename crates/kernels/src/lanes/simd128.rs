//! WebAssembly's 128-bit lanes: four registers. With relaxed SIMD they multiply and add with one rounding where the CPU does, as
//! the native sets do; without they round twice, as the scalar lanes do.

use std::arch::wasm32::*;

use super::{LANES, Lanes};
use crate::Isa;

/// Sixteen f32 in four 128-bit registers.
#[derive(Clone, Copy)]
pub(crate) struct Simd128Lanes<const RELAXED: bool>(pub(crate) [v128; 4]);

/// The value written once, for each of the four registers; a macro, since a closure has no target features.
macro_rules! each {
    ($index:ident => $value:expr) => {
        Simd128Lanes([
            {
                let $index = 0_usize;
                $value
            },
            {
                let $index = 1_usize;
                $value
            },
            {
                let $index = 2_usize;
                $value
            },
            {
                let $index = 3_usize;
                $value
            },
        ])
    };
}

/// A 4 x 4 transposition.
#[inline(always)]
unsafe fn transpose_4(rows: [v128; 4]) -> [v128; 4] {
    let [a, b, c, d] = rows;
    let (ab_low, ab_high) = (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<2, 6, 3, 7>(a, b));
    let (cd_low, cd_high) = (i32x4_shuffle::<0, 4, 1, 5>(c, d), i32x4_shuffle::<2, 6, 3, 7>(c, d));
    [
        i64x2_shuffle::<0, 2>(ab_low, cd_low),
        i64x2_shuffle::<1, 3>(ab_low, cd_low),
        i64x2_shuffle::<0, 2>(ab_high, cd_high),
        i64x2_shuffle::<1, 3>(ab_high, cd_high),
    ]
}

/// Four bytes of sixteen, and zeros.
#[inline(always)]
unsafe fn load_4(source: *const u8, index: usize) -> v128 {
    v128_load32_zero(source.add(index * 4).cast())
}

/// The first of four f32, as many as are `left`; the other lanes are `rest` and not read.
#[inline(always)]
unsafe fn load_left(source: *const f32, left: usize, rest: f32) -> v128 {
    let (source, rest) = (source.cast::<u32>(), f32x4_splat(rest));
    match left {
        0 => rest,
        1 => v128_load32_lane::<0>(rest, source),
        2 => v128_load64_lane::<0>(rest, source.cast()),
        3 => v128_load32_lane::<2>(v128_load64_lane::<0>(rest, source.cast()), source.add(2)),
        _ => v128_load(source.cast()),
    }
}

/// The same of four bf16, widened; the other lanes are zero.
#[inline(always)]
unsafe fn load_left_bf16(source: *const u16, left: usize) -> v128 {
    let mut values = u16x8_splat(0);
    if left > 3 {
        values = v128_load64_zero(source.cast());
    } else {
        if left > 0 {
            values = v128_load16_lane::<0>(values, source);
        }
        if left > 1 {
            values = v128_load16_lane::<1>(values, source.add(1));
        }
        if left > 2 {
            values = v128_load16_lane::<2>(values, source.add(2));
        }
    }
    u32x4_shl(u32x4_extend_low_u16x8(values), 16)
}

/// Stores the first of four lanes, as many as are `left`.
#[inline(always)]
unsafe fn store_left(register: v128, target: *mut f32, left: usize) {
    let target = target.cast::<u32>();
    match left {
        0 => {}
        1 => v128_store32_lane::<0>(register, target),
        2 => v128_store64_lane::<0>(register, target.cast()),
        3 => {
            v128_store64_lane::<0>(register, target.cast());
            v128_store32_lane::<2>(register, target.add(2));
        }
        _ => v128_store(target.cast(), register),
    }
}

/// The values of four halves, each in the low half of a lane and extended by its sign. No step has a number that is not normal, with
/// which CPUs are slow, and none compares whole numbers, for which some have no instruction.
#[inline]
#[target_feature(enable = "simd128")]
fn widen_4(halves: v128) -> v128 {
    let magnitude = v128_and(halves, i32x4_splat(0x7fff));
    // The greatest exponent of a half becomes that of a f32; then all are 112 less, as those of infinity and NaN can't be.
    let great = i32x4_add(i32x4_shl(magnitude, 13), i32x4_splat(224 << 23));
    let value = f32x4_mul(great, f32x4_splat(f32::from_bits((127 - 112) << 23)));
    // Of the least exponent, which has no leading one, that is x = (1 + m) / 2^15 and should be m / 2^14 = x + (x - 1 / 2^14).
    let beyond = f32x4_sub(value, f32x4_splat(1.0 / 16_384.0));
    let value = f32x4_add(value, f32x4_pmin(f32x4_splat(0.0), beyond));
    v128_or(value, v128_and(halves, i32x4_splat(i32::MIN)))
}

#[cfg(feature = "relaxed-simd")]
#[inline]
#[target_feature(enable = "simd128,relaxed-simd")]
pub(crate) fn relaxed_madd(a: v128, b: v128, c: v128) -> v128 {
    f32x4_relaxed_madd(a, b, c)
}

/// Nothing asks for relaxed lanes in a build without them.
#[cfg(not(feature = "relaxed-simd"))]
#[inline]
#[target_feature(enable = "simd128")]
pub(crate) fn relaxed_madd(a: v128, b: v128, c: v128) -> v128 {
    f32x4_add(f32x4_mul(a, b), c)
}

/// The whole numbers of four f32 that have no other digits. CPUs differ in what they make of numbers that do not fit.
#[inline(always)]
unsafe fn truncate<const RELAXED: bool>(values: v128) -> v128 {
    #[cfg(feature = "relaxed-simd")]
    if RELAXED {
        return relaxed_truncate(values);
    }
    i32x4_trunc_sat_f32x4(values)
}

#[cfg(feature = "relaxed-simd")]
#[inline]
#[target_feature(enable = "simd128,relaxed-simd")]
fn relaxed_truncate(values: v128) -> v128 {
    i32x4_relaxed_trunc_f32x4(values)
}

impl<const RELAXED: bool> Lanes for Simd128Lanes<RELAXED> {
    const ISA: Isa = if RELAXED { Isa::RelaxedSimd } else { Isa::Simd128 };
    const BRANCHES_ON_COUNTS: bool = true;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Simd128Lanes([f32x4_splat(value); 4])
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        each!(index => v128_load(source.add(index * 4).cast()))
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        for (index, register) in self.0.into_iter().enumerate() {
            v128_store(target.add(index * 4).cast(), register);
        }
    }
    // Four times four at a time: sixteen times sixteen do not stay in registers.
    #[inline(always)]
    unsafe fn store_columns_of(rows: &[*const u8; LANES], count: usize, target: *mut f32) {
        let mut index = 0;
        while index + 4 <= count {
            for four in (0..LANES).step_by(4) {
                let columns = transpose_4([
                    v128_load(rows[four].add(index * 4).cast()),
                    v128_load(rows[four + 1].add(index * 4).cast()),
                    v128_load(rows[four + 2].add(index * 4).cast()),
                    v128_load(rows[four + 3].add(index * 4).cast()),
                ]);
                for (column, register) in columns.into_iter().enumerate() {
                    v128_store(target.add((index + column) * LANES + four).cast(), register);
                }
            }
            index += 4;
        }
        for index in index..count {
            for (lane, row) in rows.iter().enumerate() {
                *target.add(index * LANES + lane) = row.cast::<f32>().add(index).read_unaligned();
            }
        }
    }
    // Copies of any length are calls to engines.
    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize, rest: f32) -> Self {
        each!(index => load_left(source.wrapping_add(index * 4), count.saturating_sub(index * 4), rest))
    }
    #[inline(always)]
    unsafe fn load_first_bf16(source: *const u16, count: usize) -> Self {
        each!(index => load_left_bf16(source.wrapping_add(index * 4), count.saturating_sub(index * 4)))
    }
    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize) {
        for (index, register) in self.0.into_iter().enumerate() {
            store_left(register, target.wrapping_add(index * 4), count.saturating_sub(index * 4));
        }
    }
    #[inline(always)]
    unsafe fn load_bf16(source: *const u16) -> Self {
        each!(index => u32x4_shl(u32x4_load_extend_u16x4(source.add(index * 4)), 16))
    }
    #[inline(always)]
    unsafe fn load_f16(source: *const u16) -> Self {
        each!(index => widen_4(i32x4_load_extend_i16x4(source.cast::<i16>().add(index * 4))))
    }
    #[inline(always)]
    unsafe fn load_i8(source: *const i8) -> Self {
        each!(index => f32x4_convert_i32x4(i32x4_extend_low_i16x8(i16x8_extend_low_i8x16(load_4(source.cast(), index)))))
    }
    #[inline(always)]
    unsafe fn load_u8(source: *const u8) -> Self {
        each!(index => f32x4_convert_u32x4(u32x4_extend_low_u16x8(u16x8_extend_low_u8x16(load_4(source, index)))))
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        each!(index => f32x4_add(self.0[index], other.0[index]))
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        each!(index => f32x4_sub(self.0[index], other.0[index]))
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        each!(index => f32x4_mul(self.0[index], other.0[index]))
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        each!(index => f32x4_div(self.0[index], other.0[index]))
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // `pmax(a, b)` is `a < b ? b : a`.
        each!(index => f32x4_pmax(other.0[index], self.0[index]))
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // `pmin(a, b)` is `b < a ? b : a`.
        each!(index => f32x4_pmin(other.0[index], self.0[index]))
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        each!(index => {
            if RELAXED {
                relaxed_madd(self.0[index], factor.0[index], addend.0[index])
            } else {
                f32x4_add(f32x4_mul(self.0[index], factor.0[index]), addend.0[index])
            }
        })
    }
    #[inline(always)]
    unsafe fn mul_add_first(self, factor: Self, addend: Self, count: usize) -> Self {
        each!(index => {
            if index * 4 >= count {
                addend.0[index]
            } else if RELAXED {
                relaxed_madd(self.0[index], factor.0[index], addend.0[index])
            } else {
                f32x4_add(f32x4_mul(self.0[index], factor.0[index]), addend.0[index])
            }
        })
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        each!(index => f32x4_nearest(self.0[index]))
    }
    #[inline(always)]
    unsafe fn abs(self) -> Self {
        each!(index => f32x4_abs(self.0[index]))
    }
    #[inline(always)]
    unsafe fn with_sign_of(self, sign: Self) -> Self {
        each!(index => v128_bitselect(sign.0[index], self.0[index], u32x4_splat(1 << 31)))
    }
    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        each!(index => {
            u32x4_shl(i32x4_add(truncate::<RELAXED>(self.0[index]), i32x4_splat(127)), 23)
        })
    }
    #[inline(always)]
    unsafe fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        each!(index => {
            v128_bitselect(then.0[index], otherwise.0[index], f32x4_lt(self.0[index], limit.0[index]))
        })
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let low = f32x4_add(self.0[0], self.0[2]);
        let high = f32x4_add(self.0[1], self.0[3]);
        let four = f32x4_add(low, high);
        let two = f32x4_add(four, i64x2_shuffle::<1, 1>(four, four));
        f32x4_extract_lane::<0>(two) + f32x4_extract_lane::<1>(two)
    }
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        let low = f32x4_pmax(self.0[2], self.0[0]);
        let high = f32x4_pmax(self.0[3], self.0[1]);
        let four = f32x4_pmax(high, low);
        let two = f32x4_pmax(i64x2_shuffle::<1, 1>(four, four), four);
        let (one, other) = (f32x4_extract_lane::<0>(two), f32x4_extract_lane::<1>(two));
        if one > other { one } else { other }
    }
    #[inline(always)]
    unsafe fn split_bf16_pairs(self) -> (Self, Self) {
        let low = each!(index => u32x4_shl(self.0[index], 16));
        let high = each!(index => v128_and(self.0[index], u32x4_splat(0xffff_0000)));
        (low, high)
    }
    #[inline(always)]
    unsafe fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        let mut columns = [Self::splat(0.0); LANES];
        for from in 0..4 {
            for to in 0..4 {
                let block = [
                    rows[to * 4].0[from],
                    rows[to * 4 + 1].0[from],
                    rows[to * 4 + 2].0[from],
                    rows[to * 4 + 3].0[from],
                ];
                for (column, register) in transpose_4(block).into_iter().enumerate() {
                    columns[from * 4 + column].0[to] = register;
                }
            }
        }
        columns
    }
}
