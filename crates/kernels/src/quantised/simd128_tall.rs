//! More than one row times blocks, for WebAssembly. Of a stretch of a panel levels become bytes and scales floats, once for all rows;
//! then two rows at a time pass over it, with a whole panel's sums in registers: engines have sixteen of four lanes on most CPUs.
//! Sums of floats wait in memory between blocks, which changes none of them.

use std::{
    arch::wasm32::*,
    hint::black_box,
    mem::MaybeUninit,
    sync::atomic::{Ordering, compiler_fence},
};

use super::{
    BLOCK_INPUTS, SUPER_BLOCKS,
    form::LevelCode,
    levels::Levels,
    regions::Regions,
    rows::ActivationBlock,
    scales::Scales,
    simd128_products::{GROUPS, Kind, Products, splat},
    sums::simd128::Simd128Sums,
};
use crate::{
    Isa,
    finish::finish_sums,
    lanes::{
        LANES, Lanes,
        simd128::{Simd128Lanes, relaxed_madd},
    },
    tile::Tile,
};

/// Rows whose sums one pass has.
pub(crate) const ROWS: usize = 2;

/// Registers of a panel's sums.
pub(crate) const REGISTERS: usize = LANES / 4;

/// Blocks of a stretch: their levels, scales and activations stay in the nearest cache.
const STRETCH_BLOCKS: usize = 2 * SUPER_BLOCKS;

/// Rows whose sums wait at once.
const MOST_ROWS: usize = 192;

/// Sixteen levels of four inputs each, sixteen scales, or sixteen sums.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "is written and read by address")] [u8; 64]);

/// Memory for so many lines.
type Lines<const COUNT: usize> = [MaybeUninit<Line>; COUNT];

/// Scales and mins of a block have as many lines at most.
const BLOCK_LINES: usize = 4;

/// A few rows and a stretch of a panel.
pub(crate) struct TallTile {
    /// The first block of the rows, side by side.
    x: *const ActivationBlock,
    /// Levels of seven bits, or signed ones + 128: [blocks][groups][16][4].
    levels: *const u8,
    /// Scales, [blocks][parts][16], and behind those of a block as many mins, if there are any.
    scales: *const f32,
    num_blocks: usize,
    /// Groups of one part of a block. Not known to the compiler: it is not to make one long sequence of the loop, of which engines
    /// would keep little in registers.
    num_groups: usize,
    /// Sums of the rows, [rows][16].
    sums: *mut f32,
}

pub(crate) type TallFn = unsafe fn(&TallTile);

/// Any number of rows times all columns of a tile, by kernels for 1 to [`ROWS`] rows.
///
/// # Safety
/// As the other micro-kernels of [`Tile`]s.
#[inline(always)]
pub(crate) unsafe fn multiply<V: Levels, C: Scales>(block: &Tile, num_rows: usize, kernels: [TallFn; ROWS]) {
    let mut lifted: Lines<{ STRETCH_BLOCKS * GROUPS }> = [MaybeUninit::uninit(); _];
    let mut scales: Lines<{ STRETCH_BLOCKS * BLOCK_LINES }> = [MaybeUninit::uninit(); _];
    let mut sums: Lines<MOST_ROWS> = [MaybeUninit::uninit(); _];
    let (lifted, scales) = (lifted.as_mut_ptr().cast::<u8>(), scales.as_mut_ptr().cast::<f32>());
    let sums = sums.as_mut_ptr().cast::<f32>();
    let regions = Regions::new(V::CODE, C::CODE, block.num_inputs);
    let num_blocks = block.num_inputs / BLOCK_INPUTS;
    let num_groups = black_box(GROUPS / C::PARTS);
    // Signed bytes are multiplied as they are stored.
    let is_lifted = V::CODE != LevelCode::Byte || V::FEW_BITS.is_some();
    for first_row in (0..num_rows).step_by(MOST_ROWS) {
        let rows = (num_rows - first_row).min(MOST_ROWS);
        for panel in 0..block.columns.div_ceil(LANES) {
            let weights = block.weights.add(panel * block.panel_bytes);
            sums.write_bytes(0, rows * LANES);
            for first in (0..num_blocks).step_by(STRETCH_BLOCKS) {
                let stretch = STRETCH_BLOCKS.min(num_blocks - first);
                let stored = weights.add(regions.levels + first * V::CODE.block_bytes());
                if is_lifted {
                    lift::<V>(stored, stretch, lifted);
                }
                widen::<C>(weights, weights.add(regions.scales), first..first + stretch, scales);
                for row in (0..rows).step_by(ROWS) {
                    let together = ROWS.min(rows - row);
                    let x = block.x.add((first_row + row) * block.x_stride_bytes).cast::<ActivationBlock>();
                    kernels[together - 1](&TallTile {
                        x: x.add(first * together),
                        levels: if is_lifted { lifted } else { stored },
                        scales,
                        num_blocks: stretch,
                        num_groups,
                        sums: sums.add(row * LANES),
                    });
                }
            }
            let column = panel * LANES;
            let tile = Tile {
                bias: if block.bias.is_null() { block.bias } else { block.bias.add(column) },
                out: block.out.add(first_row * block.out_stride + column),
                columns: (block.columns - column).min(LANES),
                ..*block
            };
            finish_sums(Isa::RelaxedSimd)(&tile, sums, rows, 1);
        }
    }
}

/// Makes bytes of the levels of so many blocks: of seven bits where they have no more, else 128 more than they are.
#[inline(always)]
unsafe fn lift<V: Levels>(stored: *const u8, num_blocks: usize, target: *mut u8) {
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

/// Makes floats of the scales of blocks.
#[inline(always)]
unsafe fn widen<C: Scales>(of_256: *const u8, of_32: *const u8, blocks: std::ops::Range<usize>, mut target: *mut f32) {
    for block in blocks {
        let of_256 = of_256.add(block / SUPER_BLOCKS * C::SUPER_BYTES);
        let of_32 = of_32.add(block * C::BLOCK_BYTES);
        for part in 0..C::PARTS {
            C::scale::<Simd128Lanes<true>>(of_256, of_32, part).store(target);
            target = target.add(LANES);
        }
        if C::HAS_MIN {
            for part in 0..C::PARTS {
                C::min::<Simd128Lanes<true>>(of_256, of_32, part).store(target);
                target = target.add(LANES);
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
            let end = levels.add(tall.num_groups * 4 * LANES);
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
                let scale = scales.add(part * LANES + register * 4).cast::<v128>();
                let min = if HAS_MIN { v128_load(scale.add(PARTS * REGISTERS)) } else { f32x4_splat(0.0) };
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
        }
        x = x.add(M);
        scales = scales.add(PARTS * LANES * if HAS_MIN { 2 } else { 1 });
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
