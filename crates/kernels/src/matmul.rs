//! Matrix products: activations times packed weights, shared out over the pool by columns (and by rows when there are
//! many). One path for every number of rows; sums are never split.

use crate::{
    ElementType, Epilogue, Kernels, KernelsError, PackedMatrix, ThreadPool,
    arena::Scratch,
    disjoint::Disjoint,
    lanes::LANES,
    narrow::narrow,
    packed_matrix::PanelForm,
    quantised::{
        BLOCK_INPUTS,
        rows::{ActivationBlock, RowGroups, quantise_row},
    },
    rows::for_rows,
    threads::LEAST_CHUNK_WORK,
    tile::{Tile, TileInput, TileTable},
};

/// `out = x * weights^T + bias`, or `out += ...`.
#[derive(Debug)]
pub struct Matmul<'a> {
    /// Activations, [num_rows, inputs].
    pub x: &'a [f32],
    /// Rows of activations.
    pub num_rows: usize,
    /// [outputs, inputs].
    pub weights: &'a PackedMatrix,
    /// [outputs].
    pub bias: Option<&'a [f32]>,
    /// [num_rows, outputs] in rows of `out_stride` elements.
    pub out: &'a mut [f32],
    /// Elements from one row of `out` to the next; at least the outputs.
    pub out_stride: usize,
    /// Overwrite or add.
    pub epilogue: Epilogue,
}

/// Panels of one chunk: a multiple of every tile's width, few enough to share out evenly.
const CHUNK_PANELS: usize = 4;

/// Rows that pass a chunk of panels before the next; their activations stay in the outer caches.
const BLOCK_ROWS: usize = 512;

/// Bytes of rounded rows that stay in the cache of one core beside weights, where weights are multiplied faster than an outer
/// cache brings rows.
const BLOCK_BYTES: usize = 768 * 1024;

/// Rows below which a block is not cut for the sake of more chunks.
const LEAST_BLOCK_ROWS: usize = 48;

impl Kernels {
    /// Multiplies rows of activations by a packed matrix, with f32 sums.
    ///
    /// With [`Isa::Avx512Bf16`](crate::Isa::Avx512Bf16) or [`Isa::Amx`](crate::Isa::Amx) and bf16 weights, activations are rounded to bf16; with weights in
    /// blocks, to a byte each, in blocks of 32; otherwise they are taken as they are. Row i of the result is the same, bit
    /// for bit, whatever the other rows, their number and the threads; with weights in blocks, whatever the instruction set
    /// too, on native CPUs.
    ///
    /// # Errors
    /// [`KernelsError::OutOfMemory`] when there is no room for the rounded activations.
    pub fn matmul(&self, pool: &ThreadPool, product: Matmul<'_>) -> Result<(), KernelsError> {
        let Matmul { x, num_rows, weights, bias, out, out_stride, epilogue } = product;
        let (num_outputs, num_inputs) = (weights.num_outputs(), weights.num_inputs());
        if num_rows == 0 || num_outputs == 0 {
            return Ok(());
        }
        assert_eq!(x.len(), num_rows * num_inputs, "matmul: x is not [num_rows, inputs]; this is a bug");
        assert!(bias.is_none_or(|bias| bias.len() == num_outputs), "matmul: bias is not [outputs]; this is a bug");
        assert!(
            out_stride >= num_outputs && out.len() >= (num_rows - 1) * out_stride + num_outputs,
            "matmul: out is too small for [{num_rows}, {num_outputs}] by {out_stride}; this is a bug"
        );
        let rows = Rows { x, num_rows, num_inputs };
        let mut rounded: Vec<((TileInput, usize), RoundedRows<'_>)> = Vec::new();
        for segment in weights.segments().iter().filter(|segment| segment.num_outputs > 0) {
            let tiles = self.tiles(segment.form);
            // Segments that take the same activations, in groups of the same height, share them.
            let wanted = (tiles.input(), tiles.max_rows());
            if !rounded.iter().any(|(made, _)| *made == wanted) {
                rounded.push((wanted, self.round_rows(pool, rows, &tiles)?));
            }
            let rounded = rounded.iter().find(|(made, _)| *made == wanted).map(|(_, rounded)| rounded);
            let rounded = rounded.expect("pushed above; otherwise this is a bug");
            let block = Tile {
                weights: segment.bytes().as_ptr(),
                panel_bytes: segment.panel_bytes,
                x: rounded.start,
                x_stride_bytes: rounded.stride_bytes,
                num_inputs,
                bias: bias.map_or(std::ptr::null(), |bias| bias[segment.first_output..].as_ptr()),
                out: std::ptr::null_mut(),
                out_stride,
                columns: segment.num_outputs,
                epilogue,
            };
            multiply(pool, &tiles, block, num_rows, Disjoint::new(&mut out[segment.first_output..]));
        }
        Ok(())
    }

    /// The micro-kernels for panels of a form.
    fn tiles(&self, form: PanelForm) -> TileTable {
        match form {
            PanelForm::Elements(ElementType::F32) => self.f32_tiles,
            PanelForm::Elements(ElementType::F16 | ElementType::Bf16) => self.bf16_tiles,
            PanelForm::Blocks(form) => self.byte_products.tiles(form),
        }
    }

    /// The rows as micro-kernels take them.
    fn round_rows<'a>(
        &'a self,
        pool: &ThreadPool,
        rows: Rows<'a>,
        tiles: &TileTable,
    ) -> Result<RoundedRows<'a>, KernelsError> {
        let Rows { x, num_rows, num_inputs } = rows;
        match tiles.input() {
            TileInput::F32 => {
                Ok(RoundedRows { start: x.as_ptr().cast(), stride_bytes: num_inputs * 4, _scratch: None })
            }
            TileInput::Bf16 => {
                let stride = row_stride(num_inputs * 2) / 2;
                let mut scratch = self.arena.take(num_rows * stride * 2)?;
                self.narrow_rows(pool, x, num_inputs, stride, (1, stride), scratch.elements_mut());
                Ok(RoundedRows { start: scratch.bytes().as_ptr(), stride_bytes: stride * 2, _scratch: Some(scratch) })
            }
            TileInput::Bf16Tiles => {
                let stride = num_inputs.next_multiple_of(BF16_TILE_INPUTS);
                let mut scratch = self.arena.take(num_rows.next_multiple_of(BF16_TILE_ROWS) * stride * 2)?;
                let tile = (BF16_TILE_ROWS, BF16_TILE_INPUTS);
                self.narrow_rows(pool, x, num_inputs, stride, tile, scratch.elements_mut());
                Ok(RoundedRows { start: scratch.bytes().as_ptr(), stride_bytes: stride * 2, _scratch: Some(scratch) })
            }
            TileInput::Blocks => {
                let num_blocks = num_inputs / BLOCK_INPUTS;
                let groups = RowGroups { num_rows, group_rows: tiles.max_rows(), num_blocks };
                let stride_bytes = num_blocks * size_of::<ActivationBlock>();
                // Tiles read whole groups, of which the last may have fewer rows: behind it are blocks of nothing.
                let len_bytes = num_rows * stride_bytes;
                let behind = groups.group_rows * size_of::<ActivationBlock>();
                let mut scratch = self.arena.take(len_bytes + behind)?;
                scratch.bytes_mut()[len_bytes..][..behind].fill(0);
                let target = Blocks(scratch.bytes_mut().as_mut_ptr().cast());
                let quantise = quantise_row(self.isa());
                for_rows(pool, num_rows, num_inputs, &|rows| {
                    let Blocks(target) = &target;
                    for row in rows {
                        let (first, stride) = groups.place(row);
                        // SAFETY: each block of each row has a place of its own within the memory taken, which is
                        // aligned to a cache line as blocks are; the instruction set is this CPU's.
                        unsafe { quantise(&x[row * num_inputs..(row + 1) * num_inputs], target.add(first), stride) };
                    }
                });
                Ok(RoundedRows { start: scratch.bytes().as_ptr(), stride_bytes, _scratch: Some(scratch) })
            }
        }
    }

    /// Rounds rows of activations to bf16, in tiles of so many rows and inputs each, row behind row; inputs are padded with
    /// zeros, rows of the last tile with anything.
    fn narrow_rows(
        &self,
        pool: &ThreadPool,
        x: &[f32],
        num_inputs: usize,
        stride: usize,
        (tile_rows, tile_inputs): (usize, usize),
        target: &mut [u16],
    ) {
        if num_inputs == 0 {
            return;
        }
        let narrow = narrow(self.isa());
        let target = Disjoint::new(target);
        for_rows(pool, x.len() / num_inputs, num_inputs, &|rows| {
            for row in rows {
                let first = row / tile_rows * tile_rows * stride + row % tile_rows * tile_inputs;
                let inputs = x[row * num_inputs..(row + 1) * num_inputs].chunks(tile_inputs);
                for (index, inputs) in inputs.enumerate() {
                    let first = first + index * tile_rows * tile_inputs;
                    // SAFETY: each row has a place of its own in each tile; the instruction set is this CPU's.
                    unsafe {
                        let (values, padding) = target.range(first..first + tile_inputs).split_at_mut(inputs.len());
                        narrow(inputs, values);
                        padding.fill(0);
                    }
                }
            }
        });
    }
}

/// Rows of a tile of activations.
const BF16_TILE_ROWS: usize = 16;

/// Inputs of a tile of activations.
const BF16_TILE_INPUTS: usize = 32;

/// Rows of activations.
#[derive(Clone, Copy)]
struct Rows<'a> {
    x: &'a [f32],
    num_rows: usize,
    num_inputs: usize,
}

/// Rows of activations as micro-kernels take them.
struct RoundedRows<'a> {
    start: *const u8,
    stride_bytes: usize,
    /// Where they lie, if not where the caller's do.
    _scratch: Option<Scratch<'a>>,
}

/// Where the blocks of all rows go.
struct Blocks(*mut ActivationBlock);

// SAFETY: threads write to places of their own.
unsafe impl Sync for Blocks {}

/// Multiplies all rows of `block` with all its panels; `out` begins at its first column.
fn multiply(pool: &ThreadPool, tiles: &TileTable, block: Tile, num_rows: usize, out: Disjoint<'_, f32>) {
    let Tile { num_inputs, columns: num_outputs, out_stride, .. } = block;
    let num_columns = num_outputs.div_ceil(LANES).div_ceil(CHUNK_PANELS);
    let most_rows = match tiles.input() {
        TileInput::F32 | TileInput::Bf16 => BLOCK_ROWS,
        TileInput::Bf16Tiles | TileInput::Blocks => {
            (BLOCK_BYTES / block.x_stride_bytes.max(1)).clamp(LEAST_BLOCK_ROWS, BLOCK_ROWS)
        }
    };
    let block_rows = block_rows(most_rows, num_rows, num_columns, pool.threads(), tiles.max_rows());
    let num_blocks = num_rows.div_ceil(block_rows);
    let chunk_work = block_rows.min(num_rows) * num_inputs * CHUNK_PANELS * LANES;
    let chunk = LEAST_CHUNK_WORK / chunk_work.max(1);
    let shared = Shared { block, out };
    pool.run(num_blocks * num_columns, chunk, &|items| {
        // Plain borrows of whole structs: a closure would capture the pointers one by one.
        let Shared { block, out } = &shared;
        for item in items {
            let (first_row, first_panel) = (item / num_columns * block_rows, item % num_columns * CHUNK_PANELS);
            let rows = block_rows.min(num_rows - first_row);
            let first_column = first_panel * LANES;
            let columns = (num_outputs - first_column).min(CHUNK_PANELS * LANES);
            // SAFETY: row blocks and column chunks lie inside x, weights, bias and out, whose sizes the caller has
            // checked; items are disjoint in out and handed out once; the instruction set is this CPU's.
            unsafe {
                let tile = Tile {
                    weights: block.weights.add(first_panel * block.panel_bytes),
                    x: block.x.add(first_row * block.x_stride_bytes),
                    bias: if block.bias.is_null() { block.bias } else { block.bias.add(first_column) },
                    out: out.at(first_row * out_stride + first_column),
                    columns,
                    ..*block
                };
                tiles.multiply(&tile, rows);
            }
        }
    });
}

/// What the threads of one product share.
struct Shared<'a> {
    block: Tile,
    out: Disjoint<'a, f32>,
}

// SAFETY: the tile's pointers are read-only here; `out` synchronises itself by disjoint use.
unsafe impl Sync for Shared<'_> {}

/// Bytes from one rounded row to the next: whole cache lines, and never a multiple of 4 KiB, at which the rows of a
/// tile would compete for the same few lines of the nearest cache.
fn row_stride(row_bytes: usize) -> usize {
    let stride = row_bytes.next_multiple_of(64);
    if stride.is_multiple_of(4096) { stride + 64 } else { stride }
}

/// Rows of one work item: `most_rows`, which stay in cache, fewer when there would be too few items for the threads.
fn block_rows(most_rows: usize, num_rows: usize, num_columns: usize, threads: usize, max_rows: usize) -> usize {
    let mut rows = most_rows.next_multiple_of(max_rows);
    let enough_items = if threads == 1 { 1 } else { 6 * threads };
    while num_rows.div_ceil(rows) * num_columns < enough_items && rows / 2 >= LEAST_BLOCK_ROWS {
        rows = (rows / 2).next_multiple_of(max_rows);
    }
    rows
}

#[cfg(test)]
mod tests;
