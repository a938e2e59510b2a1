//! Micro-kernels: a few rows of activations times a few panels of weights, with all sums in registers.
//! Knows nothing of threads or of what the rows mean; matrix products and attention are both made of it.
//!
//! Every output is one chain of additions over the inputs in ascending order, whatever the tile's shape. That is why a
//! row's result does not depend on how many rows came with it.

use std::fmt;

#[cfg(target_arch = "aarch64")]
use crate::neon_bf16::bf16_dot_neon;
#[cfg(target_arch = "wasm32")]
use crate::simd128_tall::{self, Stretch, StretchFn};
use crate::{
    Isa,
    finish::{finish, finish_short},
    int8::rows::RowScale,
    lanes::{LANES, Lanes},
    prefetch::{AHEAD_BYTES, ask_for_line, ask_for_share},
};

/// Rows of activations times panels of weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile {
    /// The first panel.
    pub(crate) weights: *const u8,
    /// Bytes from one panel to the next.
    pub(crate) panel_bytes: usize,
    /// The first row, of what [`TileTable::input`] says.
    pub(crate) x: *const u8,
    /// Bytes from one row to the next.
    pub(crate) x_stride_bytes: usize,
    /// The scale of each row, where [`TileTable::input`] has them beside the rows; otherwise null.
    pub(crate) x_scales: *const RowScale,
    /// Length of every sum; bf16 rows hold one zero more when it is odd.
    pub(crate) num_inputs: usize,
    /// Added to every row; null for none.
    pub(crate) bias: *const f32,
    /// The first row of results.
    pub(crate) out: *mut f32,
    /// Elements from one row of results to the next.
    pub(crate) out_stride: usize,
    /// Columns from the first panel's first to the last that is wanted.
    pub(crate) columns: usize,
    /// What becomes of what was in `out`.
    pub(crate) epilogue: Epilogue,
    /// Where sums of [many rows of tiles](TileInput::Bf16Tiles) wait; null for other products.
    pub(crate) waiting: *mut f32,
}

/// What a product does with the memory that it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// Overwrites it.
    Store,
    /// Adds to it: a residual connection.
    Add,
}

/// What the rows of activations are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TileInput {
    /// f32.
    F32,
    /// bf16.
    #[cfg_attr(
        not(any(target_arch = "x86_64", target_arch = "aarch64")),
        expect(dead_code, reason = "no other set multiplies bf16")
    )]
    Bf16,
    /// bf16 in tiles: sixteen rows have their first 32 inputs one behind the other, then their second ones.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no other set has tiles"))]
    Bf16Tiles,
    /// Bytes with scales: [`ActivationBlock`](crate::quantised::rows::ActivationBlock)s.
    Blocks,
    /// Bytes, and a scale for each row beside them: [lines](crate::int8::rows::Line) behind each other.
    Int8,
    /// The same in tiles: sixteen rows have their first lines one behind the other, then their second ones.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no other set has tiles"))]
    Int8Tiles,
}

/// Bytes of panels that stay in the nearest cache, of which nothing needs to be asked for.
const NEAR_BYTES: usize = 32 * 1024;

/// Bytes of panels that are asked for at most: they lie in the cache of a core beside those that rows pass.
const MOST_NEXT_BYTES: usize = 256 * 1024;

pub(crate) type TileFn = unsafe fn(&Tile);

/// Any number of rows times all columns of a tile.
pub(crate) type TallTileFn = unsafe fn(&Tile, usize);

/// The micro-kernels of one weight format on one instruction set.
#[derive(Clone, Copy)]
pub(crate) struct TileTable {
    /// By rows - 1: the kernel for that many rows, and how many panels it takes at once.
    pub(crate) kernels: &'static [(TileFn, usize)],
    /// For more rows than those take at once.
    pub(crate) tall: Option<TallTileFn>,
    /// Rows that lie and are multiplied together.
    pub(crate) group_rows: usize,
    /// What activations are made of.
    pub(crate) input: TileInput,
}

impl fmt::Debug for TileTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TileTable").field("max_rows", &self.max_rows()).finish_non_exhaustive()
    }
}

/// `table!(kernel, input; rows => panels, ...)`
macro_rules! table {
    ($kernel:ident, $input:ident; $($rows:literal => $panels:literal),+) => {
        TileTable {
            kernels: &[$(($kernel::<$rows, $panels> as TileFn, $panels)),+],
            tall: None,
            group_rows: [$($rows),+].len(),
            input: TileInput::$input,
        }
    };
}

impl TileTable {
    /// Kernels for f32 weights.
    pub(crate) fn f32(isa: Isa) -> Self {
        match isa {
            // 32 registers of 16 lanes: at most 16 sums, some weights, one activation.
            #[cfg(target_arch = "x86_64")]
            Isa::Amx | Isa::Avx512Bf16 | Isa::Avx512 => {
                table!(f32_avx512, F32; 1 => 4, 2 => 4, 3 => 4, 4 => 4, 5 => 2, 6 => 2, 7 => 2, 8 => 2)
            }
            // 16 registers of 8 lanes: at most 12 sums.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => table!(f32_avx2, F32; 1 => 4, 2 => 2, 3 => 1, 4 => 1, 5 => 1, 6 => 1),
            // 32 registers of 4 lanes: at most 24 sums.
            #[cfg(target_arch = "aarch64")]
            Isa::NeonBf16 | Isa::Neon => table!(f32_neon, F32; 1 => 4, 2 => 2, 3 => 1, 4 => 1, 5 => 1, 6 => 1),
            // 16 registers of 4 lanes on most CPUs below: 8 sums at a time, and what they are made of.
            #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
            Isa::RelaxedSimd | Isa::RelaxedWords => table!(f32_relaxed_simd, F32; 1 => 2, 2 => 1, 3 => 1, 4 => 1),
            #[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
            Isa::Simd128 => table!(f32_simd128, F32; 1 => 2, 2 => 1, 3 => 1, 4 => 1),
            _ => table!(f32_scalar, F32; 1 => 1, 2 => 1),
        }
    }

    /// Kernels for bf16 weights.
    pub(crate) fn bf16(isa: Isa) -> Self {
        match isa {
            // Tiles take any number of rows.
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => TileTable {
                kernels: &[],
                tall: Some(crate::amx::multiply_bf16),
                group_rows: crate::amx::FEW_ROWS,
                input: TileInput::Bf16Tiles,
            },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => {
                table!(bf16_dot_avx512, Bf16; 1 => 4, 2 => 4, 3 => 4, 4 => 4, 5 => 2, 6 => 2, 7 => 2, 8 => 2)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                table!(bf16_avx512, F32; 1 => 4, 2 => 4, 3 => 2, 4 => 2, 5 => 2, 6 => 2, 7 => 2, 8 => 2)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => table!(bf16_avx2, F32; 1 => 4, 2 => 2, 3 => 1, 4 => 1, 5 => 1),
            // At most 24 sums, and a row or two of activations in a register each.
            #[cfg(target_arch = "aarch64")]
            Isa::NeonBf16 => table!(bf16_dot_neon, Bf16; 1 => 4, 2 => 2, 3 => 2, 4 => 1, 5 => 1, 6 => 1),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => table!(bf16_neon, F32; 1 => 4, 2 => 2, 3 => 1, 4 => 1, 5 => 1),
            #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
            // Twelve sums, two registers of weights and an activation: eight sums wait for each other.
            Isa::RelaxedSimd | Isa::RelaxedWords => TileTable {
                tall: Some(bf16_tall_relaxed_simd),
                group_rows: simd128_tall::ROWS,
                ..table!(bf16_relaxed_simd, F32; 1 => 2, 2 => 1, 3 => 1, 4 => 1, 5 => 1, 6 => 1)
            },
            #[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
            Isa::Simd128 => {
                TileTable { tall: Some(bf16_tall_simd128), ..table!(bf16_simd128, F32; 1 => 2, 2 => 1, 3 => 1, 4 => 1) }
            }
            _ => table!(bf16_scalar, F32; 1 => 1, 2 => 1),
        }
    }

    /// The most rows of one tile.
    pub(crate) fn max_rows(&self) -> usize {
        self.group_rows
    }

    /// What activations are made of.
    pub(crate) fn input(&self) -> TileInput {
        self.input
    }

    /// Multiplies `num_rows` rows by all columns of `block`, whose own shape is one tile's or larger.
    ///
    /// A group of panels stays in the nearest caches while all full row blocks pass; meanwhile the next one is asked for.
    ///
    /// # Safety
    /// As [`TileFn`]s: the CPU has the instruction set, and all pointers are good for what `block` says.
    pub(crate) unsafe fn multiply(&self, block: &Tile, num_rows: usize) {
        let max_rows = self.kernels.len();
        if let Some(tall) = self.tall.filter(|_| num_rows > max_rows) {
            return tall(block, num_rows);
        }
        let full_rows = num_rows / max_rows * max_rows;
        if full_rows > 0 {
            self.multiply_rows(block, 0, full_rows, max_rows);
        }
        if full_rows < num_rows {
            self.multiply_rows(block, full_rows, num_rows, num_rows - full_rows);
        }
    }

    /// Rows `first..end`, a multiple of `tile_rows` of them, by tiles of that many rows.
    unsafe fn multiply_rows(&self, block: &Tile, first: usize, end: usize, tile_rows: usize) {
        let (kernel, kernel_panels) = self.kernels[tile_rows - 1];
        let num_panels = block.columns.div_ceil(LANES);
        let mut panel = 0;
        while panel < num_panels {
            // Where a kernel has more panels than there are, it takes one for all of them; sums of the others are dropped.
            let is_whole = panel + kernel_panels <= num_panels;
            let panels = if is_whole { kernel_panels } else { 1 };
            let column = panel * LANES;
            let mut tile = Tile {
                weights: block.weights.add(panel * block.panel_bytes),
                panel_bytes: if is_whole { block.panel_bytes } else { 0 },
                bias: if block.bias.is_null() { block.bias } else { block.bias.add(column) },
                columns: (block.columns - column).min(panels * LANES),
                ..*block
            };
            let (num_tiles, group_bytes) = ((end - first) / tile_rows, panels * block.panel_bytes);
            let next_bytes =
                if num_tiles > 1 && group_bytes > NEAR_BYTES { group_bytes.min(MOST_NEXT_BYTES) } else { 0 };
            for (index, row) in (first..end).step_by(tile_rows).enumerate() {
                ask_for_share(tile.weights.wrapping_add(group_bytes), next_bytes, index, num_tiles);
                tile.x = block.x.add(row * block.x_stride_bytes);
                tile.x_scales = block.x_scales.wrapping_add(row);
                tile.out = block.out.add(row * block.out_stride + column);
                kernel(&tile);
            }
            panel += panels;
        }
    }
}

/// Defines the instances of a micro-kernel for one instruction set.
macro_rules! instance {
    ($name:ident, $body:ident, $lanes:ty $(, $features:literal)?) => {
        $(#[target_feature(enable = $features)])?
        unsafe fn $name<const M: usize, const N: usize>(tile: &Tile) {
            $body::<$lanes, M, N>(tile);
        }
    };
}

/// The same of `simd128_tile`.
#[cfg(target_arch = "wasm32")]
macro_rules! wasm_instance {
    ($name:ident, $body:ident, $relaxed:literal, $features:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name<const M: usize, const N: usize>(tile: &Tile) {
            crate::simd128_tile::$body::<$relaxed, M, N>(tile);
        }
    };
}

/// The same of `simd128_tall`.
#[cfg(target_arch = "wasm32")]
macro_rules! wasm_tall_instance {
    ($name:ident, $stretch:ident, $relaxed:literal, $features:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name(tile: &Tile, num_rows: usize) {
            let kernels = [$stretch::<1>, $stretch::<2>, $stretch::<3>, $stretch::<4>] as [StretchFn; _];
            simd128_tall::multiply::<$relaxed>(tile, num_rows, kernels);
        }
        #[target_feature(enable = $features)]
        unsafe fn $stretch<const M: usize>(stretch: &Stretch) {
            simd128_tall::stretch_tile::<$relaxed, M>(stretch);
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    pub(super) use crate::lanes::{avx2::Avx2Lanes, avx512::Avx512Lanes};
}
#[cfg(target_arch = "x86_64")]
instance!(f32_avx512, f32_tile, x86::Avx512Lanes, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
#[cfg(target_arch = "x86_64")]
instance!(bf16_avx512, bf16_tile, x86::Avx512Lanes, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
#[cfg(target_arch = "x86_64")]
instance!(f32_avx2, f32_tile, x86::Avx2Lanes, "avx2,fma,f16c");
#[cfg(target_arch = "x86_64")]
instance!(bf16_avx2, bf16_tile, x86::Avx2Lanes, "avx2,fma,f16c");
#[cfg(target_arch = "aarch64")]
instance!(f32_neon, f32_tile, crate::lanes::neon::NeonLanes, "neon");
#[cfg(target_arch = "aarch64")]
instance!(bf16_neon, bf16_tile, crate::lanes::neon::NeonLanes, "neon");
#[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
wasm_instance!(f32_simd128, f32_tile, false, "simd128");
#[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
wasm_instance!(bf16_simd128, bf16_tile, false, "simd128");
#[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
wasm_tall_instance!(bf16_tall_simd128, stretch_simd128, false, "simd128");
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
wasm_instance!(f32_relaxed_simd, f32_tile, true, "simd128,relaxed-simd");
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
wasm_instance!(bf16_relaxed_simd, bf16_tile, true, "simd128,relaxed-simd");
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
wasm_tall_instance!(bf16_tall_relaxed_simd, stretch_relaxed_simd, true, "simd128,relaxed-simd");
instance!(f32_scalar, f32_tile, crate::lanes::scalar::ScalarLanes);
instance!(bf16_scalar, bf16_tile, crate::lanes::scalar::ScalarLanes);

/// f32 weights: panels are [inputs][16].
#[inline(always)]
unsafe fn f32_tile<L: Lanes, const M: usize, const N: usize>(tile: &Tile) {
    let mut sums = [[L::splat(0.0); N]; M];
    for input in 0..tile.num_inputs {
        let mut weights = [L::splat(0.0); N];
        for (panel, weights) in weights.iter_mut().enumerate() {
            let start = tile.weights.add(panel * tile.panel_bytes).cast::<f32>().add(input * LANES);
            ask_for_line(start.cast::<u8>().wrapping_add(AHEAD_BYTES));
            *weights = L::load(start);
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let x = L::splat(*tile.x.add(row * tile.x_stride_bytes).cast::<f32>().add(input));
            for panel in 0..N {
                sums[panel] = x.mul_add(weights[panel], sums[panel]);
            }
        }
    }
    finish_short(tile, sums);
}

/// bf16 weights widened: panels are [inputs / 2][16][2], activations f32.
#[inline(always)]
unsafe fn bf16_tile<L: Lanes, const M: usize, const N: usize>(tile: &Tile) {
    let mut sums = [[L::splat(0.0); N]; M];
    for pair in 0..tile.num_inputs.div_ceil(2) {
        let mut weights = [(L::splat(0.0), L::splat(0.0)); N];
        for (panel, weights) in weights.iter_mut().enumerate() {
            let start = tile.weights.add(panel * tile.panel_bytes).cast::<u16>().add(pair * 2 * LANES);
            ask_for_line(start.cast::<u8>().wrapping_add(AHEAD_BYTES));
            *weights = L::load_bf16_pairs(start);
        }
        // The last pair of an odd number of inputs has only its first half; its second has no activation to read.
        let has_second = pair * 2 + 1 < tile.num_inputs;
        for (row, sums) in sums.iter_mut().enumerate() {
            let x = tile.x.add(row * tile.x_stride_bytes).cast::<f32>().add(pair * 2);
            let first = L::splat(*x);
            for panel in 0..N {
                sums[panel] = first.mul_add(weights[panel].0, sums[panel]);
            }
            if has_second {
                let second = L::splat(*x.add(1));
                for panel in 0..N {
                    sums[panel] = second.mul_add(weights[panel].1, sums[panel]);
                }
            }
        }
    }
    finish(tile, sums);
}

/// bf16 weights and activations: `vdpbf16ps` adds the products of a pair to its f32 sum.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
unsafe fn bf16_dot_avx512<const M: usize, const N: usize>(tile: &Tile) {
    use std::arch::x86_64::*;
    use std::mem::transmute;

    let mut sums = [[_mm512_setzero_ps(); N]; M];
    for pair in 0..tile.num_inputs.div_ceil(2) {
        let mut weights = [_mm512_setzero_si512(); N];
        for (panel, weights) in weights.iter_mut().enumerate() {
            let start = tile.weights.add(panel * tile.panel_bytes + pair * 64);
            ask_for_line(start.wrapping_add(AHEAD_BYTES));
            *weights = _mm512_loadu_si512(start.cast());
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let x = tile.x.add(row * tile.x_stride_bytes).cast::<i32>().add(pair).read_unaligned();
            let x = transmute::<__m512i, __m512bh>(_mm512_set1_epi32(x));
            for panel in 0..N {
                let weights = transmute::<__m512i, __m512bh>(weights[panel]);
                sums[panel] = _mm512_dpbf16_ps(sums[panel], x, weights);
            }
        }
    }
    let mut lanes = [[x86::Avx512Lanes(_mm512_setzero_ps()); N]; M];
    for row in 0..M {
        for panel in 0..N {
            lanes[row][panel] = x86::Avx512Lanes(sums[row][panel]);
        }
    }
    finish(tile, lanes);
}
