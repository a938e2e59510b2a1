//! AVX2 lanes: two registers.

use std::arch::x86_64::*;

use super::{LANES, Lanes};
use crate::{Isa, float8::e4m3_to_f32};

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

/// Sixteen e4m3 in either half of `codes`, as bf16: the low bytes and the high bytes.
#[inline(always)]
unsafe fn e4m3_as_bf16_bytes(codes: __m256i) -> (__m256i, __m256i) {
    // By sign and the upper three bits of the exponent: the high byte of a number that is normal.
    const NORMAL_HIGH: [u8; 16] = {
        let mut bytes = [0; 16];
        let mut index = 0;
        while index < 16 {
            bytes[index] = bf16_bits((index as u8) << 4 | 8)[1];
            index += 1;
        }
        bytes
    };
    // By code: what the sixteen smallest have otherwise than that.
    const SMALL: [[u8; 16]; 2] = {
        let mut bytes = [[0; 16]; 2];
        let mut code = 0;
        while code < 16 {
            let [low, high] = bf16_bits(code);
            bytes[0][code as usize] = low ^ (code << 4);
            bytes[1][code as usize] = high ^ NORMAL_HIGH[0];
            code += 1;
        }
        bytes
    };
    let low_bits = _mm256_set1_epi8(0x0f);
    let magnitudes = _mm256_and_si256(codes, _mm256_set1_epi8(0x7f));
    // The table of the small answers 0 where bit 7 is set.
    let small = _mm256_adds_epu8(magnitudes, _mm256_set1_epi8(0x70));
    let not_numbers = _mm256_cmpeq_epi8(magnitudes, _mm256_set1_epi8(0x7f));
    let low = _mm256_andnot_si256(low_bits, _mm256_slli_epi16::<4>(codes));
    let high = _mm256_shuffle_epi8(table(&NORMAL_HIGH), _mm256_and_si256(_mm256_srli_epi16::<4>(codes), low_bits));
    let low = _mm256_xor_si256(low, _mm256_shuffle_epi8(table(&SMALL[0]), small));
    let high = _mm256_xor_si256(high, _mm256_shuffle_epi8(table(&SMALL[1]), small));
    (low, _mm256_or_si256(high, not_numbers))
}

/// Sixteen e5m2: the high bytes of halves.
#[inline(always)]
unsafe fn widen_e5m2(source: *const u8) -> Avx2Lanes {
    let (codes, zero) = (_mm_loadu_si128(source.cast()), _mm_setzero_si128());
    let (low, high) = (_mm_unpacklo_epi8(zero, codes), _mm_unpackhi_epi8(zero, codes));
    Avx2Lanes(_mm256_cvtph_ps(low), _mm256_cvtph_ps(high))
}

/// Sixteen bytes each of two rows. Blending what is broadcast leaves the units that shuffle to others.
#[inline(always)]
unsafe fn two_rows(low: *const u8, high: *const u8) -> __m256i {
    let low = _mm256_castsi128_si256(_mm_loadu_si128(low.cast()));
    _mm256_blend_epi32::<0xf0>(low, _mm256_broadcastsi128_si256(_mm_loadu_si128(high.cast())))
}

/// The bf16 that an e4m3 is, low byte first.
const fn bf16_bits(code: u8) -> [u8; 2] {
    let [_, _, low, high] = e4m3_to_f32(code).to_bits().to_le_bytes();
    [low, high]
}

/// A table of sixteen bytes in either half.
#[inline(always)]
unsafe fn table(bytes: &[u8; 16]) -> __m256i {
    _mm256_broadcastsi128_si256(_mm_loadu_si128(bytes.as_ptr().cast()))
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
    const ISA: Isa = Isa::Avx2;
    // Twelve registers of sixteen; the others hold what is added to them.
    const SUMS: usize = 6;
    const SUM_ROWS: usize = 6;
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
        let eight = |first: usize| _mm256_cvtepi8_epi32(_mm_loadl_epi64(source.add(first).cast()));
        let (low, high) = (eight(0), eight(8));
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
        widen_e5m2(source)
    }
    #[inline(always)]
    unsafe fn load_bf16_halves(first: *const u16, last: *const u16) -> Self {
        Avx2Lanes(widen(first), widen(last))
    }
    #[inline(always)]
    unsafe fn e4m3_to_bf16(source: *const u8, target: *mut u16) {
        let (low, high) = e4m3_as_bf16_bytes(_mm256_loadu_si256(source.cast()));
        let (starts, ends) = (_mm256_unpacklo_epi8(low, high), _mm256_unpackhi_epi8(low, high));
        _mm256_storeu_si256(target.cast(), starts);
        _mm256_storeu_si256(target.add(16).cast(), ends);
    }
    #[inline(always)]
    unsafe fn store_byte_column_pairs(rows: &[*const u8; LANES], target: *mut u8) {
        let mut halves: [__m256i; 8] = std::array::from_fn(|row| two_rows(rows[row], rows[row + 8]));
        // Three times bytes of one half of the rows and the other are interleaved: a byte's place moves from the number of its row to
        // the place in a row, bit by bit. What is left is eight rows of two columns in either half.
        for _ in 0..3 {
            halves = std::array::from_fn(|row| {
                let (first, second) = (halves[row / 2], halves[row / 2 + 4]);
                if row % 2 == 0 { _mm256_unpacklo_epi8(first, second) } else { _mm256_unpackhi_epi8(first, second) }
            });
        }
        for (pair, columns) in halves.into_iter().enumerate() {
            _mm256_storeu_si256(target.add(2 * pair * LANES).cast(), columns);
        }
    }
    #[inline(always)]
    unsafe fn load_i8_column_pair(source: *const u8) -> (Self, Self) {
        let eight = |half: usize| _mm256_cvtepi8_epi32(_mm_loadl_epi64(source.add(half * 8).cast()));
        let column = |first, second| Avx2Lanes(_mm256_cvtepi32_ps(first), _mm256_cvtepi32_ps(second));
        (column(eight(0), eight(2)), column(eight(1), eight(3)))
    }
    #[inline(always)]
    unsafe fn load_e5m2_column_pair(source: *const u8) -> (Self, Self) {
        let (starts, ends) = (widen_e5m2(source), widen_e5m2(source.add(LANES)));
        (Avx2Lanes(starts.0, ends.0), Avx2Lanes(starts.1, ends.1))
    }
    #[inline(always)]
    unsafe fn store_columns_of(rows: &[*const u8; LANES], count: usize, target: *mut f32) {
        let full = count / 4 * 4;
        for first in (0..full).step_by(4) {
            for half in [0, 8] {
                // Rows 0..4 in the low halves, 4..8 in the high ones.
                let [a, b, c, d] = std::array::from_fn(|row| {
                    let from = |row: usize| rows[half + row].add(first * 4);
                    _mm256_castsi256_ps(two_rows(from(row), from(row + 4)))
                });
                let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                let columns = [
                    _mm256_shuffle_ps::<0b01_00_01_00>(ab_low, cd_low),
                    _mm256_shuffle_ps::<0b11_10_11_10>(ab_low, cd_low),
                    _mm256_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high),
                    _mm256_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high),
                ];
                for (column, values) in columns.into_iter().enumerate() {
                    _mm256_storeu_ps(target.add((first + column) * LANES + half), values);
                }
            }
        }
        for index in full..count {
            for (row, source) in rows.iter().enumerate() {
                *target.add(index * LANES + row) = source.cast::<f32>().add(index).read_unaligned();
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::scalar::ScalarLanes;

    /// Sixteen bytes of each kind, then two columns of each kind that has them, from the same 32 bytes.
    #[inline(always)]
    unsafe fn widened<L: Lanes>(bytes: *const u8) -> [[f32; LANES]; 8] {
        let (columns, e5m2) = (L::load_i8_column_pair(bytes), L::load_e5m2_column_pair(bytes));
        let halves = L::load_bf16_halves(bytes.cast(), bytes.add(LANES).cast());
        let plain = [L::load_i8(bytes.cast()), L::load_e4m3(bytes), L::load_e5m2(bytes), halves];
        let mut values = [[0.0; LANES]; 8];
        for (lanes, values) in plain.into_iter().chain([columns.0, columns.1, e5m2.0, e5m2.1]).zip(&mut values) {
            lanes.store(values.as_mut_ptr());
        }
        values
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn widened_avx2(bytes: *const u8) -> [[f32; LANES]; 8] {
        widened::<Avx2Lanes>(bytes)
    }

    /// Columns of bytes, then of one to four words, of sixteen rows of sixteen bytes.
    #[inline(always)]
    unsafe fn columns<L: Lanes>(rows: &[*const u8; LANES]) -> ([u8; 256], Vec<u32>) {
        let (mut bytes, mut words) = ([0; 256], vec![0_u32; 4 * 4 * LANES]);
        L::store_byte_column_pairs(rows, bytes.as_mut_ptr());
        for count in 1..=4 {
            L::store_columns_of(rows, count, words[(count - 1) * 4 * LANES..].as_mut_ptr().cast());
        }
        (bytes, words)
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn columns_avx2(rows: &[*const u8; LANES]) -> ([u8; 256], Vec<u32>) {
        columns::<Avx2Lanes>(rows)
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that lacks something says so")]
    fn bytes_are_widened_and_turned_as_by_the_scalar_twin() {
        if !Isa::Avx2.is_available() {
            eprintln!("SKIPPED AVX2 lanes: this processor lacks them");
            return;
        }
        let bytes: Vec<u8> = (0..=255).collect();
        for bytes in bytes.as_chunks::<32>().0 {
            // SAFETY: the instruction set is there, and so are 32 bytes.
            let (actual, twin) = unsafe { (widened_avx2(bytes.as_ptr()), widened::<ScalarLanes>(bytes.as_ptr())) };
            for (actual, twin) in actual.as_flattened().iter().zip(twin.as_flattened()) {
                assert!(actual.to_bits() == twin.to_bits() || actual.is_nan() && twin.is_nan(), "{actual}, not {twin}");
            }
        }
        let rows = std::array::from_fn(|row| bytes[row * LANES..].as_ptr());
        // SAFETY: the instruction set is there, and so are sixteen bytes of each row.
        let (actual, twin) = unsafe { (columns_avx2(&rows), columns::<ScalarLanes>(&rows)) };
        assert_eq!(actual, twin);
    }
}
