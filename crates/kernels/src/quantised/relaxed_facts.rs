//! What WebAssembly's relaxed products need of the levels of activations: found once, when they are rounded.

use std::arch::wasm32::*;

use super::BLOCK_INPUTS;

/// What is known of a block of activations.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub(crate) struct RelaxedFacts {
    /// What makes levels of weights of levels + 128, or complements of them where the level here is negative, by exclusive or.
    pub(crate) flips: [u8; BLOCK_INPUTS],
    /// The sums of the magnitudes of negative levels among the first and the second sixteen.
    pub(crate) negative: [i32; 2],
    /// Among the first and the second sixteen levels, minus the sum of the first two and of the last two of each four.
    pub(crate) minus_pairs: [[i16; 2]; 2],
}

impl RelaxedFacts {
    /// Those of levels from -127 to 127.
    ///
    /// # Safety
    /// The CPU has the instructions.
    #[inline(always)]
    pub(crate) unsafe fn of(levels: &[i8; BLOCK_INPUTS]) -> RelaxedFacts {
        let mut facts = RelaxedFacts { flips: [0; BLOCK_INPUTS], negative: [0; 2], minus_pairs: [[0; 2]; 2] };
        for half in 0..2 {
            let levels = v128_load(levels.as_ptr().add(half * 16).cast());
            let signs = i8x16_shr(levels, 7);
            v128_store(facts.flips.as_mut_ptr().add(half * 16).cast(), v128_xor(signs, i8x16_splat(-128)));
            let negative = i32x4_extadd_pairwise_i16x8(i16x8_extadd_pairwise_i8x16(v128_and(levels, signs)));
            let negative = i32x4_add(negative, i64x2_shuffle::<1, 0>(negative, negative));
            facts.negative[half] = -(i32x4_extract_lane::<0>(negative) + i32x4_extract_lane::<1>(negative));
            let pairs = i16x8_extadd_pairwise_i8x16(levels);
            let pairs = i16x8_add(pairs, i64x2_shuffle::<1, 0>(pairs, pairs));
            let pairs = i16x8_neg(i16x8_add(pairs, i32x4_shuffle::<1, 0, 3, 2>(pairs, pairs)));
            v128_store32_lane::<0>(pairs, facts.minus_pairs.as_mut_ptr().add(half).cast());
        }
        facts
    }
}
