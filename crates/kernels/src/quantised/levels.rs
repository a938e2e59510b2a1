//! The ways in which levels are stored, each as a type, so that a product is built for each.

use super::{form::LevelCode, rows::ActivationBlock, sums::Sums};

/// How levels become operands of a product: signed ones, where a form says nothing else.
///
/// # Safety
/// As [`Sums`].
pub(crate) trait Levels {
    /// The stored form.
    const CODE: LevelCode;
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

impl Levels for Bytes {
    const CODE: LevelCode = LevelCode::Byte;
    #[inline(always)]
    unsafe fn load<S: Sums>(block: *const u8, pair: usize) -> [S::Levels; 2] {
        [S::bytes(block.add(pair * 128)), S::bytes(block.add(pair * 128 + 64))]
    }
}

impl<const ZERO: u8> Levels for Nibbles<ZERO> {
    const CODE: LevelCode = LevelCode::Nibble;
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
    #[inline(always)]
    unsafe fn load<S: Sums>(block: *const u8, pair: usize) -> [S::Levels; 2] {
        S::looked_up(block.add(pair * 64))
    }
}
