//! AVX2 sums: two registers. `vpdpbusd` where the CPU has AVX-VNNI; else products of bytes by `vpmaddubsw`, whose pairs
//! stay within 16 bits because signs are moved from the levels to the activations: at most 2 * 128 * 127.

use std::arch::x86_64::*;

use quire_blocks::IQ4_LEVELS;

use super::Sums;
use crate::lanes::avx2::Avx2Lanes;

/// Sixteen sums in two ymm registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx2Sums<const VNNI: bool>(__m256i, __m256i);

/// Adds four products of each lane; the levels are unsigned.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn dot(sum: __m256i, levels: __m256i, activations: __m256i) -> __m256i {
    _mm256_dpbusd_avx_epi32(sum, levels, activations)
}

/// Adds four products of each lane; the levels are unsigned, and two products fit into 16 bits.
#[inline(always)]
unsafe fn multiply(sum: __m256i, levels: __m256i, activations: __m256i) -> __m256i {
    let pairs = _mm256_maddubs_epi16(levels, activations);
    _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

#[inline(always)]
unsafe fn load<const VNNI: bool>(source: *const u8) -> __m256i {
    let lifted = _mm256_loadu_si256(source.cast());
    if VNNI { lifted } else { _mm256_xor_si256(lifted, _mm256_set1_epi8(-128)) }
}

#[inline(always)]
unsafe fn split(source: *const u8) -> (__m256i, __m256i) {
    let (bytes, mask) = (_mm256_loadu_si256(source.cast()), _mm256_set1_epi8(15));
    (_mm256_and_si256(bytes, mask), _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), mask))
}

impl<const VNNI: bool> Sums for Avx2Sums<VNNI> {
    type Lanes = Avx2Lanes;
    type Levels = (__m256i, __m256i);
    const BIASED: bool = VNNI;

    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        Avx2Sums(_mm256_set1_epi32(value), _mm256_set1_epi32(value))
    }
    #[inline(always)]
    unsafe fn bytes(source: *const u8) -> Self::Levels {
        (load::<VNNI>(source), load::<VNNI>(source.add(32)))
    }
    #[inline(always)]
    unsafe fn nibbles(source: *const u8) -> [Self::Levels; 2] {
        let (first, second) = (split(source), split(source.add(32)));
        [(first.0, second.0), (first.1, second.1)]
    }
    #[inline(always)]
    unsafe fn looked_up(source: *const u8) -> [Self::Levels; 2] {
        let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(IQ4_LEVELS.as_ptr().cast()));
        let table = if VNNI { _mm256_xor_si256(table, _mm256_set1_epi8(-128)) } else { table };
        let [low, high] = Self::nibbles(source);
        [
            (_mm256_shuffle_epi8(table, low.0), _mm256_shuffle_epi8(table, low.1)),
            (_mm256_shuffle_epi8(table, high.0), _mm256_shuffle_epi8(table, high.1)),
        ]
    }
    #[inline(always)]
    unsafe fn add_signed(self, levels: Self::Levels, activations: *const i8) -> Self {
        if VNNI {
            return self.add_unsigned(levels, activations);
        }
        let activations = _mm256_set1_epi32(activations.cast::<i32>().read_unaligned());
        let (first, second) = (_mm256_sign_epi8(activations, levels.0), _mm256_sign_epi8(activations, levels.1));
        Avx2Sums(
            multiply(self.0, _mm256_abs_epi8(levels.0), first),
            multiply(self.1, _mm256_abs_epi8(levels.1), second),
        )
    }
    #[inline(always)]
    unsafe fn add_unsigned(self, levels: Self::Levels, activations: *const i8) -> Self {
        let activations = _mm256_set1_epi32(activations.cast::<i32>().read_unaligned());
        if VNNI {
            Avx2Sums(dot(self.0, levels.0, activations), dot(self.1, levels.1, activations))
        } else {
            Avx2Sums(multiply(self.0, levels.0, activations), multiply(self.1, levels.1, activations))
        }
    }
    #[inline(always)]
    unsafe fn to_lanes(self) -> Avx2Lanes {
        Avx2Lanes(_mm256_cvtepi32_ps(self.0), _mm256_cvtepi32_ps(self.1))
    }
}
