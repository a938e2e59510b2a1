//! AVX-512 lanes: one register.

use std::arch::x86_64::*;

use super::{LANES, Lanes};
use crate::Isa;

/// Sixteen f32 in a zmm register.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Lanes(pub(crate) __m512);

impl Lanes for Avx512Lanes {
    const ISA: Isa = Isa::Avx512;
    const SUMS: usize = 16;
    const SUM_ROWS: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Avx512Lanes(_mm512_set1_ps(value))
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        Avx512Lanes(_mm512_loadu_ps(source))
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        _mm512_storeu_ps(target, self.0);
    }
    #[inline(always)]
    unsafe fn load_bf16(source: *const u16) -> Self {
        let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(source.cast()));
        Avx512Lanes(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide)))
    }
    #[inline(always)]
    unsafe fn load_f16(source: *const u16) -> Self {
        Avx512Lanes(_mm512_cvtph_ps(_mm256_loadu_si256(source.cast())))
    }
    #[inline(always)]
    unsafe fn load_i8(source: *const i8) -> Self {
        Avx512Lanes(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(source.cast()))))
    }
    #[inline(always)]
    unsafe fn load_u8(source: *const u8) -> Self {
        Avx512Lanes(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(source.cast()))))
    }
    #[inline(always)]
    unsafe fn load_e4m3(source: *const u8) -> Self {
        let codes = _mm_loadu_si128(source.cast());
        // Of a half the sign, the lower four bits of the exponent and the upper three of the fraction; its bias is 8 more.
        let halves = _mm256_slli_epi16::<7>(_mm256_cvtepi8_epi16(codes));
        let values = _mm512_cvtph_ps(_mm256_and_si256(halves, _mm256_set1_epi16(0xbfff_u16 as i16)));
        let is_number = _mm_cmpneq_epi8_mask(_mm_or_si128(codes, _mm_set1_epi8(i8::MIN)), _mm_set1_epi8(-1));
        let not_a_number = _mm512_set1_ps(f32::NAN);
        Avx512Lanes(_mm512_mask_mul_ps(not_a_number, is_number, values, _mm512_set1_ps(256.0)))
    }
    #[inline(always)]
    unsafe fn load_e5m2(source: *const u8) -> Self {
        let halves = _mm256_slli_epi16::<8>(_mm256_cvtepu8_epi16(_mm_loadu_si128(source.cast())));
        Avx512Lanes(_mm512_cvtph_ps(halves))
    }
    #[inline(always)]
    unsafe fn store_byte_columns(self, target: *mut u8) {
        let in_quarters = _mm512_set4_epi32(0x0f0b_0703, 0x0e0a_0602, 0x0d09_0501, 0x0c08_0400);
        let quarters = _mm512_shuffle_epi8(_mm512_castps_si512(self.0), in_quarters);
        let across = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        _mm512_storeu_si512(target.cast(), _mm512_permutexvar_epi32(across, quarters));
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Avx512Lanes(_mm512_add_ps(self.0, other.0))
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Avx512Lanes(_mm512_sub_ps(self.0, other.0))
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Avx512Lanes(_mm512_mul_ps(self.0, other.0))
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        Avx512Lanes(_mm512_div_ps(self.0, other.0))
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Avx512Lanes(_mm512_max_ps(self.0, other.0))
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Avx512Lanes(_mm512_min_ps(self.0, other.0))
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Avx512Lanes(_mm512_fmadd_ps(self.0, factor.0, addend.0))
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        Avx512Lanes(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0))
    }
    #[inline(always)]
    unsafe fn abs(self) -> Self {
        Avx512Lanes(_mm512_abs_ps(self.0))
    }
    #[inline(always)]
    unsafe fn with_sign_of(self, sign: Self) -> Self {
        let mask = _mm512_set1_ps(-0.0);
        Avx512Lanes(_mm512_or_ps(_mm512_andnot_ps(mask, self.0), _mm512_and_ps(mask, sign.0)))
    }
    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        let biased = _mm512_add_epi32(_mm512_cvtps_epi32(self.0), _mm512_set1_epi32(127));
        Avx512Lanes(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased)))
    }
    #[inline(always)]
    unsafe fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, limit.0);
        Avx512Lanes(_mm512_mask_blend_ps(below, otherwise.0, then.0))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let high = _mm512_extractf32x8_ps::<1>(self.0);
        super::avx2::sum_256(_mm256_add_ps(_mm512_castps512_ps256(self.0), high))
    }
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        let high = _mm512_extractf32x8_ps::<1>(self.0);
        super::avx2::largest_256(_mm256_max_ps(_mm512_castps512_ps256(self.0), high))
    }
    #[inline(always)]
    unsafe fn split_bf16_pairs(self) -> (Self, Self) {
        let pairs = _mm512_castps_si512(self.0);
        let low = _mm512_slli_epi32::<16>(pairs);
        let high = _mm512_and_si512(pairs, _mm512_set1_epi32(0xffff_0000_u32 as i32));
        (Avx512Lanes(_mm512_castsi512_ps(low)), Avx512Lanes(_mm512_castsi512_ps(high)))
    }
    #[inline(always)]
    unsafe fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        // Two rounds inside the 128-bit quarters of groups of four rows, then two rounds that move whole quarters.
        let mut quarters = [_mm512_setzero_ps(); LANES];
        for group in 0..4 {
            let first = group * 4;
            let (a, b, c, d) = (rows[first].0, rows[first + 1].0, rows[first + 2].0, rows[first + 3].0);
            let (ab_low, ab_high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let (cd_low, cd_high) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
            quarters[group * 4] = _mm512_shuffle_ps::<0b01_00_01_00>(ab_low, cd_low);
            quarters[group * 4 + 1] = _mm512_shuffle_ps::<0b11_10_11_10>(ab_low, cd_low);
            quarters[group * 4 + 2] = _mm512_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high);
            quarters[group * 4 + 3] = _mm512_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high);
        }
        let mut columns = [Avx512Lanes(_mm512_setzero_ps()); LANES];
        for column in 0..4 {
            let (a, b) = (quarters[column], quarters[column + 4]);
            let (c, d) = (quarters[column + 8], quarters[column + 12]);
            let (ab_even, ab_odd) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
            let (cd_even, cd_odd) = (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
            columns[column] = Avx512Lanes(_mm512_shuffle_f32x4::<0x88>(ab_even, cd_even));
            columns[column + 4] = Avx512Lanes(_mm512_shuffle_f32x4::<0x88>(ab_odd, cd_odd));
            columns[column + 8] = Avx512Lanes(_mm512_shuffle_f32x4::<0xdd>(ab_even, cd_even));
            columns[column + 12] = Avx512Lanes(_mm512_shuffle_f32x4::<0xdd>(ab_odd, cd_odd));
        }
        columns
    }
    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize, rest: f32) -> Self {
        Avx512Lanes(_mm512_mask_loadu_ps(_mm512_set1_ps(rest), first_lanes(count), source))
    }
    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize) {
        _mm512_mask_storeu_ps(target, first_lanes(count), self.0);
    }
    #[inline(always)]
    unsafe fn load_first_bf16(source: *const u16, count: usize) -> Self {
        let narrow = _mm256_maskz_loadu_epi16(first_lanes(count), source.cast());
        Avx512Lanes(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(narrow))))
    }
}

/// The mask of lanes `0..count`; `count` is at most 16.
#[inline(always)]
fn first_lanes(count: usize) -> __mmask16 {
    ((1_u32 << count) - 1) as __mmask16
}
