//! The ways in which levels are stored, each as a type, so that a product is built for each.

#[cfg(target_arch = "x86_64")]
use quire_blocks::IQ4_LEVELS;

use super::{form::LevelCode, rows::ActivationBlock, sums::Sums};

/// How levels become operands of a product: signed ones, where a form says nothing else.
///
/// # Safety
/// As [`Sums`].
pub(crate) trait Levels {
    /// The stored form.
    const CODE: LevelCode;
    /// Makes bytes of levels + 128 of `len_bytes` of nibbles, in the order of [`Bytes`].
    #[cfg(target_arch = "x86_64")]
    unsafe fn lift(_stored: *const u8, _len_bytes: usize, _target: *mut u8) {
        panic!("bytes are not lifted; this is a bug");
    }
    /// Two groups of four inputs: `pair` of four in a block.
    unsafe fn load<S: Sums>(block: *const u8, pair: usize) -> [S::Levels; 2];
    /// Adds products of levels that [`Levels::load`] gave.
    #[inline(always)]
    unsafe fn add<S: Sums>(sums: S, levels: S::Levels, activations: *const i8) -> S {
        sums.add_signed(levels, activations)
    }
    /// What a sum over a block begins with.
    #[inline(always)]
    unsafe fn begin<S: Sums>(activations: *const ActivationBlock) -> S {
        S::splat(if S::BIASED { (*activations).minus_128 } else { 0 })
    }
    /// What a sum over half a block begins with.
    #[inline(always)]
    unsafe fn begin_half<S: Sums>(activations: *const ActivationBlock, half: usize) -> S {
        S::splat(if S::BIASED { (*activations).halves_minus_128[half] } else { 0 })
    }
}

/// Bytes of levels + 128.
pub(crate) struct Bytes;
/// Nibbles, of which `ZERO`, 0 or 8, is taken.
pub(crate) struct Nibbles<const ZERO: u8>;
/// Nibbles that are looked up.
pub(crate) struct Table;

/// Looks nibbles up: 64 bytes of two each become 64 of the low halves and 64 of the high ones.
///
/// # Safety
/// The CPU has AVX2; `len_bytes` are whole lines, and `target` has room for twice as many.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn lift_nibbles(bytes: [u8; 16], stored: *const u8, len_bytes: usize, target: *mut u8) {
    use std::arch::x86_64::*;

    let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(bytes.as_ptr().cast()));
    let mask = _mm256_set1_epi8(15);
    for line in (0..len_bytes).step_by(64) {
        for half in [0, 32] {
            let pairs = _mm256_loadu_si256(stored.add(line + half).cast());
            let (low, high) = (_mm256_and_si256(pairs, mask), _mm256_and_si256(_mm256_srli_epi16::<4>(pairs), mask));
            _mm256_storeu_si256(target.add(2 * line + half).cast(), _mm256_shuffle_epi8(table, low));
            _mm256_storeu_si256(target.add(2 * line + 64 + half).cast(), _mm256_shuffle_epi8(table, high));
        }
    }
}

impl Levels for Bytes {
    const CODE: LevelCode = LevelCode::Byte;
    #[inline(always)]
    unsafe fn load<S: Sums>(block: *const u8, pair: usize) -> [S::Levels; 2] {
        [S::bytes(block.add(pair * 128)), S::bytes(block.add(pair * 128 + 64))]
    }
}

impl<const ZERO: u8> Levels for Nibbles<ZERO> {
    const CODE: LevelCode = LevelCode::Nibble;
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn lift(stored: *const u8, len_bytes: usize, target: *mut u8) {
        lift_nibbles(std::array::from_fn(|level| 128 - ZERO + level as u8), stored, len_bytes, target);
    }
    #[inline(always)]
    unsafe fn load<S: Sums>(block: *const u8, pair: usize) -> [S::Levels; 2] {
        S::nibbles(block.add(pair * 64))
    }
    #[inline(always)]
    unsafe fn add<S: Sums>(sums: S, levels: S::Levels, activations: *const i8) -> S {
        sums.add_unsigned(levels, activations)
    }
    #[inline(always)]
    unsafe fn begin<S: Sums>(activations: *const ActivationBlock) -> S {
        const { assert!(ZERO == 0 || ZERO == 8, "sums are kept for these") };
        S::splat(if ZERO == 8 { (*activations).minus_8 } else { 0 })
    }
    #[inline(always)]
    unsafe fn begin_half<S: Sums>(activations: *const ActivationBlock, half: usize) -> S {
        const { assert!(ZERO == 0 || ZERO == 8, "sums are kept for these") };
        S::splat(if ZERO == 8 { (*activations).halves_minus_128[half] / 16 } else { 0 })
    }
}

impl Levels for Table {
    const CODE: LevelCode = LevelCode::Nibble;
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn lift(stored: *const u8, len_bytes: usize, target: *mut u8) {
        lift_nibbles(IQ4_LEVELS.map(|level| level as u8 ^ 128), stored, len_bytes, target);
    }
    #[inline(always)]
    unsafe fn load<S: Sums>(block: *const u8, pair: usize) -> [S::Levels; 2] {
        S::looked_up(block.add(pair * 64))
    }
}

#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod tests {
    use super::*;
    use crate::{Isa, quantised::sums::scalar::ScalarSums};

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that lacks something says so")]
    fn lifted_nibbles_are_the_scalar_ones_as_bytes() {
        if !Isa::Avx2.is_available() {
            eprintln!("SKIPPED lifting: this processor lacks AVX2");
            return;
        }
        fn check<V: Levels>(what: &str) {
            let stored: Vec<u8> = (0..=255).collect();
            for lines in 1..=4 {
                let mut lifted = vec![0; 128 * lines];
                for line in 0..lines {
                    let stored = &stored[64 * line..];
                    // SAFETY: AVX2 is there, and memory for a line and what becomes of it.
                    let levels = unsafe {
                        V::lift(stored.as_ptr(), 64, lifted[128 * line..].as_mut_ptr());
                        V::load::<ScalarSums>(stored.as_ptr(), 0)
                    };
                    let zero = if what == "nibbles from 8" { 8 } else { 0 };
                    let expected = levels.map(|levels| levels.map(|level| (level - zero) as u8 ^ 128));
                    assert_eq!(lifted[128 * line..128 * (line + 1)], expected.concat(), "{what}");
                }
                let mut at_once = vec![0; lifted.len()];
                // SAFETY: as above, of all lines.
                unsafe { V::lift(stored.as_ptr(), 64 * lines, at_once.as_mut_ptr()) };
                assert_eq!(at_once, lifted, "{what}");
            }
        }
        check::<Nibbles<0>>("nibbles");
        check::<Nibbles<8>>("nibbles from 8");
        check::<Table>("levels of a table");
    }
}
