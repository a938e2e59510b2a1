//! Micro-kernels: a few rows of activations times a few panels of weights, with all sums in registers.
//! Knows nothing of threads or of what the rows mean; matrix products and attention are both made of it.
//!
//! Every output is one chain of additions over the inputs in ascending order, whatever the tile's shape. That is why a
//! row's result does not depend on how many rows came with it.

use std::fmt;

use crate::{int8::rows::RowScale, lanes::LANES, prefetch::ask_for_share};

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

impl TileTable {
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
