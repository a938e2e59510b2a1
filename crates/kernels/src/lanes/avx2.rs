//! AVX2 lanes: two registers.

use std::arch::x86_64::*;

use super::{LANES, Lanes};

/// Sixteen f32 in two ymm registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx2Lanes(pub(crate) __m256, pub(crate) __m256);

/// The sum of eight lanes, by halves.
#[inline(always)]
pub(super) unsafe fn sum_256(lanes: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}

/// The greatest of eight lanes.
#[inline(always)]
pub(super) unsafe fn largest_256(lanes: __m256) -> f32 {
    let four = _mm_max_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
    let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
}

#[inline(always)]
unsafe fn widen(source: *const u16) -> __m256 {
    let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(source.cast()));
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
}

/// Eight e4m3 in the low half of `codes`, but for a factor of 256: what a half with their bits is.
#[inline(always)]
unsafe fn widen_e4m3(codes: __m128i) -> __m256 {
    let halves = _mm_and_si128(_mm_slli_epi16::<7>(_mm_cvtepi8_epi16(codes)), _mm_set1_epi16(0xbfff_u16 as i16));
    let magnitudes = _mm_or_si128(halves, _mm_set1_epi16(i16::MIN));
    let not_numbers = _mm_cmpeq_epi16(magnitudes, _mm_set1_epi16(0xbf80_u16 as i16));
    let special = _mm_and_si128(not_numbers, _mm_set1_epi16(0x7c00));
    _mm256_mul_ps(_mm256_cvtph_ps(_mm_or_si128(halves, special)), _mm256_set1_ps(256.0))
}

/// Eight e5m2 in the low half of `codes`.
#[inline(always)]
unsafe fn widen_e5m2(codes: __m128i) -> __m256 {
    _mm256_cvtph_ps(_mm_slli_epi16::<8>(_mm_cvtepu8_epi16(codes)))
}

/// The byte columns of eight lanes: eight bytes of each.
#[inline(always)]
unsafe fn byte_columns(lanes: __m256) -> __m256i {
    let in_halves = _mm256_setr_epi8(
        0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, //
        0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,
    );
    let halves = _mm256_shuffle_epi8(_mm256_castps_si256(lanes), in_halves);
    _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
}

#[inline(always)]
unsafe fn split_pairs(pairs: __m256) -> (__m256, __m256) {
    let pairs = _mm256_castps_si256(pairs);
    let low = _mm256_slli_epi32::<16>(pairs);
    let high = _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff_0000_u32 as i32));
    (_mm256_castsi256_ps(low), _mm256_castsi256_ps(high))
}

#[inline(always)]
unsafe fn power_of_two(exponent: __m256) -> __m256 {
    let biased = _mm256_add_epi32(_mm256_cvtps_epi32(exponent), _mm256_set1_epi32(127));
    _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
}

#[inline(always)]
unsafe fn with_sign_of(magnitude: __m256, sign: __m256) -> __m256 {
    let mask = _mm256_set1_ps(-0.0);
    _mm256_or_ps(_mm256_andnot_ps(mask, magnitude), _mm256_and_ps(mask, sign))
}

#[inline(always)]
unsafe fn select_below(value: __m256, limit: __m256, then: __m256, otherwise: __m256) -> __m256 {
    _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps::<_CMP_LT_OQ>(value, limit))
}

/// An 8 x 8 transposition.
#[inline(always)]
unsafe fn transpose_8(rows: [__m256; 8]) -> [__m256; 8] {
    let mut halves = [_mm256_setzero_ps(); 8];
    for group in 0..2 {
        let first = group * 4;
        let (a, b, c, d) = (rows[first], rows[first + 1], rows[first + 2], rows[first + 3]);
        let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
        halves[group * 4] = _mm256_shuffle_ps::<0b01_00_01_00>(ab_low, cd_low);
        halves[group * 4 + 1] = _mm256_shuffle_ps::<0b11_10_11_10>(ab_low, cd_low);
        halves[group * 4 + 2] = _mm256_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high);
        halves[group * 4 + 3] = _mm256_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high);
    }
    let mut columns = [_mm256_setzero_ps(); 8];
    for column in 0..4 {
        columns[column] = _mm256_permute2f128_ps::<0x20>(halves[column], halves[4 + column]);
        columns[column + 4] = _mm256_permute2f128_ps::<0x31>(halves[column], halves[4 + column]);
    }
    columns
}

impl Lanes for Avx2Lanes {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Avx2Lanes(_mm256_set1_ps(value), _mm256_set1_ps(value))
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        Avx2Lanes(_mm256_loadu_ps(source), _mm256_loadu_ps(source.add(8)))
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        _mm256_storeu_ps(target, self.0);
        _mm256_storeu_ps(target.add(8), self.1);
    }
    #[inline(always)]
    unsafe fn load_bf16(source: *const u16) -> Self {
        Avx2Lanes(widen(source), widen(source.add(8)))
    }
    #[inline(always)]
    unsafe fn load_f16(source: *const u16) -> Self {
        let (low, high) = (_mm_loadu_si128(source.cast()), _mm_loadu_si128(source.add(8).cast()));
        Avx2Lanes(_mm256_cvtph_ps(low), _mm256_cvtph_ps(high))
    }
    #[inline(always)]
    unsafe fn load_i8(source: *const i8) -> Self {
        let bytes = _mm_loadu_si128(source.cast());
        let (low, high) = (_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128::<8>(bytes)));
        Avx2Lanes(_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high))
    }
    #[inline(always)]
    unsafe fn load_u8(source: *const u8) -> Self {
        let bytes = _mm_loadu_si128(source.cast());
        let (low, high) = (_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128::<8>(bytes)));
        Avx2Lanes(_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high))
    }
    #[inline(always)]
    unsafe fn load_e4m3(source: *const u8) -> Self {
        let codes = _mm_loadu_si128(source.cast());
        Avx2Lanes(widen_e4m3(codes), widen_e4m3(_mm_srli_si128::<8>(codes)))
    }
    #[inline(always)]
    unsafe fn load_e5m2(source: *const u8) -> Self {
        let codes = _mm_loadu_si128(source.cast());
        Avx2Lanes(widen_e5m2(codes), widen_e5m2(_mm_srli_si128::<8>(codes)))
    }
    #[inline(always)]
    unsafe fn store_byte_columns(self, target: *mut u8) {
        let (first, last) = (byte_columns(self.0), byte_columns(self.1));
        // Eight bytes of columns 0 and 2 and of 1 and 3, of the first lanes and the last.
        let (even, odd) = (_mm256_unpacklo_epi64(first, last), _mm256_unpackhi_epi64(first, last));
        _mm256_storeu_si256(target.cast(), _mm256_permute2x128_si256::<0x20>(even, odd));
        _mm256_storeu_si256(target.add(32).cast(), _mm256_permute2x128_si256::<0x31>(even, odd));
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Avx2Lanes(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1))
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Avx2Lanes(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1))
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Avx2Lanes(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1))
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        Avx2Lanes(_mm256_div_ps(self.0, other.0), _mm256_div_ps(self.1, other.1))
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Avx2Lanes(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1))
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Avx2Lanes(_mm256_min_ps(self.0, other.0), _mm256_min_ps(self.1, other.1))
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Avx2Lanes(_mm256_fmadd_ps(self.0, factor.0, addend.0), _mm256_fmadd_ps(self.1, factor.1, addend.1))
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        Avx2Lanes(_mm256_round_ps::<NEAREST>(self.0), _mm256_round_ps::<NEAREST>(self.1))
    }
    #[inline(always)]
    unsafe fn abs(self) -> Self {
        let sign = _mm256_set1_ps(-0.0);
        Avx2Lanes(_mm256_andnot_ps(sign, self.0), _mm256_andnot_ps(sign, self.1))
    }
    #[inline(always)]
    unsafe fn with_sign_of(self, sign: Self) -> Self {
        Avx2Lanes(with_sign_of(self.0, sign.0), with_sign_of(self.1, sign.1))
    }
    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        Avx2Lanes(power_of_two(self.0), power_of_two(self.1))
    }
    #[inline(always)]
    unsafe fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        Avx2Lanes(
            select_below(self.0, limit.0, then.0, otherwise.0),
            select_below(self.1, limit.1, then.1, otherwise.1),
        )
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        sum_256(_mm256_add_ps(self.0, self.1))
    }
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        largest_256(_mm256_max_ps(self.0, self.1))
    }
    #[inline(always)]
    unsafe fn split_bf16_pairs(self) -> (Self, Self) {
        let ((low_0, high_0), (low_1, high_1)) = (split_pairs(self.0), split_pairs(self.1));
        (Avx2Lanes(low_0, low_1), Avx2Lanes(high_0, high_1))
    }
    #[inline(always)]
    unsafe fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = rows;
        let top_left = transpose_8([a.0, b.0, c.0, d.0, e.0, f.0, g.0, h.0]);
        let top_right = transpose_8([a.1, b.1, c.1, d.1, e.1, f.1, g.1, h.1]);
        let bottom_left = transpose_8([i.0, j.0, k.0, l.0, m.0, n.0, o.0, p.0]);
        let bottom_right = transpose_8([i.1, j.1, k.1, l.1, m.1, n.1, o.1, p.1]);
        let mut columns = [Avx2Lanes(_mm256_setzero_ps(), _mm256_setzero_ps()); LANES];
        for column in 0..8 {
            columns[column] = Avx2Lanes(top_left[column], bottom_left[column]);
            columns[column + 8] = Avx2Lanes(top_right[column], bottom_right[column]);
        }
        columns
    }
}
