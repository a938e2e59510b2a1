//! AVX-512 sums by `vpdpbusd`, which multiplies unsigned levels with signed activations and adds four products at once.

use std::arch::x86_64::*;

use super::Sums;
use crate::lanes::avx512::Avx512Lanes;

/// Sixteen sums in a zmm register.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Sums(__m512i);

/// [`IQ4_LEVELS`](quire_blocks::IQ4_LEVELS) + 128, as bytes.
static LIFTED_LEVELS: [u8; 16] = {
    let mut lifted = [0; 16];
    let mut index = 0;
    while index < 16 {
        lifted[index] = quire_blocks::IQ4_LEVELS[index] as u8 ^ 128;
        index += 1;
    }
    lifted
};

impl Sums for Avx512Sums {
    type Lanes = Avx512Lanes;
    type Levels = __m512i;
    const BIASED: bool = true;

    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        Avx512Sums(_mm512_set1_epi32(value))
    }
    #[inline(always)]
    unsafe fn bytes(source: *const u8) -> __m512i {
        _mm512_loadu_si512(source.cast())
    }
    #[inline(always)]
    unsafe fn nibbles(source: *const u8) -> [__m512i; 2] {
        let (bytes, mask) = (_mm512_loadu_si512(source.cast()), _mm512_set1_epi8(15));
        [_mm512_and_si512(bytes, mask), _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), mask)]
    }
    #[inline(always)]
    unsafe fn looked_up(source: *const u8) -> [__m512i; 2] {
        let table = _mm512_broadcast_i32x4(_mm_loadu_si128(LIFTED_LEVELS.as_ptr().cast()));
        let [low, high] = Self::nibbles(source);
        [_mm512_shuffle_epi8(table, low), _mm512_shuffle_epi8(table, high)]
    }
    #[inline(always)]
    unsafe fn add_signed(self, levels: __m512i, activations: *const i8) -> Self {
        let activations = _mm512_set1_epi32(activations.cast::<i32>().read_unaligned());
        Avx512Sums(_mm512_dpbusd_epi32(self.0, levels, activations))
    }
    #[inline(always)]
    unsafe fn add_unsigned(self, levels: __m512i, activations: *const i8) -> Self {
        self.add_signed(levels, activations)
    }
    #[inline(always)]
    unsafe fn to_lanes(self) -> Avx512Lanes {
        Avx512Lanes(_mm512_cvtepi32_ps(self.0))
    }
}
