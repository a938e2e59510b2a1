//! The two ways in which products of bytes are summed over a part of a block, for WebAssembly's relaxed SIMD. Both give the same
//! whole numbers. Where a CPU multiplies bytes and adds four products in one instruction, that is the best; where it has none, engines
//! make five of it, and products of neighbours, for which there is one, are added in 16 bits.

use std::{arch::wasm32::*, hint::black_box};

use super::{
    BLOCK_INPUTS,
    levels::{FewBits, Levels},
    rows::ActivationBlock,
    scales::Scales,
    sums::simd128::{relaxed_dot, relaxed_pairs},
};

/// Groups of four inputs in a block.
pub(crate) const GROUPS: usize = BLOCK_INPUTS / 4;

/// The greatest magnitude of an activation.
const MOST_ACTIVATION: i32 = 127;

/// What makes a kernel of forms.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Whether levels have eight bits.
    pub(crate) is_signed: bool,
    /// Parts of a block with scales of their own.
    pub(crate) parts: usize,
    /// Whether there are mins.
    pub(crate) has_min: bool,
}

/// How products are summed: a register has four sums, of a group of four inputs each.
///
/// # Safety
/// The CPU has the instructions; activations are those of a block that is there.
pub(crate) trait Products {
    /// What a sum over a part of a block begins with.
    unsafe fn begin(kind: Kind, x: *const ActivationBlock, part: usize) -> v128;
    /// Adds products of levels of seven bits.
    unsafe fn add_seven_bits(sums: v128, levels: v128, activations: v128) -> v128;
    /// Adds products of signed levels, or their complements, and magnitudes of activations.
    unsafe fn add_signed(sums: v128, levels: v128, magnitudes: v128, ones: v128) -> v128;
    /// What [`add_signed`](Products::add_signed) wants, made once.
    unsafe fn ones() -> v128;
    /// What [`end`](Products::end) adds.
    unsafe fn rest(kind: Kind, x: *const ActivationBlock, part: usize) -> v128;
    /// The sums in 32 bits.
    unsafe fn end(kind: Kind, sums: v128, rest: v128) -> v128;
}

/// Four products at once.
pub(crate) struct Dots;

/// Two products at once, in 16 bits. Those of seven bits are added there over a whole part: levels count from the middle of their
/// range, which sums begin with, so that no sum leaves the 16 bits in the end; in between it may wrap.
pub(crate) struct Words;

impl Products for Dots {
    #[inline(always)]
    unsafe fn begin(kind: Kind, x: *const ActivationBlock, part: usize) -> v128 {
        if kind.is_signed {
            return kind.begin_signed(x, part);
        }
        match (kind.zero(), kind.parts) {
            (0, _) => i32x4_splat(0),
            (8, 1) => splat(&raw const (*x).minus_8),
            // What is shifted out are zeros.
            (32, 2) => i32x4_shr(splat((&raw const (*x).halves_minus_128).cast::<i32>().add(part)), 2),
            _ => panic!("no other levels are taken from others; this is a bug"),
        }
    }
    #[inline(always)]
    unsafe fn add_seven_bits(sums: v128, levels: v128, activations: v128) -> v128 {
        relaxed_dot(sums, levels, activations)
    }
    #[inline(always)]
    unsafe fn add_signed(sums: v128, levels: v128, magnitudes: v128, _: v128) -> v128 {
        relaxed_dot(sums, magnitudes, levels)
    }
    #[inline(always)]
    unsafe fn ones() -> v128 {
        i32x4_splat(0)
    }
    #[inline(always)]
    unsafe fn rest(_: Kind, _: *const ActivationBlock, _: usize) -> v128 {
        i32x4_splat(0)
    }
    #[inline(always)]
    unsafe fn end(_: Kind, sums: v128, _: v128) -> v128 {
        sums
    }
}

impl Products for Words {
    #[inline(always)]
    unsafe fn begin(kind: Kind, x: *const ActivationBlock, part: usize) -> v128 {
        if kind.is_signed {
            return kind.begin_signed(x, part);
        }
        if kind.middle() == 0 {
            return i16x8_splat(0);
        }
        let halves = (&raw const (*x).relaxed.minus_pairs).cast::<[i16; 2]>();
        let of_part =
            if kind.parts == 1 { i16x8_add(splat(halves), splat(halves.add(1))) } else { splat(halves.add(part)) };
        i16x8_shl(of_part, kind.middle().trailing_zeros())
    }
    #[inline(always)]
    unsafe fn add_seven_bits(sums: v128, levels: v128, activations: v128) -> v128 {
        i16x8_add(sums, relaxed_pairs(levels, activations))
    }
    #[inline(always)]
    unsafe fn add_signed(sums: v128, levels: v128, magnitudes: v128, ones: v128) -> v128 {
        i32x4_add(sums, i32x4_dot_i16x8(relaxed_pairs(magnitudes, levels), ones))
    }
    /// The compiler is not to know them: it would make [`Dots`] of the products, and engines would make them anew each time.
    #[inline(always)]
    unsafe fn ones() -> v128 {
        i16x8_splat(black_box(1))
    }
    #[inline(always)]
    unsafe fn rest(kind: Kind, x: *const ActivationBlock, _: usize) -> v128 {
        if kind.is_signed {
            return i32x4_splat(0);
        }
        match (kind.middle() - kind.zero(), kind.parts) {
            (0, _) => i32x4_splat(0),
            (16, 1) => i32x4_neg(i32x4_shl(splat(&raw const (*x).minus_8), 1)),
            _ => panic!("no other levels count from elsewhere; this is a bug"),
        }
    }
    #[inline(always)]
    unsafe fn end(kind: Kind, sums: v128, rest: v128) -> v128 {
        if kind.is_signed { sums } else { i32x4_add(i32x4_extadd_pairwise_i16x8(sums), rest) }
    }
}

impl Kind {
    /// That of a form.
    pub(crate) const fn of<V: Levels, C: Scales>() -> Kind {
        let kind = Kind { is_signed: V::FEW_BITS.is_none(), parts: C::PARTS, has_min: C::HAS_MIN };
        if let Some(FewBits { zero, most, .. }) = V::FEW_BITS {
            assert!(zero == kind.zero(), "kernels know it by how scales are stored");
            assert!(2 * most * MOST_ACTIVATION <= i16::MAX as i32, "neighbours have a sum of 16 bits");
            let farthest = if most - kind.middle() > kind.middle() { most - kind.middle() } else { kind.middle() };
            let most_sum = 2 * (GROUPS / kind.parts) as i32 * farthest * MOST_ACTIVATION;
            assert!(most_sum <= i16::MAX as i32, "and all neighbours of a part");
        }
        kind
    }

    /// Which level of seven bits stands for zero.
    const fn zero(self) -> i32 {
        match (self.parts, self.has_min) {
            (_, true) => 0,
            (1, false) => 8,
            _ => 32,
        }
    }

    /// Which level of seven bits sums of 16 bits count from: a power of two, or 0 where levels are few enough.
    const fn middle(self) -> i32 {
        match (self.parts, self.has_min) {
            (1, true) => 16,
            _ => self.zero(),
        }
    }

    /// What sums of complements leave out.
    #[inline(always)]
    unsafe fn begin_signed(self, x: *const ActivationBlock, part: usize) -> v128 {
        let negative = (&raw const (*x).relaxed.negative).cast::<i32>().add(part);
        if self.parts == 1 { i32x4_add(splat(negative), splat(negative.add(1))) } else { splat(negative) }
    }

    /// What scales and mins of a part are multiplied by.
    #[inline(always)]
    pub(crate) unsafe fn scale_and_sum(self, x: *const ActivationBlock, part: usize) -> (v128, v128) {
        let sum =
            if self.parts == 1 { &raw const (*x).sum } else { (&raw const (*x).half_sums).cast::<f32>().add(part) };
        (splat(&raw const (*x).scale), splat(sum))
    }
}

/// Four bytes in all lanes.
#[inline(always)]
pub(crate) unsafe fn splat<T>(source: *const T) -> v128 {
    const { assert!(size_of::<T>() == 4, "a lane") };
    v128_load32_splat(source.cast())
}
