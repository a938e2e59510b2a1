//! Many rows of rounded activations times panels of blocks, a stretch of inputs at a time: the weights of a stretch stay in the
//! nearest cache, and become what micro-kernels take of them once for all rows; meanwhile those of the next stretch are asked for.
//! Sums wait in memory between stretches, which changes none of them. One for all forms and instruction sets, which differ in a few
//! numbers and functions.

use std::ops::Range;

use super::{
    BLOCK_INPUTS, SUPER_BLOCKS,
    form::{LevelCode, ScaleCode},
    regions::Regions,
    rows::ActivationBlock,
    scales::Scales,
};
use crate::{
    finish::FinishFn,
    lanes::{LANES, Lanes},
    lines::{Lines, lines},
    prefetch::ask_for_share,
    tile::Tile,
};

/// Blocks of a stretch: their levels, scales and activations stay in the nearest cache.
const STRETCH_BLOCKS: usize = 2 * SUPER_BLOCKS;

/// Rows whose sums wait at once.
const MOST_ROWS: usize = 192;

/// Panels that pass together at most.
const MOST_PANELS: usize = 2;

/// Bytes of a block of levels of one panel.
const BLOCK_BYTES: usize = LevelCode::Byte.block_bytes();

/// Scales and mins of a block have as many lines at most.
const SCALE_LINES: usize = 4;

/// A few rows, a few panels and a stretch of blocks.
pub(crate) struct TallTile {
    /// The first blocks of all rows side by side, then their second ones.
    pub(crate) x: *const ActivationBlock,
    /// Levels of the first panel, [blocks][groups][16][4].
    pub(crate) levels: *const u8,
    /// Bytes from the levels of one panel to those of the next.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "kernels for WebAssembly have one panel"))]
    pub(crate) levels_stride: usize,
    /// Scales of the first panel as [`widen`] makes them.
    pub(crate) scales: *const f32,
    /// Scales as they are stored: those of 256 of the first panel; the first block is the first of a super-block.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "kernels for WebAssembly take them as floats"))]
    pub(crate) of_256: *const u8,
    /// Those of blocks of the first panel.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "kernels for WebAssembly take them as floats"))]
    pub(crate) of_32: *const u8,
    /// Bytes from the stored scales of one panel to those of the next.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "kernels for WebAssembly take them as floats"))]
    pub(crate) panel_bytes: usize,
    pub(crate) num_blocks: usize,
    /// See [`TallForm::num_steps`].
    pub(crate) num_steps: usize,
    /// Sums of the rows, [rows][panels][16].
    pub(crate) sums: *mut f32,
}

pub(crate) type TallFn = unsafe fn(&TallTile);

/// Makes levels that are multiplied of so many blocks of one panel.
pub(crate) type LiftFn = unsafe fn(*const u8, usize, *mut u8);

/// Makes floats of the scales of blocks of one panel: see [`widen`].
pub(crate) type WidenFn = unsafe fn(*const u8, *const u8, Range<usize>, *mut f32);

/// A form of blocks and how an instruction set multiplies it.
#[derive(Clone, Copy)]
pub(crate) struct TallForm<'a> {
    pub(crate) levels: LevelCode,
    pub(crate) scales: ScaleCode,
    /// The micro-kernels, by rows - 1.
    pub(crate) kernels: &'a [TallFn],
    /// Panels of each of them.
    pub(crate) num_panels: usize,
    /// The instance for the instruction set.
    pub(crate) finish: FinishFn,
    /// None where levels are multiplied as they are stored.
    pub(crate) lift: Option<LiftFn>,
    /// None where kernels take scales as they are stored.
    pub(crate) widen: Option<WidenFn>,
    /// Turns of a kernel's inner loop. Not known where it is compiled: the compiler is not to make one long sequence of the loop, of
    /// which it would keep little in registers.
    pub(crate) num_steps: usize,
}

/// Floats that a part of a block of a panel has beside its levels: scales, and mins if there are any.
pub(crate) const fn part_floats<C: Scales>() -> usize {
    if C::HAS_MIN { 2 * LANES } else { LANES }
}

/// Makes floats of the scales of blocks of a panel: [blocks][parts], sixteen scales and then sixteen mins, if there are any.
///
/// # Safety
/// As [`Scales`]; `of_256` and `of_32` are where the scales of a panel lie, and `target` has room.
#[inline(always)]
pub(crate) unsafe fn widen<L: Lanes, C: Scales>(
    of_256: *const u8,
    of_32: *const u8,
    blocks: Range<usize>,
    mut target: *mut f32,
) {
    for block in blocks {
        let of_256 = of_256.add(block / SUPER_BLOCKS * C::SUPER_BYTES);
        let of_32 = of_32.add(block * C::BLOCK_BYTES);
        for part in 0..C::PARTS {
            C::scale::<L>(of_256, of_32, part).store(target);
            if C::HAS_MIN {
                C::min::<L>(of_256, of_32, part).store(target.add(LANES));
            }
            target = target.add(part_floats::<C>());
        }
    }
}

/// Multiplies `num_rows` rows, which lie in groups as high as the highest micro-kernel, by all columns of `block`.
///
/// # Safety
/// As [`TileFn`](crate::tile::TileFn)s.
pub(crate) unsafe fn multiply(block: &Tile, num_rows: usize, form: &TallForm<'_>) {
    let mut levels: Lines<{ MOST_PANELS * STRETCH_BLOCKS * BLOCK_BYTES / 64 }> = lines();
    let mut scales: Lines<{ MOST_PANELS * STRETCH_BLOCKS * SCALE_LINES }> = lines();
    let mut sums: Lines<{ MOST_PANELS * MOST_ROWS }> = lines();
    let (levels, scales) = (levels.as_mut_ptr().cast::<u8>(), scales.as_mut_ptr().cast::<f32>());
    let sums = sums.as_mut_ptr().cast::<f32>();
    let regions = Regions::new(form.levels, form.scales, block.num_inputs);
    let stored_bytes = form.levels.block_bytes();
    let num_blocks = block.num_inputs / BLOCK_INPUTS;
    let num_panels = block.columns.div_ceil(LANES);
    let group_rows = form.kernels.len();
    let most_rows = MOST_ROWS / group_rows * group_rows;
    for first_row in (0..num_rows).step_by(most_rows) {
        let rows = (num_rows - first_row).min(most_rows);
        for panel in (0..num_panels).step_by(form.num_panels) {
            let panels = form.num_panels.min(num_panels - panel);
            // Where a kernel has more panels than there are, it takes the first for the others too; their sums are dropped.
            let apart = |bytes: usize| if panels == form.num_panels { bytes } else { 0 };
            let weights = block.weights.add(panel * block.panel_bytes);
            sums.write_bytes(0, rows * form.num_panels * LANES);
            for first in (0..num_blocks).step_by(STRETCH_BLOCKS) {
                let stretch = first..num_blocks.min(first + STRETCH_BLOCKS);
                let stored = weights.add(regions.levels + first * stored_bytes);
                for index in 0..panels {
                    let of_panel = index * block.panel_bytes;
                    if let Some(lift) = form.lift {
                        let target = levels.add(index * STRETCH_BLOCKS * BLOCK_BYTES);
                        lift(stored.add(of_panel), stretch.len(), target);
                    }
                    if let Some(widen) = form.widen {
                        let of_256 = weights.add(of_panel);
                        let target = scales.add(index * STRETCH_BLOCKS * SCALE_LINES * LANES);
                        widen(of_256, of_256.add(regions.scales), stretch.clone(), target);
                    }
                }
                let next = if stretch.end == num_blocks {
                    weights.wrapping_add(panels * block.panel_bytes + regions.levels)
                } else {
                    stored.add(STRETCH_BLOCKS * stored_bytes)
                };
                let (of_stretch, levels_stride) = match form.lift {
                    Some(_) => (levels.cast_const(), STRETCH_BLOCKS * BLOCK_BYTES),
                    None => (stored, block.panel_bytes),
                };
                let mut tall = TallTile {
                    x: std::ptr::null(),
                    levels: of_stretch,
                    levels_stride: apart(levels_stride),
                    scales,
                    of_256: weights.add(first / SUPER_BLOCKS * form.scales.super_bytes()),
                    of_32: weights.add(regions.scales + first * form.scales.block_bytes()),
                    panel_bytes: apart(block.panel_bytes),
                    num_blocks: stretch.len(),
                    num_steps: form.num_steps,
                    sums,
                };
                let shares = rows.div_ceil(group_rows);
                for (share, row) in (0..rows).step_by(group_rows).enumerate() {
                    for index in 0..panels {
                        let next = next.wrapping_add(index * block.panel_bytes);
                        ask_for_share(next, STRETCH_BLOCKS * stored_bytes, share, shares);
                    }
                    let together = group_rows.min(rows - row);
                    let x = block.x.add((first_row + row) * block.x_stride_bytes).cast::<ActivationBlock>();
                    tall.x = x.add(first * together);
                    tall.sums = sums.add(row * form.num_panels * LANES);
                    form.kernels[together - 1](&tall);
                }
            }
            let column = panel * LANES;
            let tile = Tile {
                bias: if block.bias.is_null() { block.bias } else { block.bias.add(column) },
                out: block.out.add(first_row * block.out_stride + column),
                columns: (block.columns - column).min(panels * LANES),
                ..*block
            };
            (form.finish)(&tile, sums, rows, form.num_panels);
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::mem::MaybeUninit;

    use quire_blocks::BlockFormat;

    use super::*;
    use crate::{
        Epilogue, Isa, Kernels, Matmul, MatrixOrder, MatrixSource, PackedMatrix, ThreadPool, WeightFormat,
        finish::finish_sums,
        lanes::scalar::ScalarLanes,
        quantised::{
            rows::{RowGroups, quantise_row},
            scales::{Half, Of16, Of32Min},
            sums::scalar::ScalarSums,
            tile::tall_tile,
        },
        testing::{assert_same_bits, numbers, stored_blocks},
    };

    /// Of nibbles of which `ZERO` is taken.
    unsafe fn lift_nibbles<const ZERO: u8>(stored: *const u8, num_blocks: usize, target: *mut u8) {
        for at in 0..num_blocks * LevelCode::Nibble.block_bytes() {
            let (pair, target) = (*stored.add(at), target.add(at / 64 * 128 + at % 64));
            *target = (pair & 15) + 128 - ZERO;
            *target.add(64) = (pair >> 4) + 128 - ZERO;
        }
    }

    fn kernels<C: Scales>() -> [TallFn; 3] {
        [tall_tile::<ScalarSums, C, 1, 2>, tall_tile::<ScalarSums, C, 2, 2>, tall_tile::<ScalarSums, C, 3, 2>]
    }

    /// By kernels of the scalar set, so that it is tested where those of the set that has two panels are not there.
    #[test]
    fn stretches_of_two_panels_have_the_bits_of_the_scalar_twin() {
        let (pool, scalar) = (ThreadPool::new(1).expect("threads"), Kernels::new(Isa::Scalar).expect("scalar"));
        let forms = [
            (BlockFormat::Q8_0, LevelCode::Byte, None, ScaleCode::Half, kernels::<Half>()),
            (
                BlockFormat::Q4_0,
                LevelCode::Nibble,
                Some(lift_nibbles::<8> as LiftFn),
                ScaleCode::Half,
                kernels::<Half>(),
            ),
            (BlockFormat::Q6_K, LevelCode::Byte, None, ScaleCode::Of16, kernels::<Of16>()),
            (
                BlockFormat::Q4_K,
                LevelCode::Nibble,
                Some(lift_nibbles::<0> as LiftFn),
                ScaleCode::Of32Min,
                kernels::<Of32Min>(),
            ),
        ];
        let shapes = [(64, 32), (37, 1280), (16, 512), (70, 544), (48, 768)];
        for ((format, levels, lift, scales, kernels), (n, k)) in
            forms.into_iter().flat_map(|form| shapes.map(|shape| (form, shape)))
        {
            if scales != ScaleCode::Half && k % (SUPER_BLOCKS * BLOCK_INPUTS) != 0 {
                continue;
            }
            let bytes = stored_blocks(format, n * k, 5);
            let (stored, order) = (WeightFormat::Blocks(format), MatrixOrder::OutputsFirst);
            let (num_outputs, num_inputs) = (n, k);
            let source = MatrixSource {
                bytes: &bytes,
                stored,
                packed: stored,
                order,
                num_outputs,
                num_inputs,
                importance: None,
            };
            let weights = PackedMatrix::pack(&pool, &[source]).expect("fits");
            let segment = &weights.segments()[0];
            for m in [1, 3, 8, 200] {
                let (x, bias) = (numbers(m * k, 4), numbers(n, 3));
                let mut twin = vec![0.5; m * n];
                let (epilogue, out_stride) = (Epilogue::Add, n);
                let (out, weights) = (&mut twin[..], &weights);
                let product = Matmul { x: &x, num_rows: m, weights, bias: Some(&bias), out, out_stride, epilogue };
                scalar.matmul(&pool, product).expect("memory");

                let groups = RowGroups { num_rows: m, group_rows: kernels.len(), num_blocks: k / BLOCK_INPUTS };
                let mut blocks = vec![MaybeUninit::<ActivationBlock>::uninit(); m * groups.num_blocks];
                let blocks = blocks.as_mut_ptr().cast::<ActivationBlock>();
                for (row, x) in x.chunks(k).enumerate() {
                    let (first, stride) = groups.place(row);
                    // SAFETY: each block of a row has a place of its own.
                    unsafe { quantise_row(Isa::Scalar)(x, blocks.add(first), stride) };
                }
                let mut out = vec![0.5; m * n];
                let block = Tile {
                    weights: segment.bytes().as_ptr(),
                    panel_bytes: segment.panel_bytes,
                    x: blocks.cast(),
                    x_stride_bytes: groups.num_blocks * size_of::<ActivationBlock>(),
                    x_scales: std::ptr::null(),
                    num_inputs: k,
                    bias: bias.as_ptr(),
                    out: out.as_mut_ptr(),
                    out_stride: n,
                    columns: n,
                    epilogue,
                    waiting: std::ptr::null_mut(),
                };
                let form = TallForm {
                    levels,
                    scales,
                    kernels: &kernels,
                    num_panels: 2,
                    finish: finish_sums::<ScalarLanes>,
                    lift,
                    widen: None,
                    num_steps: 0,
                };
                // SAFETY: all that the tile names is there, and portable code needs no instructions.
                unsafe { multiply(&block, m, &form) };
                assert_same_bits(&out, &twin, &format!("{format} n={n} k={k} m={m}"));
            }
        }
    }
}
