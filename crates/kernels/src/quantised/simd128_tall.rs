//! More than one row times blocks, for WebAssembly. Of a stretch of a panel levels become bytes and scales floats, once for all rows;
//! then two rows at a time pass over it, with a whole panel's sums in registers: engines have sixteen of four lanes on most CPUs.
//! Sums of floats wait in memory between blocks, which changes none of them.

use std::{
    arch::wasm32::*,
    sync::atomic::{Ordering, compiler_fence},
};

use super::{
    BLOCK_INPUTS,
    form::LevelCode,
    levels::Levels,
    rows::ActivationBlock,
    simd128_products::{GROUPS, Kind, Products, splat},
    sums::simd128::Simd128Sums,
    tall::TallTile,
};
use crate::lanes::{LANES, simd128::relaxed_madd};

/// Rows whose sums one pass has.
pub(crate) const ROWS: usize = 2;

/// Registers of a panel's sums.
pub(crate) const REGISTERS: usize = LANES / 4;

/// Whether levels are not multiplied as they are stored, as signed bytes are.
pub(crate) const fn is_lifted<V: Levels>() -> bool {
    !matches!(V::CODE, LevelCode::Byte) || V::FEW_BITS.is_some()
}

/// Makes bytes of the levels of so many blocks: of seven bits where they have no more, else 128 more than they are.
///
/// # Safety
/// The CPU has the instructions; the blocks are there, and there is room for their bytes.
#[inline(always)]
pub(crate) unsafe fn lift<V: Levels>(stored: *const u8, num_blocks: usize, target: *mut u8) {
    let added = i8x16_splat(V::FEW_BITS.map_or(-128, |few_bits| few_bits.added));
    for block in 0..num_blocks {
        let (stored, target) = (stored.add(block * V::CODE.block_bytes()), target.add(block * GROUPS * 4 * LANES));
        for pair in 0..GROUPS / 2 {
            for (group, levels) in V::load::<Simd128Sums<true>>(stored, pair).into_iter().enumerate() {
                let target = target.add((pair * 2 + group) * 4 * LANES).cast::<v128>();
                for (register, levels) in levels.into_iter().enumerate() {
                    v128_store(target.add(register), i8x16_add(levels, added));
                }
            }
        }
    }
}

/// The micro-kernel: `M` rows, blocks of `PARTS` scales.
///
/// # Safety
/// The CPU has the instructions; what the tile says is there.
#[inline(always)]
pub(crate) unsafe fn tall_tile<
    P: Products,
    const SIGNED: bool,
    const PARTS: usize,
    const HAS_MIN: bool,
    const M: usize,
>(
    tall: &TallTile,
) {
    let ones = P::ones();
    let kind = Kind { is_signed: SIGNED, parts: PARTS, has_min: HAS_MIN };
    let (mut x, mut levels, mut scales) = (tall.x, tall.levels, tall.scales);
    for _ in 0..tall.num_blocks {
        for part in 0..PARTS {
            let mut whole = [[i32x4_splat(0); REGISTERS]; M];
            for (row, whole) in whole.iter_mut().enumerate() {
                *whole = [P::begin(kind, x.add(row), part); REGISTERS];
            }
            let mut group = x.cast::<u8>().add(part * BLOCK_INPUTS / PARTS);
            let end = levels.add(tall.num_steps * 4 * LANES);
            while levels != end {
                whole = add::<P, SIGNED, M>(whole, levels.cast(), group, ones);
                levels = levels.add(4 * LANES);
                group = group.add(4);
            }
            // Sums of floats are not to be in registers before their turn: those of whole numbers take all.
            compiler_fence(Ordering::SeqCst);
            let mut of_rows = [(f32x4_splat(0.0), f32x4_splat(0.0), i32x4_splat(0)); M];
            for (row, of_row) in of_rows.iter_mut().enumerate() {
                let (scale, sum) = kind.scale_and_sum(x.add(row), part);
                *of_row = (scale, sum, P::rest(kind, x.add(row), part));
            }
            for register in 0..REGISTERS {
                let scale = scales.add(register * 4).cast::<v128>();
                let min = if HAS_MIN { v128_load(scale.add(REGISTERS)) } else { f32x4_splat(0.0) };
                let scale = v128_load(scale);
                for (row, whole) in whole.iter().enumerate() {
                    let sum = tall.sums.add(row * LANES + register * 4).cast::<v128>();
                    let factor = f32x4_mul(scale, of_rows[row].0);
                    let whole = P::end(kind, whole[register], of_rows[row].2);
                    let value = relaxed_madd(f32x4_convert_i32x4(whole), factor, v128_load(sum));
                    v128_store(sum, if HAS_MIN { relaxed_madd(min, of_rows[row].1, value) } else { value });
                }
            }
            compiler_fence(Ordering::SeqCst);
            scales = scales.add(if HAS_MIN { 2 * LANES } else { LANES });
        }
        x = x.add(M);
    }
}

/// Adds the products of four inputs.
#[inline(always)]
unsafe fn add<P: Products, const SIGNED: bool, const M: usize>(
    mut whole: [[v128; REGISTERS]; M],
    levels: *const v128,
    group: *const u8,
    ones: v128,
) -> [[v128; REGISTERS]; M] {
    let mut rows = [(i32x4_splat(0), i32x4_splat(0)); M];
    for (row, activations) in rows.iter_mut().enumerate() {
        let x = group.add(row * size_of::<ActivationBlock>());
        let levels = splat(x.cast::<i32>());
        *activations = if SIGNED {
            (i8x16_abs(levels), splat(x.add(std::mem::offset_of!(ActivationBlock, relaxed.flips)).cast::<i32>()))
        } else {
            (levels, levels)
        };
    }
    for register in 0..REGISTERS {
        let levels = v128_load(levels.add(register));
        for (whole, (activations, flips)) in whole.iter_mut().zip(rows) {
            whole[register] = if SIGNED {
                P::add_signed(whole[register], v128_xor(levels, flips), activations, ones)
            } else {
                P::add_seven_bits(whole[register], levels, activations)
            };
        }
    }
    whole
}
