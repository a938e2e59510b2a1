//! Sixteen f32 lanes under one name, so that a kernel is written once and built for every instruction set.
//! Sixteen is one AVX-512 register and the width of a weight panel; narrower sets use several registers.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod scalar;
#[cfg(target_arch = "wasm32")]
pub(crate) mod simd128;

use crate::{
    Isa,
    float8::{e4m3_to_f32, e5m2_to_f32},
};

/// Lanes of one vector.
pub(crate) const LANES: usize = 16;

/// Where [`Lanes::e4m3_to_bf16`] has the first eight elements, the second and so on: as AVX2 takes them apart at no cost.
#[cfg(target_arch = "x86_64")]
pub(crate) const BF16_PLACES: [usize; 4] = [0, 16, 8, 24];

/// Sixteen f32 values in registers.
///
/// # Safety
/// Every function needs the instruction set of the implementing type, and pointers that are good for the lanes that it
/// names, of any alignment. Bodies are inlined into a function that has the instruction set as a target feature.
pub(crate) trait Lanes: Copy {
    /// The instruction set, of several the least.
    const ISA: Isa;
    /// Whether lanes lie in few enough registers that several chains of additions side by side are worth their code.
    const IN_REGISTERS: bool = true;
    /// Whether what takes a count of lanes asks for it register by register, so that one which the compiler knows is worth its code.
    const BRANCHES_ON_COUNTS: bool = false;
    /// How many of them a kernel keeps as sums side by side at most, and of how many rows.
    const SUMS: usize = 12;
    const SUM_ROWS: usize = 3;
    /// All lanes equal.
    unsafe fn splat(value: f32) -> Self;
    /// Sixteen consecutive f32.
    unsafe fn load(source: *const f32) -> Self;
    /// Stores sixteen consecutive f32.
    unsafe fn store(self, target: *mut f32);
    /// Sixteen consecutive bf16, widened.
    unsafe fn load_bf16(source: *const u16) -> Self;
    /// Thirty-two consecutive bf16, widened: the even ones and the odd ones.
    #[inline(always)]
    unsafe fn load_bf16_pairs(source: *const u16) -> (Self, Self) {
        Self::load(source.cast()).split_bf16_pairs()
    }
    /// Sixteen consecutive halves (binary16), widened. Exact.
    #[inline(always)]
    unsafe fn load_f16(source: *const u16) -> Self {
        let values = source.cast::<[u16; LANES]>().read_unaligned().map(widen_f16);
        Self::load(values.as_ptr())
    }
    /// Sixteen consecutive signed bytes.
    #[inline(always)]
    unsafe fn load_i8(source: *const i8) -> Self {
        let values = source.cast::<[i8; LANES]>().read_unaligned().map(f32::from);
        Self::load(values.as_ptr())
    }
    /// Sixteen consecutive unsigned bytes.
    #[inline(always)]
    unsafe fn load_u8(source: *const u8) -> Self {
        let values = source.cast::<[u8; LANES]>().read_unaligned().map(f32::from);
        Self::load(values.as_ptr())
    }
    /// Sixteen consecutive e4m3.
    #[inline(always)]
    unsafe fn load_e4m3(source: *const u8) -> Self {
        let values = source.cast::<[u8; LANES]>().read_unaligned().map(e4m3_to_f32);
        Self::load(values.as_ptr())
    }
    /// Sixteen consecutive e5m2.
    #[inline(always)]
    unsafe fn load_e5m2(source: *const u8) -> Self {
        let values = source.cast::<[u8; LANES]>().read_unaligned().map(e5m2_to_f32);
        Self::load(values.as_ptr())
    }
    /// Takes lanes as rows of four bytes and stores their columns: the first byte of every lane, then the second ones and so on.
    #[inline(always)]
    unsafe fn store_byte_columns(self, target: *mut u8) {
        let mut rows = [[0_u8; 4]; LANES];
        self.store(rows.as_mut_ptr().cast());
        let columns: [[u8; LANES]; 4] = std::array::from_fn(|column| rows.map(|row| row[column]));
        target.cast::<[[u8; LANES]; 4]>().write_unaligned(columns);
    }
    /// Stores sixteen bytes at each of sixteen places as columns, two of them together: the first halves of both, then the second ones.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn store_byte_column_pairs(rows: &[*const u8; LANES], target: *mut u8) {
        for (index, row) in rows.iter().enumerate() {
            for byte in 0..LANES {
                let half = byte / 2 * 4 + index / 8 * 2 + byte % 2;
                *target.add(half * 8 + index % 8) = *row.add(byte);
            }
        }
    }
    /// Two such columns of signed bytes.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load_i8_column_pair(source: *const u8) -> (Self, Self) {
        let columns = two_columns(source);
        (Self::load_i8(columns[0].as_ptr().cast()), Self::load_i8(columns[1].as_ptr().cast()))
    }
    /// Two such columns of e5m2.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load_e5m2_column_pair(source: *const u8) -> (Self, Self) {
        let columns = two_columns(source);
        (Self::load_e5m2(columns[0].as_ptr()), Self::load_e5m2(columns[1].as_ptr()))
    }
    /// Stores thirty-two consecutive e4m3 as bf16, eight of them at each of [`BF16_PLACES`]. Exact.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn e4m3_to_bf16(source: *const u8, target: *mut u16) {
        for index in 0..2 * LANES {
            let bits = e4m3_to_f32(*source.add(index)).to_bits();
            *target.add(BF16_PLACES[index / 8] + index % 8) = (bits >> 16) as u16;
        }
    }
    /// Eight consecutive bf16, widened, and eight others.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load_bf16_halves(first: *const u16, last: *const u16) -> Self {
        let mut lanes = [0_u16; LANES];
        std::ptr::copy_nonoverlapping(first, lanes.as_mut_ptr(), 8);
        std::ptr::copy_nonoverlapping(last, lanes.as_mut_ptr().add(8), 8);
        Self::load_bf16(lanes.as_ptr())
    }
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    /// The greater; `other` where either is NaN.
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller; `other` where either is NaN.
    unsafe fn min(self, other: Self) -> Self;
    /// `self * factor + addend`, with one rounding on every set but the scalar one and, without relaxed SIMD, WebAssembly's.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The same of the first `count` lanes; the others are anything.
    #[inline(always)]
    unsafe fn mul_add_first(self, factor: Self, addend: Self, _count: usize) -> Self {
        self.mul_add(factor, addend)
    }
    /// The same with one rounding on every set of a native CPU, the scalar one too.
    #[inline(always)]
    unsafe fn fused_mul_add(self, factor: Self, addend: Self) -> Self {
        self.mul_add(factor, addend)
    }
    /// To the nearest integer, ties to even.
    unsafe fn round(self) -> Self;
    unsafe fn abs(self) -> Self;
    /// The magnitude of self with the sign of `sign`.
    unsafe fn with_sign_of(self, sign: Self) -> Self;
    /// 2 to the power of self, for integral lanes from -126 to 127.
    unsafe fn power_of_two(self) -> Self;
    /// Lane by lane `then` where self < limit, else `otherwise` (so also for NaN).
    unsafe fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self;
    /// The sum of all lanes, by halves: lanes 0..8 plus 8..16, then 0..4 plus 4..8, and so on.
    unsafe fn sum(self) -> f32;
    /// The greatest lane.
    unsafe fn largest(self) -> f32;
    /// Every lane's bits as a pair of bf16, widened: the low halves and the high halves.
    unsafe fn split_bf16_pairs(self) -> (Self, Self);
    /// Turns rows into columns; moves bits and never computes with them.
    unsafe fn transpose(rows: [Self; LANES]) -> [Self; LANES];

    /// Stores the first `count` of sixteen f32 at each of sixteen places as columns, `[count][16]`.
    #[inline(always)]
    unsafe fn store_columns_of(rows: &[*const u8; LANES], count: usize, target: *mut f32) {
        let mut lanes = [Self::splat(0.0); LANES];
        for (lanes, row) in lanes.iter_mut().zip(rows) {
            *lanes = if count == LANES { Self::load(row.cast()) } else { Self::load_first(row.cast(), count, 0.0) };
        }
        for (index, column) in Self::transpose(lanes).into_iter().take(count).enumerate() {
            column.store(target.add(index * LANES));
        }
    }

    /// The first `count` of sixteen f32; the other lanes are `rest` and not read.
    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize, rest: f32) -> Self {
        let mut lanes = [rest; LANES];
        std::ptr::copy_nonoverlapping(source, lanes.as_mut_ptr(), count);
        Self::load(lanes.as_ptr())
    }

    /// Stores the first `count` lanes only.
    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize) {
        let mut lanes = [0.0; LANES];
        self.store(lanes.as_mut_ptr());
        std::ptr::copy_nonoverlapping(lanes.as_ptr(), target, count);
    }

    /// The first `count` of sixteen bf16, widened; the other lanes are zero and not read.
    #[inline(always)]
    unsafe fn load_first_bf16(source: *const u16, count: usize) -> Self {
        let mut lanes = [0_u16; LANES];
        std::ptr::copy_nonoverlapping(source, lanes.as_mut_ptr(), count);
        Self::load_bf16(lanes.as_ptr())
    }
}

/// The columns of a pair that [`Lanes::store_byte_column_pairs`] stored.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn two_columns(source: *const u8) -> [[u8; LANES]; 2] {
    let [even, odd, even_end, odd_end] = source.cast::<[[u8; 8]; 4]>().read_unaligned();
    let mut columns = [[0; LANES]; 2];
    for (column, (start, end)) in columns.iter_mut().zip([(even, even_end), (odd, odd_end)]) {
        column[..8].copy_from_slice(&start);
        column[8..].copy_from_slice(&end);
    }
    columns
}

/// A half's value, by plain arithmetic that vectorises. Its exponent is 112 less than that of a f32 of the same bits.
#[inline(always)]
fn widen_f16(bits: u16) -> f32 {
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
    // What has the greatest exponent is infinite or not a number.
    let special = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(magnitude.to_bits() | special | (u32::from(bits & 0x8000) << 16))
}

#[cfg(test)]
mod tests {
    use half::f16;

    #[test]
    fn every_half_widens_to_its_value() {
        for bits in 0..=u16::MAX {
            let (expected, actual) = (f16::from_bits(bits).to_f32(), super::widen_f16(bits));
            assert!(actual == expected || actual.is_nan() && expected.is_nan(), "{bits:#x}: {actual}, not {expected}");
            assert_eq!(actual.is_sign_negative(), expected.is_sign_negative(), "{bits:#x}");
        }
    }
}
