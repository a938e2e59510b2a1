//! Many rows of rounded activations times panels of blocks by Intel's tiles: products of bytes, sixteen rows at once.
//!
//! A tile takes the levels of a row as they lie in its [`ActivationBlock`]s, and those of a panel as lifted bytes; its sums are
//! of the 32 or 16 inputs with one scale, and go through memory to vectors of floats, where they are added in the order of every other
//! instruction set, so that the bits are the same.

use std::{
    arch::asm,
    mem::{MaybeUninit, offset_of},
    ops::Range,
};

use super::{
    BLOCK_INPUTS, SUPER_BLOCKS, form::LevelCode, levels::Levels, regions::Regions, rows::ActivationBlock,
    scales::Scales,
};
use crate::{
    amx::{Configured, TILE_ROWS, TILE_SUMS, TileMemory, store_sums},
    lanes::{LANES, Lanes, avx512::Avx512Lanes},
    prefetch::ask_for_share,
    tile::Tile,
};

/// Blocks of a stretch: its levels, of [`PANELS`] panels 8 KiB, stay in the nearest cache while all rows pass.
const STRETCH_BLOCKS: usize = SUPER_BLOCKS;

/// Panels that pass together.
const PANELS: usize = 2;

/// Rows whose sums wait at once.
const MOST_ROWS: usize = 192;

/// Bytes of a block of levels of one panel.
const BLOCK_BYTES: usize = LevelCode::Byte.block_bytes();

/// Vectors of floats for each block: scales and mins of two halves.
const MOST_SCALES: usize = 4;

/// A stretch of the blocks of up to sixteen rows and of one panel.
struct Stretch {
    /// The first blocks of all rows side by side, then their second ones.
    x: *const u8,
    /// Bytes from the blocks to the next ones.
    block: usize,
    /// Signed bytes.
    levels: *const u8,
    /// Sixteen scales, then sixteen mins where there are any, for each block, or for each half of it.
    scales: *const f32,
    /// A tile.
    sums: *mut f32,
    /// How many blocks.
    num_blocks: usize,
}

/// Adds the products of a stretch to the sums.
type AddProducts = unsafe fn(Stretch);

/// What a stretch of some panels becomes, in the nearest cache.
#[derive(Clone, Copy)]
struct Lifted {
    /// [panels][blocks], signed bytes.
    levels: *mut u8,
    /// [panels][blocks], scales and mins.
    scales: *mut f32,
}

/// Any number of rows, which lie in groups of sixteen with readable memory for sixteen more blocks behind them, times all
/// columns of `block`.
///
/// # Safety
/// As [`TileFn`](crate::tile::TileFn)s, on a CPU with [`has_byte_products`](crate::amx::has_byte_products).
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
pub(crate) unsafe fn multiply<V: Levels, C: Scales>(block: &Tile, num_rows: usize) {
    // A product is of the inputs that share a scale.
    let inputs = BLOCK_INPUTS / C::PARTS;
    let (rows, groups) = (TILE_ROWS as u8, (inputs / 4) as u8);
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
        for panel in (0..num_panels).step_by(PANELS) {
            let panels = panel..num_panels.min(panel + PANELS);
            std::ptr::write_bytes(sums, 0, rows.len().div_ceil(TILE_ROWS) * panels.len() * TILE_SUMS);
            for first in (0..num_blocks).step_by(STRETCH_BLOCKS) {
                let blocks = first..num_blocks.min(first + STRETCH_BLOCKS);
                lift_stretch::<V, C>(block, panels.clone(), blocks.clone(), lifted);
                add_stretch::<V, C>(block, rows.clone(), panels.clone(), blocks, lifted, sums);
            }
            for row in rows.clone().step_by(TILE_ROWS) {
                let sums = sums.add((row - rows.start) * panels.len() * LANES);
                store_sums(block, row..rows.end.min(row + TILE_ROWS), panels.clone(), sums);
            }
        }
    }
    drop(configured);
}

/// Makes signed bytes of levels, and floats of scales and mins.
#[inline(always)]
unsafe fn lift_stretch<V: Levels, C: Scales>(block: &Tile, panels: Range<usize>, blocks: Range<usize>, lifted: Lifted) {
    let regions = Regions::new(V::CODE, C::CODE, block.num_inputs);
    for (index, panel) in panels.enumerate() {
        let weights = block.weights.add(panel * block.panel_bytes);
        let stored = weights.add(regions.levels + blocks.start * V::CODE.block_bytes());
        let target = lifted.levels.add(index * STRETCH_BLOCKS * BLOCK_BYTES);
        V::lift(stored, blocks.len() * V::CODE.block_bytes(), 0, target);
        for (within, block) in blocks.clone().enumerate() {
            let of_256 = weights.add(block / SUPER_BLOCKS * C::CODE.super_bytes());
            let of_32 = weights.add(regions.scales + block * C::CODE.block_bytes());
            let target = lifted.scales.add((index * STRETCH_BLOCKS + within) * floats_of::<C>());
            for part in 0..C::PARTS {
                let target = target.add(part * (floats_of::<C>() / C::PARTS));
                C::scale::<Avx512Lanes>(of_256, of_32, part).store(target);
                if C::HAS_MIN {
                    C::min::<Avx512Lanes>(of_256, of_32, part).store(target.add(LANES));
                }
            }
        }
    }
}

/// Floats that a block of a panel has beside its levels.
const fn floats_of<C: Scales>() -> usize {
    C::PARTS * if C::HAS_MIN { 2 * LANES } else { LANES }
}

/// Adds the products of a stretch of all rows; meanwhile asks for the levels that are wanted next.
#[inline(always)]
unsafe fn add_stretch<V: Levels, C: Scales>(
    block: &Tile,
    rows: Range<usize>,
    panels: Range<usize>,
    blocks: Range<usize>,
    lifted: Lifted,
    sums: *mut f32,
) {
    let (low, high): (AddProducts, AddProducts) = match (C::PARTS, C::HAS_MIN) {
        (1, false) => (eight_rows, sixteen_rows),
        (1, true) => (eight_rows_min, sixteen_rows_min),
        (_, false) => (eight_rows_halves, sixteen_rows_halves),
        (_, true) => (eight_rows_halves_min, sixteen_rows_halves_min),
    };
    let num_blocks = block.num_inputs / BLOCK_INPUTS;
    let levels = Regions::new(V::CODE, C::CODE, block.num_inputs).levels;
    let (next_panel, next) = if blocks.end < num_blocks {
        (panels.start, blocks.end..num_blocks.min(blocks.end + STRETCH_BLOCKS))
    } else {
        (panels.end, 0..num_blocks.min(STRETCH_BLOCKS))
    };
    let next_bytes = next.len() * V::CODE.block_bytes();
    let next = block.weights.wrapping_add(next_panel * block.panel_bytes + levels + next.start * V::CODE.block_bytes());
    let shares = rows.len().div_ceil(TILE_ROWS);
    for (share, row) in rows.clone().step_by(TILE_ROWS).enumerate() {
        let num_rows = TILE_ROWS.min(rows.end - row);
        let x = block.x.add(row * block.x_stride_bytes).cast::<ActivationBlock>().add(blocks.start * num_rows);
        for index in 0..panels.len() {
            ask_for_share(next.wrapping_add(index * block.panel_bytes), next_bytes, share, shares);
            let add_products = if num_rows > TILE_ROWS / 2 { high } else { low };
            add_products(Stretch {
                x: x.cast(),
                block: num_rows * size_of::<ActivationBlock>(),
                levels: lifted.levels.add(index * STRETCH_BLOCKS * BLOCK_BYTES),
                scales: lifted.scales.add(index * STRETCH_BLOCKS * floats_of::<C>()),
                sums: sums.add((share * panels.len() + index) * TILE_SUMS),
                num_blocks: blocks.len(),
            });
        }
    }
}

/// How far the rows and the levels are behind a part of a block: all of it, or one of its halves.
macro_rules! behind {
    (whole) => {
        "add {x}, {block}\nadd {levels}, 512\n"
    };
    (first) => {
        "add {x}, 16\nadd {levels}, 256\n"
    };
    (second) => {
        "lea {x}, [{x} + {block} - 16]\nadd {levels}, 256\n"
    };
}

/// The same of what floats take of the rows.
macro_rules! behind_floats {
    (first) => {
        ""
    };
    ($part:ident) => {
        "add {late}, {block}\n"
    };
}

/// Where the sum of the activations of a part is.
macro_rules! activation_sum {
    (second) => {
        "{sum} + 4"
    };
    ($part:ident) => {
        "{sum}"
    };
}

/// The tile of sums of a part, which takes two others; what it held before is stored where that is said.
macro_rules! tile {
    ($part:ident, $sums:literal = $x:literal * $levels:literal $(, stores at $place:literal)?) => {
        concat!(
            concat!("tileloadd ", $x, ", [{x} + {line}]\n"),
            concat!("tileloadd ", $levels, ", [{levels} + {line}]\n"),
            $(concat!("tilestored [{waiting} + {line} + ", $place, "], ", $sums, "\n"),)?
            concat!("tilezero ", $sums, "\n"),
            concat!("tdpbssd ", $sums, ", ", $x, ", ", $levels, "\n"),
            behind!($part),
        )
    };
}

/// Adds the stored sums of a part, scaled, and the mins.
macro_rules! floats {
    ($mins:ident, $part:ident, $rows:literal, $place:literal) => {
        concat!(
            "vmovaps zmm16, [{scales}]\n",
            concat!(".irp row, ", $rows, "\n"),
            "vmulps zmm17, zmm16, dword ptr [{late} + 64 * \\row + {scale}]{{1to16}}\n",
            concat!("vcvtdq2ps zmm18, zmmword ptr [{waiting} + 64 * \\row + ", $place, "]\n"),
            "vfmadd231ps zmm\\row, zmm17, zmm18\n",
            ".endr\n",
            floats!($mins, $part, $rows),
            behind_floats!($part),
        )
    };
    (scales, $part:ident, $rows:literal) => {
        "add {scales}, 64\n"
    };
    (mins, $part:ident, $rows:literal) => {
        concat!(
            "vmovaps zmm16, [{scales} + 64]\n",
            concat!(".irp row, ", $rows, "\n"),
            concat!(
                "vfmadd231ps zmm\\row, zmm16, dword ptr [{late} + 64 * \\row + ",
                activation_sum!($part),
                "]{{1to16}}\n"
            ),
            ".endr\n",
            "add {scales}, 128\n",
        )
    };
}

/// The products of one block behind the last four parts.
macro_rules! rest {
    ($mins:ident, $rows:literal, whole, whole) => {
        concat!(
            tile!(whole, "tmm0" = "tmm4" * "tmm6"),
            "tilestored [{waiting} + {line}], tmm0\n",
            floats!($mins, whole, $rows, "0"),
        )
    };
    ($mins:ident, $rows:literal, $one:ident, $other:ident) => {
        concat!(
            tile!($one, "tmm0" = "tmm4" * "tmm6"),
            tile!($other, "tmm1" = "tmm5" * "tmm7"),
            "tilestored [{waiting} + {line}], tmm0\n",
            "tilestored [{waiting} + {line} + 1024], tmm1\n",
            floats!($mins, $one, $rows, "0"),
            floats!($mins, $other, $rows, "1024"),
        )
    };
}

/// Defines the products of so many rows and of blocks of so many parts, four parts at a time. Tiles are four parts ahead of
/// floats: a tile that is stored long after its product waits for nothing.
macro_rules! products {
    ($name:ident: $rows:literal, $mins:ident, ($one:ident, $other:ident), four of $blocks:literal, $sum:ident) => {
        unsafe fn $name(stretch: Stretch) {
            let mut waiting = MaybeUninit::<TileMemory<4>>::uninit();
            asm!(
                concat!(".irp row, ", $rows, "\n", "vmovaps zmm\\row, [{sums} + 64 * \\row]\n", ".endr"),
                "test {fours}, {fours}",
                "jz 4f",
                tile!($one, "tmm0" = "tmm4" * "tmm6"),
                tile!($other, "tmm1" = "tmm5" * "tmm7"),
                tile!($one, "tmm2" = "tmm4" * "tmm6"),
                tile!($other, "tmm3" = "tmm5" * "tmm7"),
                "dec {fours}",
                "jz 3f",
                "2:",
                tile!($one, "tmm0" = "tmm4" * "tmm6", stores at "0"),
                floats!($mins, $one, $rows, "0"),
                tile!($other, "tmm1" = "tmm5" * "tmm7", stores at "1024"),
                floats!($mins, $other, $rows, "1024"),
                tile!($one, "tmm2" = "tmm4" * "tmm6", stores at "2048"),
                floats!($mins, $one, $rows, "2048"),
                tile!($other, "tmm3" = "tmm5" * "tmm7", stores at "3072"),
                floats!($mins, $other, $rows, "3072"),
                "dec {fours}",
                "jnz 2b",
                "3:",
                "tilestored [{waiting} + {line}], tmm0",
                "tilestored [{waiting} + {line} + 1024], tmm1",
                "tilestored [{waiting} + {line} + 2048], tmm2",
                "tilestored [{waiting} + {line} + 3072], tmm3",
                floats!($mins, $one, $rows, "0"),
                floats!($mins, $other, $rows, "1024"),
                floats!($mins, $one, $rows, "2048"),
                floats!($mins, $other, $rows, "3072"),
                "4:",
                "test {rest}, {rest}",
                "jz 6f",
                "5:",
                rest!($mins, $rows, $one, $other),
                "dec {rest}",
                "jnz 5b",
                "6:",
                concat!(".irp row, ", $rows, "\n", "vmovaps [{sums} + 64 * \\row], zmm\\row\n", ".endr"),
                // A name that not every form uses.
                "/* {sum} */",
                x = inout(reg) stretch.x => _,
                late = inout(reg) stretch.x => _,
                block = in(reg) stretch.block,
                levels = inout(reg) stretch.levels => _,
                scales = inout(reg) stretch.scales => _,
                waiting = in(reg) waiting.as_mut_ptr(),
                sums = in(reg) stretch.sums,
                line = in(reg) 64_usize,
                fours = inout(reg) stretch.num_blocks / $blocks => _,
                rest = inout(reg) stretch.num_blocks % $blocks => _,
                scale = const offset_of!(ActivationBlock, scale),
                sum = const offset_of!(ActivationBlock, $sum),
                out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _,
                out("zmm4") _, out("zmm5") _, out("zmm6") _, out("zmm7") _,
                out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _,
                out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _,
                out("zmm16") _, out("zmm17") _, out("zmm18") _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    };
    ($name:ident of blocks: $rows:literal, $mins:ident) => {
        products!($name: $rows, $mins, (whole, whole), four of 4, sum);
    };
    ($name:ident of halves: $rows:literal, $mins:ident) => {
        products!($name: $rows, $mins, (first, second), four of 2, half_sums);
    };
}

products!(eight_rows of blocks: "0,1,2,3,4,5,6,7", scales);
products!(eight_rows_min of blocks: "0,1,2,3,4,5,6,7", mins);
products!(sixteen_rows of blocks: "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15", scales);
products!(sixteen_rows_min of blocks: "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15", mins);
products!(eight_rows_halves of halves: "0,1,2,3,4,5,6,7", scales);
products!(eight_rows_halves_min of halves: "0,1,2,3,4,5,6,7", mins);
products!(sixteen_rows_halves of halves: "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15", scales);
products!(sixteen_rows_halves_min of halves: "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15", mins);

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
