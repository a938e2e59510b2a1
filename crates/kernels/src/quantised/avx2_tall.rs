//! More than one row times blocks of few bits, by AVX2 alone, which multiplies bytes to sums of 16 bits: products of several groups
//! are added up there before they are widened. Of a stretch of a panel levels become bytes and scales floats, once for all rows;
//! sums of floats wait in memory between blocks. None of it changes any sum, since those of whole numbers are exact.

use std::{
    arch::x86_64::*,
    sync::atomic::{Ordering, compiler_fence},
};

use super::{
    BLOCK_INPUTS,
    form::LevelCode,
    levels::{FewBits, Levels},
    rows::ActivationBlock,
    scales::Scales,
    tall::TallTile,
};
use crate::lanes::LANES;

/// Registers of a panel's sums.
pub(crate) const REGISTERS: usize = LANES / 8;

/// Groups of four inputs in a block.
pub(crate) const GROUPS: usize = BLOCK_INPUTS / 4;

/// What makes a kernel of forms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Groups whose products are added up in 16 bits.
    pub(crate) together: usize,
    /// The level that stands for zero.
    pub(crate) zero: i32,
    /// Parts of a block with scales of their own.
    pub(crate) parts: usize,
    /// Whether there are mins.
    pub(crate) has_min: bool,
}

impl Kind {
    /// That of a form of such levels.
    pub(crate) const fn of<C: Scales>(FewBits { most, zero, .. }: FewBits) -> Kind {
        let (parts, has_min) = (C::PARTS, C::HAS_MIN);
        let mut together = GROUPS / parts;
        while together as i32 * 2 * most * 127 > i16::MAX as i32 {
            together /= 2;
        }
        Kind { together, zero, parts, has_min }
    }

    /// Rows whose sums are in registers: twelve of sixteen, or eight where more levels are.
    pub(crate) const fn rows(self) -> usize {
        if self.together == 2 { 4 } else { 6 }
    }

    /// Steps of one loop.
    pub(crate) const fn num_steps(self) -> usize {
        if self.together == 2 { GROUPS / self.parts } else { self.together }
    }
}

/// Makes bytes of the levels of so many blocks.
///
/// # Safety
/// The CPU has AVX2; the blocks are there, and there is room for their bytes.
#[inline(always)]
pub(crate) unsafe fn lift<V: Levels>(stored: *const u8, num_blocks: usize, target: *mut u8) {
    let few_bits = V::FEW_BITS.expect("levels of eight bits are multiplied otherwise");
    let num_bytes = num_blocks * V::CODE.block_bytes();
    // Bytes are stored as levels + 128.
    let added = _mm256_set1_epi8(few_bits.added.wrapping_sub(-128));
    let mask = _mm256_set1_epi8(15);
    for at in (0..num_bytes).step_by(32) {
        let bytes = _mm256_loadu_si256(stored.add(at).cast());
        match V::CODE {
            LevelCode::Byte => _mm256_store_si256(target.add(at).cast(), _mm256_add_epi8(bytes, added)),
            LevelCode::Nibble => {
                // Of each line the low halves, then the high ones.
                let target = target.add(at / 64 * 128 + at % 64).cast::<__m256i>();
                _mm256_store_si256(target, _mm256_and_si256(bytes, mask));
                _mm256_store_si256(target.add(2), _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), mask));
            }
        }
    }
}

/// The whole sums of a few rows and a panel.
pub(crate) type Whole<const M: usize> = [[__m256i; REGISTERS]; M];

/// The micro-kernel for `M` rows; the others are those of [`Kind`].
///
/// # Safety
/// The CPU has AVX2, FMA and F16C; what the tile says is there.
#[inline(always)]
pub(crate) unsafe fn tall_tile<
    const TOGETHER: usize,
    const ZERO: i32,
    const PARTS: usize,
    const HAS_MIN: bool,
    const M: usize,
>(
    tall: &TallTile,
) {
    let (mut x, mut levels, mut scales) = (tall.x, tall.levels.cast::<__m256i>(), tall.scales);
    for _ in 0..tall.num_blocks {
        for part in 0..PARTS {
            let mut whole = begin::<M>(ZERO, x, part);
            let group = x.cast::<u8>().add(part * BLOCK_INPUTS / PARTS);
            let end = levels.add(tall.num_steps * REGISTERS);
            match TOGETHER {
                2 => whole = add_pairs(whole, group, levels, end),
                _ => {
                    for first in (0..GROUPS / PARTS).step_by(TOGETHER) {
                        let levels = levels.add(first * REGISTERS);
                        whole = add_bytes(whole, group.add(first * 4), levels, levels.add(tall.num_steps * REGISTERS));
                    }
                }
            }
            levels = levels.add(REGISTERS * GROUPS / PARTS);
            // Sums of floats are not to be in registers before their turn: those of whole numbers take all.
            compiler_fence(Ordering::SeqCst);
            for (row, whole) in whole.into_iter().enumerate() {
                let of_x = x.add(row);
                let scale_of_x = _mm256_set1_ps((*of_x).scale);
                let sum_of_x = if PARTS == 1 { (*of_x).sum } else { (*of_x).half_sums[part] };
                for (register, whole) in whole.into_iter().enumerate() {
                    let scale = scales.add(register * 8);
                    let sum = tall.sums.add(row * LANES + register * 8);
                    let factor = _mm256_mul_ps(scale_of_x, _mm256_load_ps(scale));
                    let mut value = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), factor, _mm256_load_ps(sum));
                    if HAS_MIN {
                        let min = _mm256_load_ps(scale.add(LANES));
                        value = _mm256_fmadd_ps(_mm256_set1_ps(sum_of_x), min, value);
                    }
                    _mm256_store_ps(sum, value);
                }
            }
            compiler_fence(Ordering::SeqCst);
            scales = scales.add(if HAS_MIN { 2 * LANES } else { LANES });
        }
        x = x.add(M);
    }
}

/// What the sums of a part of a block begin with, where `zero` is the level that stands for it.
#[inline(always)]
pub(crate) unsafe fn begin<const M: usize>(zero: i32, x: *const ActivationBlock, part: usize) -> Whole<M> {
    let mut whole = [[_mm256_setzero_si256(); REGISTERS]; M];
    for (row, whole) in whole.iter_mut().enumerate() {
        let of_x = x.add(row);
        *whole = [match zero {
            0 => _mm256_setzero_si256(),
            8 => _mm256_set1_epi32((*of_x).minus_8),
            32 => _mm256_srai_epi32::<2>(_mm256_set1_epi32((*of_x).halves_minus_128[part])),
            _ => panic!("no sums are kept for these"),
        }; REGISTERS];
    }
    whole
}

/// Adds the products of groups of levels of few bits; sums of 16 bits cannot overflow: see [`Kind::of`].
#[inline(always)]
unsafe fn add_bytes<const M: usize>(
    whole: Whole<M>,
    mut group: *const u8,
    mut levels: *const __m256i,
    end: *const __m256i,
) -> Whole<M> {
    let mut sums = [[_mm256_setzero_si256(); REGISTERS]; M];
    while levels != end {
        let weights = [_mm256_load_si256(levels), _mm256_load_si256(levels.add(1))];
        for (row, sums) in sums.iter_mut().enumerate() {
            let activations = four_activations(group, row);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(weights, activations));
            }
        }
        levels = levels.add(REGISTERS);
        group = group.add(4);
    }
    widen_pairs(whole, sums)
}

/// Adds sums of 16 bits in pairs.
#[inline(always)]
pub(crate) unsafe fn widen_pairs<const M: usize>(mut whole: Whole<M>, sums: Whole<M>) -> Whole<M> {
    for (whole, sums) in whole.iter_mut().zip(sums) {
        for (whole, sums) in whole.iter_mut().zip(sums) {
            *whole = _mm256_add_epi32(*whole, _mm256_madd_epi16(sums, _mm256_set1_epi16(1)));
        }
    }
    whole
}

/// The same where 16 bits hold the products of two groups.
#[inline(always)]
unsafe fn add_pairs<const M: usize>(
    mut whole: Whole<M>,
    mut group: *const u8,
    mut levels: *const __m256i,
    end: *const __m256i,
) -> Whole<M> {
    while levels != end {
        let first = [_mm256_load_si256(levels), _mm256_load_si256(levels.add(1))];
        let second = [_mm256_load_si256(levels.add(2)), _mm256_load_si256(levels.add(3))];
        for (row, whole) in whole.iter_mut().enumerate() {
            let activations = (four_activations(group, row), four_activations(group.add(4), row));
            for (register, whole) in whole.iter_mut().enumerate() {
                let first = _mm256_maddubs_epi16(first[register], activations.0);
                let second = _mm256_maddubs_epi16(second[register], activations.1);
                let sums = _mm256_add_epi16(first, second);
                *whole = _mm256_add_epi32(*whole, _mm256_madd_epi16(sums, _mm256_set1_epi16(1)));
            }
        }
        levels = levels.add(2 * REGISTERS);
        group = group.add(8);
    }
    whole
}

/// Those of one group of a row in all lanes.
#[inline(always)]
pub(crate) unsafe fn four_activations(group: *const u8, row: usize) -> __m256i {
    _mm256_set1_epi32(group.add(row * size_of::<ActivationBlock>()).cast::<i32>().read())
}
