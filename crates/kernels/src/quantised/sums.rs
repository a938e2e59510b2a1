//! Sixteen sums of whole numbers under one name, so that a product of blocks is written once and built for every
//! instruction set. All of them are exact, so all of them agree.

use crate::lanes::Lanes;

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon_pairs;
pub(crate) mod scalar;
#[cfg(target_arch = "wasm32")]
pub(crate) mod simd128;

/// Sixteen 32-bit sums in registers, one for each output of a panel.
///
/// # Safety
/// As [`Lanes`]: the instruction set is there, and pointers are good for the bytes that are named, of any alignment.
pub(crate) trait Sums: Copy {
    /// Floats of the same instruction set.
    type Lanes: Lanes;
    /// Levels of four neighbouring inputs of sixteen outputs.
    type Levels: Copy;
    /// Whether signed levels are multiplied as levels + 128, and the sum has to begin with what that adds, negated.
    const BIASED: bool;

    /// All sums equal.
    unsafe fn splat(value: i32) -> Self;
    /// What a sum of signed levels times `num_activations` begins with; `minus_128` is -128 times the sum of the activations.
    #[inline(always)]
    unsafe fn begin_signed(_activations: *const i8, _num_activations: usize, minus_128: i32) -> Self {
        Self::splat(if Self::BIASED { minus_128 } else { 0 })
    }
    /// 64 bytes of levels + 128, to be multiplied as signed.
    unsafe fn bytes(source: *const u8) -> Self::Levels;
    /// 64 bytes of two nibbles, low ones first: numbers from 0 to 15, to be multiplied as unsigned.
    unsafe fn nibbles(source: *const u8) -> [Self::Levels; 2];
    /// The same, looked up in [`IQ4_LEVELS`](quire_blocks::IQ4_LEVELS), to be multiplied as signed.
    unsafe fn looked_up(source: *const u8) -> [Self::Levels; 2];
    /// Adds the products of signed levels and four activations.
    unsafe fn add_signed(self, levels: Self::Levels, activations: *const i8) -> Self;
    /// Adds the products of levels from 0 to 15 and four activations.
    unsafe fn add_unsigned(self, levels: Self::Levels, activations: *const i8) -> Self;
    /// The sums as floats.
    unsafe fn to_lanes(self) -> Self::Lanes;
}
