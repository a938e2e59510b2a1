//! WebAssembly's 128-bit sums: four registers. Relaxed SIMD multiplies bytes with numbers of seven bits at once. Magnitudes of
//! activations are such numbers: where one is negative, the levels times it are taken as their complements, -1 - level, and what that
//! leaves out is what the sum begins with. Without relaxed SIMD products are of 16 bits.

use std::arch::wasm32::*;
#[cfg(feature = "relaxed-simd")]
use std::hint::black_box;

use quire_blocks::IQ4_LEVELS;

use super::Sums;
use crate::lanes::simd128::Simd128Lanes;

/// Activations of which sixteen-bit sums of pairs hold an eighth each.
const MOST_IN_16_BITS: usize = 1024;

/// Sixteen sums in four 128-bit registers.
#[derive(Clone, Copy)]
pub(crate) struct Simd128Sums<const RELAXED: bool>([v128; 4]);

#[cfg(feature = "relaxed-simd")]
#[inline]
#[target_feature(enable = "simd128,relaxed-simd")]
pub(crate) fn relaxed_dot(sums: v128, levels: v128, activations: v128) -> v128 {
    i32x4_relaxed_dot_i8x16_i7x16_add(activations, levels, sums)
}

/// The sums of two products each, of neighbours, in 16 bits.
#[cfg(feature = "relaxed-simd")]
#[inline]
#[target_feature(enable = "simd128,relaxed-simd")]
pub(crate) fn relaxed_pairs(levels: v128, activations: v128) -> v128 {
    i16x8_relaxed_dot_i8x16_i7x16(activations, levels)
}

/// Whether the engine makes [`relaxed_dot`] from sums of two products in 16 bits, since the CPU has no instruction that adds four.
/// A number of more than seven bits shows it, of which specifications leave open what comes out: there sums of two end at 16 bits.
/// Clocks of pages are too coarse to measure it.
#[cfg(feature = "relaxed-simd")]
#[target_feature(enable = "simd128,relaxed-simd")]
pub(crate) fn relaxed_dot_is_of_pairs() -> bool {
    let (level, activation) = (i8x16_splat(black_box(-1)), i8x16_splat(black_box(-128)));
    i32x4_extract_lane::<0>(relaxed_dot(i32x4_splat(0), level, activation)) == 2 * i32::from(i16::MIN)
}

/// Nothing asks for relaxed sums in a build without them.
#[cfg(not(feature = "relaxed-simd"))]
#[inline]
#[target_feature(enable = "simd128")]
fn relaxed_dot(sums: v128, levels: v128, activations: v128) -> v128 {
    multiply(sums, levels, activations)
}

/// Adds four products to each lane: sums of two in 32 bits, then of two neighbours.
#[inline]
#[target_feature(enable = "simd128")]
fn multiply(sums: v128, levels: v128, activations: v128) -> v128 {
    let low = i32x4_extadd_pairwise_i16x8(i16x8_extmul_low_i8x16(levels, activations));
    let high = i32x4_extadd_pairwise_i16x8(i16x8_extmul_high_i8x16(levels, activations));
    let (even, odd) = (i32x4_shuffle::<0, 2, 4, 6>(low, high), i32x4_shuffle::<1, 3, 5, 7>(low, high));
    i32x4_add(sums, i32x4_add(even, odd))
}

#[inline(always)]
unsafe fn load(source: *const u8) -> [v128; 4] {
    let source = source.cast::<v128>();
    [v128_load(source), v128_load(source.add(1)), v128_load(source.add(2)), v128_load(source.add(3))]
}

impl<const RELAXED: bool> Sums for Simd128Sums<RELAXED> {
    type Lanes = Simd128Lanes<RELAXED>;
    type Levels = [v128; 4];
    const BIASED: bool = false;

    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        Simd128Sums([i32x4_splat(value); 4])
    }
    #[inline(always)]
    unsafe fn begin_signed(activations: *const i8, num_activations: usize, _minus_128: i32) -> Self {
        if !RELAXED {
            return Self::splat(0);
        }
        let mut four = i32x4_splat(0);
        for first in (0..num_activations).step_by(MOST_IN_16_BITS) {
            let mut negative = i16x8_splat(0);
            for at in (first..num_activations.min(first + MOST_IN_16_BITS)).step_by(16) {
                let activations = i8x16_min(v128_load(activations.add(at).cast()), i8x16_splat(0));
                negative = i16x8_add(negative, i16x8_extadd_pairwise_i8x16(activations));
            }
            four = i32x4_add(four, i32x4_extadd_pairwise_i16x8(negative));
        }
        let two = i32x4_add(four, i64x2_shuffle::<1, 0>(four, four));
        Simd128Sums([i32x4_neg(i32x4_add(two, i32x4_shuffle::<1, 0, 3, 2>(two, two))); 4])
    }
    #[inline(always)]
    unsafe fn bytes(source: *const u8) -> Self::Levels {
        let mut bytes = load(source);
        for byte in &mut bytes {
            *byte = v128_xor(*byte, i8x16_splat(-128));
        }
        bytes
    }
    #[inline(always)]
    unsafe fn nibbles(source: *const u8) -> [Self::Levels; 2] {
        let bytes = load(source);
        let mut halves = [bytes; 2];
        for (register, byte) in bytes.into_iter().enumerate() {
            halves[0][register] = v128_and(byte, i8x16_splat(15));
            // Engines shift bytes as words, and mask them by a constant that they make anew each time.
            halves[1][register] = v128_and(u16x8_shr(byte, 4), i8x16_splat(15));
        }
        halves
    }
    #[inline(always)]
    unsafe fn looked_up(source: *const u8) -> [Self::Levels; 2] {
        let table = v128_load(IQ4_LEVELS.as_ptr().cast());
        let mut levels = Self::nibbles(source);
        for levels in &mut levels {
            for level in levels {
                *level = i8x16_swizzle(table, *level);
            }
        }
        levels
    }
    #[inline(always)]
    unsafe fn add_signed(self, levels: Self::Levels, activations: *const i8) -> Self {
        let activations = i32x4_splat(activations.cast::<i32>().read_unaligned());
        let mut sums = self.0;
        if RELAXED {
            let (magnitudes, signs) = (i8x16_abs(activations), i8x16_shr(activations, 7));
            for (sums, levels) in sums.iter_mut().zip(levels) {
                *sums = relaxed_dot(*sums, magnitudes, v128_xor(levels, signs));
            }
            return Simd128Sums(sums);
        }
        for (sums, levels) in sums.iter_mut().zip(levels) {
            *sums = multiply(*sums, levels, activations);
        }
        Simd128Sums(sums)
    }
    #[inline(always)]
    unsafe fn add_unsigned(self, levels: Self::Levels, activations: *const i8) -> Self {
        self.add_signed(levels, activations)
    }
    #[inline(always)]
    unsafe fn to_lanes(self) -> Self::Lanes {
        let [a, b, c, d] = self.0;
        Simd128Lanes([f32x4_convert_i32x4(a), f32x4_convert_i32x4(b), f32x4_convert_i32x4(c), f32x4_convert_i32x4(d)])
    }
}
