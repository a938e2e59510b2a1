//! Intel's tile registers: eight registers of sixteen rows of 64 bytes, and products of whole tiles. Panels of bf16 are
//! the right-hand tiles of these products as they lie.
//!
//! Tiles are zeroed after the last product that reads them. On a host whose cores are shared, loads and products of tiles were
//! seen to take turns, as if there were hardly more places than names; a zeroed tile gives its place back, and what was measured
//! to be 1.4 to 1.8 times as fast there is no slower where loads and products run side by side anyway.
//!
//! The compiler knows nothing of tiles, so nothing but what is here uses them. Blocks of assembly leave no sums in tiles; what
//! they do rely on from one to the next is the configuration, which a [`Configured`] holds in its thread.

use std::{arch::asm, mem::MaybeUninit, ops::Range};

use crate::{
    finish::finish_sums,
    lanes::{LANES, avx512::Avx512Lanes},
    prefetch::ask_to_write,
    tile::Tile,
};
use products::{Bf16Products, Instruction, Operands};

pub(crate) mod many_rows;
pub(crate) mod products;

/// Rows of a tile.
pub(crate) const TILE_ROWS: usize = 16;

/// Rows of two tiles: as many need no order of work that saves memory traffic.
pub(crate) const FEW_ROWS: usize = 2 * TILE_ROWS;

/// Bytes of a row of a tile.
pub(crate) const ROW_BYTES: usize = 64;

/// Sums of a tile.
pub(crate) const TILE_SUMS: usize = TILE_ROWS * LANES;

/// Inputs of one product of bf16 tiles.
const BF16_INPUTS: usize = 32;

/// Bytes of a whole tile.
pub(crate) const TILE_BYTES: usize = TILE_ROWS * ROW_BYTES;

/// Whether the CPU has tiles with products of bf16, and the system lets this process use them, which it asks.
#[cfg(target_os = "linux")]
pub(crate) fn is_available() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

    // Tiles, and their products of bf16.
    const FEATURES: u32 = 1 << 24 | 1 << 22;
    // The system saves the configuration of tiles, and the tiles.
    const SAVED: u64 = 1 << 17 | 1 << 18;
    const USES_XSAVE: u32 = 1 << 27;
    // ARCH_REQ_XCOMP_PERM of Linux 5.16, and its number of the tiles.
    const REQUEST_PERMISSION: libc::c_long = 0x1023;
    const TILE_DATA: libc::c_long = 18;

    #[target_feature(enable = "xsave")]
    fn saved() -> u64 {
        // SAFETY: the feature is there.
        unsafe { _xgetbv(0) }
    }

    if __cpuid(0).eax < 7 || __cpuid(1).ecx & USES_XSAVE == 0 || __cpuid_count(7, 0).edx & FEATURES != FEATURES {
        return false;
    }
    // SAFETY: the system uses xsave; asking for permission changes nothing but what threads may do.
    unsafe { saved() & SAVED == SAVED && libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0 }
}

/// Other systems are not asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_available() -> bool {
    false
}

/// Whether a CPU with tiles also multiplies bytes with them.
pub(crate) fn has_byte_products() -> bool {
    const FEATURE: u32 = 1 << 25;
    std::arch::x86_64::__cpuid_count(7, 0).edx & FEATURE != 0
}

/// A thread whose tiles have shapes, until this is dropped.
pub(crate) struct Configured(());

impl Configured {
    /// Tiles by their numbers: rows, and bytes of each.
    ///
    /// # Safety
    /// [`is_available`], and no other configuration lives in this thread.
    pub(crate) unsafe fn new(shapes: [(u8, u16); 8]) -> Configured {
        #[repr(C, align(64))]
        struct Configuration {
            palette: u8,
            start_row: u8,
            reserved: [u8; 14],
            row_bytes: [u16; 16],
            rows: [u8; 16],
        }
        let mut configuration =
            Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        for (tile, (rows, row_bytes)) in shapes.into_iter().enumerate() {
            (configuration.rows[tile], configuration.row_bytes[tile]) = (rows, row_bytes);
        }
        asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(readonly, nostack, preserves_flags));
        Configured(())
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        // SAFETY: was configured, so there are tiles.
        unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
    }
}

/// Memory of some tiles of sums.
#[repr(align(64))]
pub(crate) struct TileMemory<const TILES: usize>([[f32; TILE_SUMS]; TILES]);

/// Any number of bf16 rows, in [tiles](crate::tile::TileInput::Bf16Tiles), times all columns of `block`.
///
/// Each sum is that of products of 32 inputs after each other, the same whatever the rows and panels beside.
///
/// # Safety
/// As [`TileFn`](crate::tile::TileFn)s.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(crate) unsafe fn multiply_bf16(block: &Tile, num_rows: usize) {
    const LOW: (u8, u16) = (TILE_ROWS as u8, ROW_BYTES as u16);
    if num_rows > FEW_ROWS {
        let configured = Configured::new([LOW; 8]);
        many_rows::multiply(block, num_rows);
        drop(configured);
        return;
    }
    let upper = (num_rows.min(TILE_ROWS) as u8, LOW.1);
    let lower = (num_rows.saturating_sub(TILE_ROWS) as u8, LOW.1);
    // As `two_by_two` and `one_by_four` take them; of no rows there is no tile, and neither is one used.
    let shapes = if num_rows > TILE_ROWS {
        [upper, upper, lower, lower, upper, lower, LOW, LOW]
    } else {
        [upper, upper, upper, upper, upper, LOW, LOW, LOW]
    };
    let configured = Configured::new(shapes);
    multiply_few_rows(block, num_rows);
    drop(configured);
}

/// As many rows as the tiles are configured for: all inputs at once, as fast as weights come.
#[inline(always)]
unsafe fn multiply_few_rows(block: &Tile, num_rows: usize) {
    let most_panels = if num_rows > TILE_ROWS { 2 } else { 4 };
    let num_panels = block.columns.div_ceil(LANES);
    let mut sums = MaybeUninit::<TileMemory<4>>::uninit();
    let sums = sums.as_mut_ptr().cast::<f32>();
    let mut rest = MaybeUninit::<TileMemory<4>>::uninit();
    let mut panel = 0;
    while panel < num_panels {
        let panels = if panel + most_panels <= num_panels { most_panels } else { 1 };
        std::ptr::write_bytes(sums, 0, num_rows.div_ceil(TILE_ROWS) * panels * TILE_SUMS);
        let operands = Operands {
            x: block.x,
            x_stride: block.x_stride_bytes,
            weights: block.weights.add(panel * block.panel_bytes),
            panel_bytes: block.panel_bytes,
            steps: block.num_inputs / BF16_INPUTS,
            rest: pad_rest(block, panel..panel + panels, rest.as_mut_ptr().cast()),
            sums,
        };
        match (num_rows > TILE_ROWS, panels) {
            (true, 2) => Bf16Products::two_by_two(operands),
            (false, 4) => Bf16Products::one_by_four(operands),
            (true, _) => Bf16Products::two_by_one(operands),
            (false, _) => Bf16Products::one_by_one(operands),
        }
        store_sums(block, 0..num_rows, panel..panel + panels, sums);
        panel += panels;
    }
}

/// The last inputs of some panels, where their number is not a multiple of a tile's: a tile each, padded with zeros, in
/// `target`. Null where there are none.
#[inline(always)]
unsafe fn pad_rest(block: &Tile, panels: Range<usize>, target: *mut u8) -> *const u8 {
    let rest_inputs = block.num_inputs % BF16_INPUTS;
    if rest_inputs == 0 {
        return std::ptr::null();
    }
    for (index, panel) in panels.enumerate() {
        let last = block.weights.add(panel * block.panel_bytes + block.num_inputs / BF16_INPUTS * TILE_BYTES);
        let target = target.add(index * TILE_BYTES);
        std::ptr::write_bytes(target, 0, TILE_BYTES);
        std::ptr::copy_nonoverlapping(last, target, rest_inputs.div_ceil(2) * ROW_BYTES);
    }
    target
}

/// Asks for the lines to which [`store_sums`] will write.
#[inline(always)]
pub(crate) unsafe fn ask_for_results(block: &Tile, rows: Range<usize>, panels: Range<usize>) {
    for row in rows {
        let start = block.out.add(row * block.out_stride + panels.start * LANES);
        for index in 0..panels.len() {
            ask_to_write(start.wrapping_add(index * LANES));
        }
    }
}

/// Sums of up to 32 rows of some panels, all panels of the upper rows before those of the lower ones, to the results.
#[inline(always)]
pub(crate) unsafe fn store_sums(block: &Tile, rows: Range<usize>, panels: Range<usize>, sums: *const f32) {
    for (index, panel) in panels.clone().enumerate() {
        let column = panel * LANES;
        for (tile, row) in rows.clone().step_by(TILE_ROWS).enumerate() {
            let part = Tile {
                bias: if block.bias.is_null() { block.bias } else { block.bias.add(column) },
                out: block.out.add(row * block.out_stride + column),
                columns: (block.columns - column).min(LANES),
                ..*block
            };
            let sums = sums.add((tile * panels.len() + index) * TILE_SUMS);
            finish_sums::<Avx512Lanes>(&part, sums, TILE_ROWS.min(rows.end - row), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use crate::{
        ElementType, Epilogue, Isa, Kernels, Matmul, MatrixOrder, MatrixSource, PackedMatrix, ThreadPool, WeightFormat,
        testing::{assert_close, assert_same_bits, numbers},
    };

    /// Numbers that bf16 holds, so that rounding activations changes nothing.
    fn exact(count: usize, seed: u64) -> Vec<f32> {
        numbers(count, seed).into_iter().map(|value| bf16::from_f32(value).to_f32()).collect()
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that lacks something says so")]
    fn tiles_of_every_height_agree_with_the_scalar_twin_and_each_other() {
        let Ok(kernels) = Kernels::new(Isa::Amx) else {
            eprintln!("SKIPPED tiles: this processor or system lacks them");
            return;
        };
        let scalar = Kernels::new(Isa::Scalar).expect("scalar");
        // Of one thread, all rows are one item, and so many inputs are several slices.
        for (n, k, threads) in [(16, 32, 2), (70, 31, 2), (33, 1, 2), (64, 545, 2), (17, 1090, 2), (70, 4409, 1)] {
            let pool = ThreadPool::new(threads).expect("threads");
            let bytes: Vec<u8> = exact(n * k, 5).iter().flat_map(|value| value.to_le_bytes()).collect();
            let source = MatrixSource {
                bytes: &bytes,
                stored: WeightFormat::Elements(ElementType::F32),
                packed: WeightFormat::Elements(ElementType::Bf16),
                order: MatrixOrder::OutputsFirst,
                num_outputs: n,
                num_inputs: k,
                importance: None,
            };
            let weights = PackedMatrix::pack(&pool, &[source]).expect("fits");
            let x = exact(225 * k, 4);
            let product = |kernels: &Kernels, rows: std::ops::Range<usize>| {
                let (x, num_rows) = (&x[rows.start * k..rows.end * k], rows.len());
                let mut out = vec![f32::NAN; num_rows * n];
                let (weights, epilogue) = (&weights, Epilogue::Store);
                let matmul = Matmul { x, num_rows, weights, bias: None, out: &mut out, out_stride: n, epilogue };
                kernels.matmul(&pool, matmul).expect("memory");
                out
            };
            let twin: Vec<f64> = product(&scalar, 0..33).into_iter().map(f64::from).collect();
            let together = product(&kernels, 0..225);
            let tolerance = f64::max(2e-4, 4e-7 * k as f64);
            assert_close(&together[..33 * n], &twin, tolerance, &format!("n={n} k={k}"));
            for rows in [0..1, 3..18, 5..21, 7..24, 0..31, 0..32, 2..67, 30..223] {
                let what = format!("n={n} k={k}, rows {rows:?}");
                assert_same_bits(&product(&kernels, rows.clone()), &together[rows.start * n..rows.end * n], &what);
            }
        }
    }
}
