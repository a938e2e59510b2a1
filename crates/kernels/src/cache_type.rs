//! What keys and values are stored as in a cache: how wide they are, how they are rounded on the way in and what they stand for.

use std::fmt;

use half::bf16;

use crate::{
    ElementType,
    float8::{e4m3_from_f32, e4m3_to_f32, e5m2_from_f32, e5m2_to_f32},
    lanes::Lanes,
    narrow::narrow_one,
    per_isa::per_isa,
};

/// The type of a cache's keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheType {
    /// IEEE binary32.
    F32,
    /// The upper half of a binary32.
    Bf16,
    /// Eight bits, four of them exponent; at most 448 either way, and what is larger becomes that.
    Fp8E4m3,
    /// Eight bits, five of them exponent; at most 57344 either way, and what is larger becomes that.
    Fp8E5m2,
    /// Whole numbers from -127 to 127 with a scale for each key and for each value of a head: a f32 after the numbers, so
    /// that a slot is one piece of memory and whatever moves blocks moves scales too.
    Int8,
}

/// Bytes of a slot's scale.
const SCALE_BYTES: usize = size_of::<f32>();

/// The largest whole number of a slot with a scale.
const LARGEST: f32 = 127.0;

pub(crate) type StoreFn = unsafe fn(&[f32], &mut [u8]);

impl CacheType {
    /// Every type.
    pub const ALL: [CacheType; 5] =
        [CacheType::F32, CacheType::Bf16, CacheType::Fp8E4m3, CacheType::Fp8E5m2, CacheType::Int8];

    /// Bytes of one element.
    pub const fn size_bytes(self) -> usize {
        match self {
            CacheType::F32 => 4,
            CacheType::Bf16 => 2,
            CacheType::Fp8E4m3 | CacheType::Fp8E5m2 | CacheType::Int8 => 1,
        }
    }

    /// Elements that the key, or the value, of a head of `head_dim` takes: with what it needs beside its numbers.
    pub const fn slot_elements(self, head_dim: usize) -> usize {
        if self.has_scales() { head_dim.saturating_add(SCALE_BYTES) } else { head_dim }
    }

    /// Whether every slot has a scale.
    pub(crate) const fn has_scales(self) -> bool {
        matches!(self, CacheType::Int8)
    }

    /// The name in options: `float32`, `bfloat16`, `fp8_e4m3`, `fp8_e5m2`, `int8`.
    pub const fn name(self) -> &'static str {
        match self {
            CacheType::F32 => "float32",
            CacheType::Bf16 => "bfloat16",
            CacheType::Fp8E4m3 => "fp8_e4m3",
            CacheType::Fp8E5m2 => "fp8_e5m2",
            CacheType::Int8 => "int8",
        }
    }

    /// Rounds a head's numbers into its slot of [`slot_elements`](CacheType::slot_elements) elements.
    ///
    /// Panics when the lengths disagree.
    pub fn store(self, source: &[f32], slot: &mut [u8]) {
        self.check_slot(source.len(), slot.len());
        // SAFETY: the scalar build needs no instruction set, and the lengths agree.
        unsafe { self.store_fn(crate::Isa::Scalar)(source, slot) };
    }

    /// The numbers that a slot stands for.
    ///
    /// Panics when the lengths disagree.
    pub fn load(self, slot: &[u8], target: &mut [f32]) {
        self.check_slot(target.len(), slot.len());
        match self {
            CacheType::F32 => ElementType::F32.widen(slot, target),
            CacheType::Bf16 => {
                for (value, bytes) in target.iter_mut().zip(slot.as_chunks().0) {
                    *value = bf16::from_le_bytes(*bytes).to_f32();
                }
            }
            CacheType::Fp8E4m3 => target.iter_mut().zip(slot).for_each(|(value, &code)| *value = e4m3_to_f32(code)),
            CacheType::Fp8E5m2 => target.iter_mut().zip(slot).for_each(|(value, &code)| *value = e5m2_to_f32(code)),
            CacheType::Int8 => {
                let (numbers, scale) = slot.split_at(target.len());
                let scale = scale.first_chunk().map_or(0.0, |bytes| f32::from_le_bytes(*bytes));
                for (value, &number) in target.iter_mut().zip(numbers) {
                    *value = f32::from(number as i8) * scale;
                }
            }
        }
    }

    fn check_slot(self, head_dim: usize, slot_bytes: usize) {
        let expected = self.slot_elements(head_dim) * self.size_bytes();
        assert_eq!(slot_bytes, expected, "a slot of {self} for {head_dim} numbers; this is a bug");
    }

    /// [`CacheType::store`] for an instruction set. All of them give the same bits.
    pub(crate) fn store_fn(self, isa: crate::Isa) -> StoreFn {
        match self {
            CacheType::F32 => store_f32(isa),
            CacheType::Bf16 => store_bf16(isa),
            CacheType::Fp8E4m3 => store_e4m3(isa),
            CacheType::Fp8E5m2 => store_e5m2(isa),
            CacheType::Int8 => store_int8(isa),
        }
    }
}

impl From<ElementType> for CacheType {
    /// Of keys and values that are computed as `element`; a f32 holds every float16.
    fn from(element: ElementType) -> CacheType {
        match element {
            ElementType::F32 | ElementType::F16 => CacheType::F32,
            ElementType::Bf16 => CacheType::Bf16,
        }
    }
}

impl fmt::Display for CacheType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

per_isa!(store_f32 = store_f32_any[](source: &[f32], slot: &mut [u8]));
per_isa!(store_bf16 = store_bf16_any[](source: &[f32], slot: &mut [u8]));
per_isa!(store_e4m3 = store_e4m3_any[](source: &[f32], slot: &mut [u8]));
per_isa!(store_e5m2 = store_e5m2_any[](source: &[f32], slot: &mut [u8]));
per_isa!(store_int8 = store_int8_any[](source: &[f32], slot: &mut [u8]));

#[inline(always)]
unsafe fn store_f32_any<L: Lanes>(source: &[f32], slot: &mut [u8]) {
    for (value, bytes) in source.iter().zip(slot.as_chunks_mut().0) {
        *bytes = value.to_le_bytes();
    }
}

#[inline(always)]
unsafe fn store_bf16_any<L: Lanes>(source: &[f32], slot: &mut [u8]) {
    for (value, bytes) in source.iter().zip(slot.as_chunks_mut().0) {
        *bytes = narrow_one(*value).to_le_bytes();
    }
}

#[inline(always)]
unsafe fn store_e4m3_any<L: Lanes>(source: &[f32], slot: &mut [u8]) {
    for (value, code) in source.iter().zip(slot) {
        *code = e4m3_from_f32(*value);
    }
}

#[inline(always)]
unsafe fn store_e5m2_any<L: Lanes>(source: &[f32], slot: &mut [u8]) {
    for (value, code) in source.iter().zip(slot) {
        *code = e5m2_from_f32(*value);
    }
}

/// The largest magnitude becomes 127. One that is infinite or NaN makes the scale so, and with it all that the slot stands for.
#[inline(always)]
unsafe fn store_int8_any<L: Lanes>(source: &[f32], slot: &mut [u8]) {
    let (numbers, scale_bytes) = slot.split_at_mut(source.len());
    // Magnitudes are ordered as their bits are, NaN last.
    let largest = source.iter().fold(0, |largest, value| largest.max(value.to_bits() & 0x7fff_ffff));
    let scale = f32::from_bits(largest) / LARGEST;
    for (value, number) in source.iter().zip(numbers) {
        // A scale that is subnormal may be too small for 127 to be enough.
        *number = (value / scale).round_ties_even().clamp(-LARGEST, LARGEST) as i8 as u8;
    }
    scale_bytes.copy_from_slice(&scale.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Isa, testing::numbers};

    #[test]
    fn every_instruction_set_stores_the_same_bits() {
        for len in [0, 1, 3, 16, 17, 64, 80, 128, 333] {
            let mut rows = vec![numbers(len, 1), numbers(len, 2), vec![0.0; len], vec![-0.0; len], vec![1e-44; len]];
            rows.push(numbers(len, 3).into_iter().map(|value| value * 1e-42).collect());
            rows.push(numbers(len, 4).into_iter().map(|value| value * 1e38).collect());
            rows.push(numbers(len, 5).into_iter().map(|value| value * 0.01).collect());
            for special in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN_POSITIVE] {
                let mut row = numbers(len, 6);
                row.iter_mut().step_by(5).for_each(|value| *value = special);
                rows.push(row);
            }
            for (row, kind) in rows.iter().flat_map(|row| CacheType::ALL.map(|kind| (row, kind))) {
                let slot_bytes = kind.slot_elements(len) * kind.size_bytes();
                let mut expected = vec![0xaa; slot_bytes];
                kind.store(row, &mut expected);
                for isa in Isa::available() {
                    let mut found = vec![0x55; slot_bytes];
                    // SAFETY: the instruction set is available and the lengths agree.
                    unsafe { kind.store_fn(isa)(row, &mut found) };
                    assert_eq!(found, expected, "{isa} {kind} {row:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_stored_is_near_and_what_is_not_finite_stays_so() {
        let row = numbers(96, 9);
        let largest = row.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        for (kind, error) in [
            (CacheType::F32, [0.0, 0.0]),
            (CacheType::Bf16, [1.0 / 256.0, 0.0]),
            (CacheType::Fp8E4m3, [1.0 / 16.0, 1.0 / 1024.0]),
            (CacheType::Fp8E5m2, [1.0 / 8.0, 1.0 / 65536.0]),
            (CacheType::Int8, [0.0, largest / 253.9]),
        ] {
            let mut slot = vec![0; kind.slot_elements(row.len()) * kind.size_bytes()];
            let mut loaded = vec![0.0; row.len()];
            kind.store(&row, &mut slot);
            kind.load(&slot, &mut loaded);
            for (value, loaded) in row.iter().zip(&loaded) {
                let allowed = value.abs() * error[0] + error[1];
                assert!((value - loaded).abs() <= allowed, "{kind}: {value} became {loaded}");
            }
            let mut broken = row.clone();
            broken[7] = f32::NAN;
            kind.store(&broken, &mut slot);
            kind.load(&slot, &mut loaded);
            assert!(loaded[7].is_nan(), "{kind}");
            kind.store(&vec![0.0; row.len()], &mut slot);
            kind.load(&slot, &mut loaded);
            assert_eq!(loaded, vec![0.0; row.len()], "{kind}");
        }
    }
}
