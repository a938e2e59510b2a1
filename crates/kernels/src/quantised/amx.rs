//! Many rows of rounded activations times panels of blocks by Intel's tiles: products of bytes, sixteen rows at once.
//!
//! A tile takes the levels of a row as they lie in its [`ActivationBlock`]s, and those of a panel as lifted bytes, or for few rows
//! as bytes that are stored; its sums are of the 32 or 16 inputs with one scale, and go through memory to vectors of floats,
//! where they are added in the order of every other instruction set, so that the bits are the same.

use std::{mem::MaybeUninit, ops::Range};

use super::{
    BLOCK_INPUTS, SUPER_BLOCKS,
    form::{LevelCode, ScaleCode},
    levels::Levels,
    regions::Regions,
    rows::ActivationBlock,
    scales::Scales,
    tall::{WidenFn, part_floats, widen},
};
use crate::{
    amx::{Configured, TILE_ROWS, TILE_SUMS, TileMemory, ask_for_results, store_sums},
    lanes::{LANES, avx512::Avx512Lanes},
    prefetch::{ask_for_line, ask_for_share},
    tile::Tile,
};
use products::{AddProducts, Stretch};

mod products;

/// Blocks of a stretch: its levels, of [`PANELS`] panels 16 KiB, stay in the nearest cache while all rows pass.
const STRETCH_BLOCKS: usize = SUPER_BLOCKS;

/// Panels that pass together where rows come from far away: as many products to each reading of them.
const PANELS: usize = 4;

/// Panels that pass together otherwise: fewer, which leave the nearest cache to rows.
const NEAR_PANELS: usize = 2;

/// Bytes of rows that the cache of one core holds beside weights and results.
const NEAR_ROWS_BYTES: usize = 512 * 1024;

/// Tiles of rows that take weights as fast as they come.
const FEW_SHARES: usize = 2;

/// Rows whose sums wait at once.
const MOST_ROWS: usize = 192;

/// Bytes of a block of levels of one panel.
const BLOCK_BYTES: usize = LevelCode::Byte.block_bytes();

/// Vectors of floats for each block: scales and mins of two halves.
const MOST_SCALES: usize = 4;

/// What a stretch of some panels becomes, in the nearest cache.
#[derive(Clone, Copy)]
struct Lifted {
    /// [panels][blocks], signed bytes.
    levels: *mut u8,
    /// [panels][blocks], scales and mins.
    scales: *mut f32,
}

/// How a form is stored, and what becomes of it.
#[derive(Clone, Copy)]
struct Form {
    levels: LevelCode,
    scales: ScaleCode,
    /// Parts of a block with scales of their own.
    parts: usize,
    /// Floats that a block of a panel has beside its levels.
    floats: usize,
    /// Makes signed bytes of levels.
    lift: unsafe fn(*const u8, usize, u8, *mut u8),
    /// Makes floats of scales and mins.
    widen: WidenFn,
    /// Products of signed levels.
    of_signed: (AddProducts, AddProducts),
    /// The same of levels as they are stored.
    of_stored: (AddProducts, AddProducts),
}

/// The instance of [`widen`] for these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn widen_scales<C: Scales>(of_256: *const u8, of_32: *const u8, blocks: Range<usize>, target: *mut f32) {
    widen::<Avx512Lanes, C>(of_256, of_32, blocks, target);
}

/// Any number of rows, which lie in groups of sixteen with readable memory for sixteen more blocks behind them, times all
/// columns of `block`.
///
/// # Safety
/// As [`TileFn`](crate::tile::TileFn)s, on a CPU with [`has_byte_products`](crate::amx::has_byte_products).
pub(crate) unsafe fn multiply<V: Levels, C: Scales>(block: &Tile, num_rows: usize) {
    let form = Form {
        levels: V::CODE,
        scales: C::CODE,
        parts: C::PARTS,
        floats: C::PARTS * part_floats::<C>(),
        lift: V::lift,
        widen: widen_scales::<C>,
        of_signed: products::of::<C>(false),
        of_stored: products::of::<C>(true),
    };
    multiply_form(block, num_rows, &form);
}

/// The same, once for all forms.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn multiply_form(block: &Tile, num_rows: usize, form: &Form) {
    // A product is of the inputs that share a scale.
    let inputs = BLOCK_INPUTS / form.parts;
    let (rows, groups) = (TILE_ROWS.min(num_rows) as u8, (inputs / 4) as u8);
    let (sums, x, weights) = ((rows, 64), (rows, inputs as u16), (groups, 64));
    let configured = Configured::new([sums, sums, sums, sums, x, x, weights, weights]);
    let num_blocks = block.num_inputs / BLOCK_INPUTS;
    let mut levels = MaybeUninit::<[TileMemory<{ STRETCH_BLOCKS * BLOCK_BYTES / 1024 }>; PANELS]>::uninit();
    let mut scales = MaybeUninit::<[TileMemory<{ STRETCH_BLOCKS * MOST_SCALES / TILE_ROWS }>; PANELS]>::uninit();
    let lifted = Lifted { levels: levels.as_mut_ptr().cast(), scales: scales.as_mut_ptr().cast() };
    let mut sums = MaybeUninit::<[TileMemory<PANELS>; MOST_ROWS / TILE_ROWS]>::uninit();
    let sums = sums.as_mut_ptr().cast::<f32>();
    let num_panels = block.columns.div_ceil(LANES);
    for first_row in (0..num_rows).step_by(MOST_ROWS) {
        let rows = first_row..num_rows.min(first_row + MOST_ROWS);
        let most_panels = if rows.len() * block.x_stride_bytes > NEAR_ROWS_BYTES { PANELS } else { NEAR_PANELS };
        for panel in (0..num_panels).step_by(most_panels) {
            let panels = panel..num_panels.min(panel + most_panels);
            std::ptr::write_bytes(sums, 0, rows.len().div_ceil(TILE_ROWS) * panels.len() * TILE_SUMS);
            for first in (0..num_blocks).step_by(STRETCH_BLOCKS) {
                let blocks = first..num_blocks.min(first + STRETCH_BLOCKS);
                lift_stretch(form, block, rows.len(), panels.clone(), blocks.clone(), lifted);
                add_stretch(form, block, rows.clone(), panels.clone(), blocks, lifted, sums);
            }
            for row in rows.clone().step_by(TILE_ROWS) {
                let sums = sums.add((row - rows.start) * panels.len() * LANES);
                store_sums(block, row..rows.end.min(row + TILE_ROWS), panels.clone(), sums);
            }
        }
    }
    drop(configured);
}

/// Whether products take levels as they are stored, with 128 added: as few rows take that back for less than it costs to make
/// other bytes of all levels.
fn takes_stored(form: &Form, num_rows: usize) -> bool {
    form.levels == LevelCode::Byte && num_rows <= TILE_ROWS
}

/// Makes signed bytes of levels, unless they are taken as stored, and floats of scales and mins.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn lift_stretch(
    form: &Form,
    block: &Tile,
    num_rows: usize,
    panels: Range<usize>,
    blocks: Range<usize>,
    lifted: Lifted,
) {
    let regions = Regions::new(form.levels, form.scales, block.num_inputs);
    for (index, panel) in panels.enumerate() {
        let weights = block.weights.add(panel * block.panel_bytes);
        if !takes_stored(form, num_rows) {
            let stored = weights.add(regions.levels + blocks.start * form.levels.block_bytes());
            let target = lifted.levels.add(index * STRETCH_BLOCKS * BLOCK_BYTES);
            (form.lift)(stored, blocks.len() * form.levels.block_bytes(), 0, target);
        }
        let target = lifted.scales.add(index * STRETCH_BLOCKS * form.floats);
        (form.widen)(weights, weights.add(regions.scales), blocks.clone(), target);
    }
}

/// Adds the products of a stretch of all rows; meanwhile asks for the levels that are wanted next.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn add_stretch(
    form: &Form,
    block: &Tile,
    rows: Range<usize>,
    panels: Range<usize>,
    blocks: Range<usize>,
    lifted: Lifted,
    sums: *mut f32,
) {
    let are_stored = takes_stored(form, rows.len());
    let (low, high) = if are_stored { form.of_stored } else { form.of_signed };
    let num_blocks = block.num_inputs / BLOCK_INPUTS;
    let regions = Regions::new(form.levels, form.scales, block.num_inputs);
    let (next_panel, next) = if blocks.end < num_blocks {
        (panels.start, blocks.end..num_blocks.min(blocks.end + STRETCH_BLOCKS))
    } else {
        (panels.end, 0..num_blocks.min(STRETCH_BLOCKS))
    };
    let next_bytes = next.len() * form.levels.block_bytes();
    let next_scales_bytes = next.len() * form.scales.block_bytes();
    let x_of = |row: usize, first: usize| {
        let row_blocks = first * TILE_ROWS.min(rows.end - row);
        block.x.wrapping_add(row * block.x_stride_bytes + row_blocks * size_of::<ActivationBlock>())
    };
    let shares = rows.len().div_ceil(TILE_ROWS);
    for (share, row) in rows.clone().step_by(TILE_ROWS).enumerate() {
        let num_rows = TILE_ROWS.min(rows.end - row);
        if blocks.end == num_blocks {
            ask_for_results(block, row..row + num_rows, panels.clone());
        }
        let next_row = row + TILE_ROWS;
        let next_x = if next_row < rows.end { x_of(next_row, blocks.start) } else { x_of(rows.start, next.start) };
        let x_bytes = blocks.len() * num_rows * size_of::<ActivationBlock>() / panels.len();
        for index in 0..panels.len() {
            // Few rows take weights as fast as they come, and ask for them product by product. Of more, some of the weights
            // are asked for with each tile, and the rows of the next tile product by product where they are far away.
            let next_weights = block.weights.wrapping_add((next_panel + index) * block.panel_bytes);
            let next_levels = next_weights.wrapping_add(regions.levels + next.start * form.levels.block_bytes());
            let next_scales = next_weights.wrapping_add(regions.scales + next.start * form.scales.block_bytes());
            ask_for_share(next_scales, next_scales_bytes, share, shares);
            if share == 0 && form.scales.super_bytes() > 0 {
                ask_for_line(next_weights.wrapping_add(next.start / SUPER_BLOCKS * form.scales.super_bytes()));
            }
            let (ahead, ahead_bytes) = if shares <= FEW_SHARES {
                let bytes = form.levels.block_bytes() * blocks.len() / shares;
                (next_levels.wrapping_add(share * bytes), bytes)
            } else {
                ask_for_share(next_levels, next_bytes, share, shares);
                if panels.len() > NEAR_PANELS { (next_x.wrapping_add(index * x_bytes), x_bytes) } else { (next_x, 0) }
            };
            let add_products = if num_rows > TILE_ROWS / 2 { high } else { low };
            add_products(Stretch {
                x: x_of(row, blocks.start),
                block: num_rows * size_of::<ActivationBlock>(),
                levels: if are_stored {
                    let stored = regions.levels + blocks.start * form.levels.block_bytes();
                    block.weights.add((panels.start + index) * block.panel_bytes + stored)
                } else {
                    lifted.levels.add(index * STRETCH_BLOCKS * BLOCK_BYTES)
                },
                scales: lifted.scales.add(index * STRETCH_BLOCKS * form.floats),
                sums: sums.add((share * panels.len() + index) * TILE_SUMS),
                num_blocks: blocks.len(),
                ahead,
                ahead_step: ahead_bytes / (4 * blocks.len() * form.parts),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use quire_blocks::BlockFormat;

    use crate::{
        Epilogue, Isa, Kernels, Matmul, MatrixOrder, MatrixSource, PackedMatrix, ThreadPool, WeightFormat,
        testing::{assert_same_bits, numbers, stored_blocks},
    };

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that lacks something says so")]
    fn tiles_of_every_height_and_length_have_the_bits_of_the_scalar_twin() {
        let Ok(kernels) = Kernels::new(Isa::Amx) else {
            eprintln!("SKIPPED tiles of bytes: this processor or system lacks them");
            return;
        };
        let scalar = Kernels::new(Isa::Scalar).expect("scalar");
        let pool = ThreadPool::new(2).expect("threads");
        for (format, n, k) in [
            (BlockFormat::Q8_0, 16, 32),
            (BlockFormat::Q8_0, 33, 96),
            (BlockFormat::Q4_0, 70, 288),
            (BlockFormat::Q4_1, 17, 1120),
            (BlockFormat::IQ4_NL, 40, 160),
            (BlockFormat::Q5_1, 5, 224),
            (BlockFormat::Q4_K, 37, 768),
            (BlockFormat::Q6_K, 37, 768),
            (BlockFormat::Q2_K, 19, 512),
            // So many inputs that rows are far away.
            (BlockFormat::Q4_K, 70, 8192),
            (BlockFormat::Q3_K, 37, 8192),
        ] {
            let bytes = stored_blocks(format, n * k, 5);
            let (stored, order) = (WeightFormat::Blocks(format), MatrixOrder::OutputsFirst);
            let source = MatrixSource {
                bytes: &bytes,
                stored,
                packed: stored,
                order,
                num_outputs: n,
                num_inputs: k,
                importance: None,
            };
            let weights = PackedMatrix::pack(&pool, &[source]).expect("fits");
            let x = numbers(225 * k, 4);
            let product = |kernels: &Kernels, num_rows: usize| {
                let mut out = vec![0.5; num_rows * n];
                let (x, weights, epilogue) = (&x[..num_rows * k], &weights, Epilogue::Add);
                let matmul = Matmul { x, num_rows, weights, bias: None, out: &mut out, out_stride: n, epilogue };
                kernels.matmul(&pool, matmul).expect("memory");
                out
            };
            let twin = product(&scalar, 225);
            for num_rows in [7, 8, 9, 15, 16, 17, 24, 25, 33, 193, 225] {
                let what = format!("{format} n={n} k={k}, {num_rows} rows");
                assert_same_bits(&product(&kernels, num_rows), &twin[..num_rows * n], &what);
            }
        }
    }
}
