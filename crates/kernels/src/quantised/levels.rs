//! The ways in which levels are stored, each as a type, so that a product is built for each.

#[cfg(target_arch = "x86_64")]
use quire_blocks::IQ4_LEVELS;

use super::{BLOCK_INPUTS, form::LevelCode, rows::ActivationBlock, sums::Sums};

/// How levels become operands of a product: signed ones, where a form says nothing else.
///
/// # Safety
/// As [`Sums`].
pub(crate) trait Levels {
    /// The stored form.
    const CODE: LevelCode;
    /// How they are numbers of few bits, if they are.
    #[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", feature = "relaxed-simd")))]
    const FEW_BITS: Option<FewBits>;
    /// Makes bytes of levels + `bias`, 0 or 128, of `len_bytes` of what is stored, in the order of [`Bytes`].
    #[cfg(target_arch = "x86_64")]
    unsafe fn lift(stored: *const u8, len_bytes: usize, bias: u8, target: *mut u8);
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
        S::begin_signed((*activations).levels.as_ptr(), BLOCK_INPUTS, (*activations).minus_128)
    }
    /// What a sum over half a block begins with.
    #[inline(always)]
    unsafe fn begin_half<S: Sums>(activations: *const ActivationBlock, half: usize) -> S {
        let levels = (*activations).levels.as_ptr().add(half * BLOCK_INPUTS / 2);
        S::begin_signed(levels, BLOCK_INPUTS / 2, (*activations).halves_minus_128[half])
    }
}

/// Levels as numbers from 0 to some below 128.
#[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", feature = "relaxed-simd")))]
#[derive(Clone, Copy)]
pub(crate) struct FewBits {
    /// What makes them of what [`Levels::load`] gives.
    pub(crate) added: i8,
    /// The one that stands for zero.
    pub(crate) zero: i32,
    /// The greatest.
    pub(crate) most: i32,
}

/// Bytes of levels + 128.
pub(crate) struct Bytes;
/// Bytes of levels + 128, of which none is below -`ZERO` and none above `MOST` - `ZERO`.
pub(crate) struct SmallBytes<const ZERO: u8, const MOST: u8>;
/// Nibbles, of which `ZERO`, 0 or 8, is taken.
pub(crate) struct Nibbles<const ZERO: u8>;
/// Nibbles that are looked up.
pub(crate) struct Table;

/// Looks nibbles up: 64 bytes of two each become 64 of the low halves and 64 of the high ones.
///
/// # Safety
/// The CPU has AVX-512 BW; `len_bytes` are whole lines, and `target` has room for twice as many.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn lift_nibbles(bytes: [u8; 16], stored: *const u8, len_bytes: usize, target: *mut u8) {
    use std::arch::x86_64::*;

    let table = _mm512_broadcast_i32x4(_mm_loadu_si128(bytes.as_ptr().cast()));
    let mask = _mm512_set1_epi8(15);
    for line in (0..len_bytes).step_by(64) {
        let pairs = _mm512_loadu_si512(stored.add(line).cast());
        let (low, high) = (_mm512_and_si512(pairs, mask), _mm512_and_si512(_mm512_srli_epi16::<4>(pairs), mask));
        _mm512_storeu_si512(target.add(2 * line).cast(), _mm512_shuffle_epi8(table, low));
        _mm512_storeu_si512(target.add(2 * line + 64).cast(), _mm512_shuffle_epi8(table, high));
    }
}

/// Adds 128 to each byte, or nothing where `bias` is 128: bytes are stored with that.
///
/// # Safety
/// As [`lift_nibbles`], but of as many bytes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn lift_bytes(stored: *const u8, len_bytes: usize, bias: u8, target: *mut u8) {
    use std::arch::x86_64::*;

    let flip = _mm512_set1_epi8((bias ^ 128) as i8);
    for line in (0..len_bytes).step_by(64) {
        let bytes = _mm512_loadu_si512(stored.add(line).cast());
        _mm512_storeu_si512(target.add(line).cast(), _mm512_xor_si512(bytes, flip));
    }
}

impl Levels for Bytes {
    const CODE: LevelCode = LevelCode::Byte;
    #[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", feature = "relaxed-simd")))]
    const FEW_BITS: Option<FewBits> = None;
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn lift(stored: *const u8, len_bytes: usize, bias: u8, target: *mut u8) {
        lift_bytes(stored, len_bytes, bias, target);
    }
    #[inline(always)]
    unsafe fn load<S: Sums>(block: *const u8, pair: usize) -> [S::Levels; 2] {
        [S::bytes(block.add(pair * 128)), S::bytes(block.add(pair * 128 + 64))]
    }
}

impl<const ZERO: u8, const MOST: u8> Levels for SmallBytes<ZERO, MOST> {
    const CODE: LevelCode = LevelCode::Byte;
    #[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", feature = "relaxed-simd")))]
    const FEW_BITS: Option<FewBits> = Some(FewBits { added: ZERO as i8, zero: ZERO as i32, most: MOST as i32 });
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn lift(stored: *const u8, len_bytes: usize, bias: u8, target: *mut u8) {
        Bytes::lift(stored, len_bytes, bias, target);
    }
    #[inline(always)]
    unsafe fn load<S: Sums>(block: *const u8, pair: usize) -> [S::Levels; 2] {
        Bytes::load::<S>(block, pair)
    }
}

impl<const ZERO: u8> Levels for Nibbles<ZERO> {
    const CODE: LevelCode = LevelCode::Nibble;
    #[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", feature = "relaxed-simd")))]
    const FEW_BITS: Option<FewBits> = Some(FewBits { added: 0, zero: ZERO as i32, most: 15 });
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn lift(stored: *const u8, len_bytes: usize, bias: u8, target: *mut u8) {
        let bytes = std::array::from_fn(|level| bias.wrapping_sub(ZERO).wrapping_add(level as u8));
        lift_nibbles(bytes, stored, len_bytes, target);
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
    #[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", feature = "relaxed-simd")))]
    const FEW_BITS: Option<FewBits> = None;
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn lift(stored: *const u8, len_bytes: usize, bias: u8, target: *mut u8) {
        lift_nibbles(IQ4_LEVELS.map(|level| bias.wrapping_add(level as u8)), stored, len_bytes, target);
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
    fn lifted_levels_are_the_scalar_ones_as_bytes() {
        if !Isa::Avx512.is_available() {
            eprintln!("SKIPPED lifting: this processor lacks AVX-512");
            return;
        }
        fn check<V: Levels>(zero: i8, what: &str) {
            let stored: Vec<u8> = (0..=255).collect();
            // What becomes two lines of bytes.
            let part = V::CODE.block_bytes() / 4;
            for (parts, bias) in [(1, 0), (2, 0), (1, 128), (2, 128)] {
                let expected = stored.chunks(part).take(parts).flat_map(|stored| {
                    // SAFETY: memory for two lines of levels.
                    let levels = unsafe { V::load::<ScalarSums>(stored.as_ptr(), 0) };
                    levels.concat().into_iter().map(|level| (level - zero) as u8 ^ bias).collect::<Vec<u8>>()
                });
                let mut lifted = vec![0; 128 * parts];
                // SAFETY: AVX-512 is there, and memory for all lines.
                unsafe { V::lift(stored.as_ptr(), part * parts, bias, lifted.as_mut_ptr()) };
                assert_eq!(lifted, expected.collect::<Vec<u8>>(), "{what} + {bias}");
            }
        }
        check::<Nibbles<0>>(0, "nibbles");
        check::<Nibbles<8>>(8, "nibbles from 8");
        check::<Table>(0, "levels of a table");
        check::<Bytes>(0, "bytes");
    }
}
