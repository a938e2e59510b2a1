//! One row times blocks, for WebAssembly's relaxed SIMD: two registers of a panel's sums at a time, so that the activations of a
//! block stay in the others.

use std::{
    arch::wasm32::*,
    sync::atomic::{Ordering, compiler_fence},
};

use super::{
    BLOCK_INPUTS, SUPER_BLOCKS,
    levels::Levels,
    regions::Regions,
    rows::ActivationBlock,
    scales::Scales,
    simd128_products::{GROUPS, Kind, Products, splat},
    simd128_tall::REGISTERS,
    sums::simd128::Simd128Sums,
};
use crate::{
    finish::finish,
    lanes::simd128::{Simd128Lanes, relaxed_madd},
    tile::Tile,
};

/// The sums of a panel.
type Registers = [v128; REGISTERS];

/// A block of the row and the panel.
#[derive(Clone, Copy)]
struct Block {
    x: *const ActivationBlock,
    levels: *const u8,
    of_256: *const u8,
    of_32: *const u8,
}

/// The micro-kernel: one row, one panel.
///
/// # Safety
/// As the other micro-kernels of [`Tile`]s.
#[inline(always)]
pub(crate) unsafe fn row_tile<P: Products, V: Levels, C: Scales>(tile: &Tile) {
    let regions = Regions::new(V::CODE, C::CODE, tile.num_inputs);
    let ones = P::ones();
    let mut sums = [f32x4_splat(0.0); REGISTERS];
    for index in 0..tile.num_inputs / BLOCK_INPUTS {
        let block = Block {
            x: tile.x.cast::<ActivationBlock>().add(index),
            levels: tile.weights.add(regions.levels + index * V::CODE.block_bytes()),
            of_256: tile.weights.add(index / SUPER_BLOCKS * C::SUPER_BYTES),
            of_32: tile.weights.add(regions.scales + index * C::BLOCK_BYTES),
        };
        sums = add_part::<P, V, C, 0>(block, sums, ones);
        if C::PARTS == 2 {
            sums = add_part::<P, V, C, 1>(block, sums, ones);
        }
    }
    finish(tile, [[Simd128Lanes::<true>(sums)]]);
}

/// Adds the products of the inputs that have scales together.
#[inline(always)]
unsafe fn add_part<P: Products, V: Levels, C: Scales, const PART: usize>(
    block: Block,
    sums: Registers,
    ones: v128,
) -> Registers {
    let four = (&raw const (*block.x).levels).cast::<i32>();
    // Those of the other part are not loaded.
    let activations = [
        magnitudes::<V>(four),
        magnitudes::<V>(four.add(1)),
        magnitudes::<V>(four.add(2)),
        magnitudes::<V>(four.add(3)),
        magnitudes::<V>(four.add(4)),
        magnitudes::<V>(four.add(5)),
        magnitudes::<V>(four.add(6)),
        magnitudes::<V>(four.add(7)),
    ];
    let [a, b, c, d] = sums;
    let [a, b, _, _] = add_registers::<P, V, C, PART, 0>(block, activations, [a, b, c, d], ones);
    let [_, _, c, d] = add_registers::<P, V, C, PART, 2>(block, activations, [a, b, c, d], ones);
    [a, b, c, d]
}

/// Four activations in all lanes; of those that signed levels are multiplied by the magnitudes.
#[inline(always)]
unsafe fn magnitudes<V: Levels>(activations: *const i32) -> v128 {
    if V::FEW_BITS.is_some() { splat(activations) } else { i8x16_abs(splat(activations)) }
}

/// Adds them to the sums of two registers.
#[inline(always)]
unsafe fn add_registers<P: Products, V: Levels, C: Scales, const PART: usize, const FIRST: usize>(
    block: Block,
    activations: [v128; GROUPS],
    mut sums: Registers,
    ones: v128,
) -> Registers {
    let kind = const { Kind::of::<V, C>() };
    // Levels are not to be loaded before their turn: registers are all taken.
    compiler_fence(Ordering::SeqCst);
    let mut whole = [P::begin(kind, block.x, PART); 2];
    if PART == 0 {
        whole = add_pair::<P, V, FIRST, 0>(block, activations, whole, ones);
        whole = add_pair::<P, V, FIRST, 1>(block, activations, whole, ones);
    }
    if C::PARTS == 1 || PART == 1 {
        whole = add_pair::<P, V, FIRST, 2>(block, activations, whole, ones);
        whole = add_pair::<P, V, FIRST, 3>(block, activations, whole, ones);
    }
    let (scale_of_x, sum_of_x) = kind.scale_and_sum(block.x, PART);
    let rest = P::rest(kind, block.x, PART);
    let scales = C::scale::<Simd128Lanes<true>>(block.of_256, block.of_32, PART);
    let mins = C::min::<Simd128Lanes<true>>(block.of_256, block.of_32, PART);
    for (index, whole) in whole.into_iter().enumerate() {
        let sum = &mut sums[FIRST + index];
        let factor = f32x4_mul(scales.0[FIRST + index], scale_of_x);
        *sum = relaxed_madd(f32x4_convert_i32x4(P::end(kind, whole, rest)), factor, *sum);
        if C::HAS_MIN {
            *sum = relaxed_madd(mins.0[FIRST + index], sum_of_x, *sum);
        }
    }
    sums
}

/// Adds the products of eight inputs. What is not taken of what is loaded is not loaded.
#[inline(always)]
unsafe fn add_pair<P: Products, V: Levels, const FIRST: usize, const PAIR: usize>(
    block: Block,
    activations: [v128; GROUPS],
    [mut first, mut second]: [v128; 2],
    ones: v128,
) -> [v128; 2] {
    let flips = (&raw const (*block.x).relaxed.flips).cast::<i32>().add(PAIR * 2);
    let (low_flips, high_flips) = (splat(flips), splat(flips.add(1)));
    let [low, high] = V::load::<Simd128Sums<true>>(block.levels, PAIR);
    first = add::<P, V>(first, low[FIRST], activations[PAIR * 2], low_flips, ones);
    second = add::<P, V>(second, low[FIRST + 1], activations[PAIR * 2], low_flips, ones);
    first = add::<P, V>(first, high[FIRST], activations[PAIR * 2 + 1], high_flips, ones);
    second = add::<P, V>(second, high[FIRST + 1], activations[PAIR * 2 + 1], high_flips, ones);
    [first, second]
}

/// Adds the products of levels, as [`Levels::load`] gives them, and four activations.
#[inline(always)]
unsafe fn add<P: Products, V: Levels>(sums: v128, levels: v128, activations: v128, flips: v128, ones: v128) -> v128 {
    match V::FEW_BITS {
        Some(few_bits) => P::add_seven_bits(sums, i8x16_add(levels, i8x16_splat(few_bits.added)), activations),
        None => P::add_signed(sums, v128_xor(v128_xor(levels, i8x16_splat(-128)), flips), activations, ones),
    }
}
