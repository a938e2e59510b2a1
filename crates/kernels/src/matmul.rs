//! Matrix products: activations times packed weights, shared out over the pool by columns (and by rows when there are
//! many). One path for every number of rows; sums are never split.

use crate::{
    ElementType, Epilogue, Kernels, KernelsError, PackedMatrix, ThreadPool,
    arena::Scratch,
    disjoint::Disjoint,
    int8::{
        LINE_INPUTS,
        rows::{Line, RowScale, quantise_row as quantise_int8_row},
    },
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

/// The same of tiles that keep sums in memory: the rows of an item are read once for all its panels, so it has many.
const WIDE_CHUNK_PANELS: usize = 32;

/// Items for each thread, so that all threads end at about the same time, whichever of them is held up.
const ITEMS: usize = 6;

/// The same of wide chunks, of which more would be narrower.
const WIDE_ITEMS: usize = 4;

/// Rows that pass a chunk of panels before the next; their activations stay in the outer caches.
const BLOCK_ROWS: usize = 512;

/// Bytes of rounded rows that stay in the cache of one core beside weights, where weights are multiplied faster than an outer
/// cache brings rows.
const BLOCK_BYTES: usize = 768 * 1024;

/// The same of rows in tiles, which are the most part of the outer cache of a core.
const TILES_BYTES: usize = 1024 * 1024;

/// Rows in tiles below which too little is done with weights while they are there.
const LEAST_TILES_ROWS: usize = 256;

/// Rows below which a block is not cut for the sake of more chunks.
const LEAST_BLOCK_ROWS: usize = 48;

impl Kernels {
    /// Multiplies rows of activations by a packed matrix, with f32 sums.
    ///
    /// With [`Isa::Amx`](crate::Isa::Amx), [`Isa::Avx512Bf16`](crate::Isa::Avx512Bf16) or
    /// [`Isa::NeonBf16`](crate::Isa::NeonBf16) and bf16 weights, activations are rounded to bf16; with weights in blocks, to
    /// a byte each, in blocks of 32; with weights of a byte and a scale for each output, to a byte each, with a scale for the
    /// row; otherwise they are taken as they are. Row i of the result is the same, bit for bit, whatever the other rows, their
    /// number and the threads; with weights in blocks or bytes, whatever the instruction set too, on native CPUs.
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
            let tiles = self.tiles(segment.form, num_rows);
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
                x_scales: rounded.scales,
                num_inputs,
                bias: bias.map_or(std::ptr::null(), |bias| bias[segment.first_output..].as_ptr()),
                out: std::ptr::null_mut(),
                out_stride,
                columns: segment.num_outputs,
                epilogue,
                waiting: std::ptr::null_mut(),
            };
            let items = Items::of(&tiles, &block, num_rows, pool.threads());
            let waiting_bytes = items.waiting_bytes() * pool.threads();
            let mut waiting = if items.waits { Some(self.arena.take(waiting_bytes)?) } else { None };
            let waiting = Disjoint::new(waiting.as_mut().map_or(&mut [], |scratch| scratch.elements_mut()));
            let out = Disjoint::new(&mut out[segment.first_output..]);
            multiply(pool, &tiles, &Shared { block, out, waiting, items }, num_rows);
        }
        Ok(())
    }

    /// The micro-kernels for so many rows and panels of a form.
    fn tiles(&self, form: PanelForm, num_rows: usize) -> TileTable {
        match form {
            PanelForm::Elements(ElementType::F32) => self.f32_tiles,
            PanelForm::Elements(ElementType::F16 | ElementType::Bf16) => self.bf16_tiles,
            PanelForm::Blocks(form) => self.byte_products.tiles(form),
            PanelForm::Int8 => self.byte_products.int8_tiles(num_rows),
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
            TileInput::F32 => Ok(RoundedRows {
                start: x.as_ptr().cast(),
                stride_bytes: num_inputs * 4,
                scales: std::ptr::null(),
                _scratch: None,
            }),
            TileInput::Bf16 => {
                let stride = row_stride(num_inputs * 2) / 2;
                let mut scratch = self.arena.take(num_rows * stride * 2)?;
                self.narrow_rows(pool, x, num_inputs, stride, (1, stride), scratch.elements_mut());
                Ok(RoundedRows::of(scratch, stride * 2))
            }
            TileInput::Bf16Tiles => {
                let stride = tile_stride(num_inputs);
                let mut scratch = self.arena.take(num_rows.next_multiple_of(TILE_ROWS) * stride * 2)?;
                let tile = (TILE_ROWS, BF16_TILE_INPUTS);
                self.narrow_rows(pool, x, num_inputs, stride, tile, scratch.elements_mut());
                Ok(RoundedRows::of(scratch, stride * 2))
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
                Ok(RoundedRows::of(scratch, stride_bytes))
            }
            TileInput::Int8 => {
                let stride = row_stride(num_inputs.next_multiple_of(LINE_INPUTS));
                self.round_to_int8(pool, rows, stride, (1, 1))
            }
            TileInput::Int8Tiles => {
                let stride = num_inputs.next_multiple_of(LINE_INPUTS);
                self.round_to_int8(pool, rows, stride, (TILE_ROWS, TILE_ROWS))
            }
        }
    }

    /// Rounds rows to bytes, `stride` of them each, in tiles of so many rows, whose lines are so many apart; scales lie behind
    /// all rows.
    fn round_to_int8<'a>(
        &'a self,
        pool: &ThreadPool,
        Rows { x, num_rows, num_inputs }: Rows<'a>,
        stride: usize,
        (tile_rows, line_stride): (usize, usize),
    ) -> Result<RoundedRows<'a>, KernelsError> {
        let len_bytes = num_rows.next_multiple_of(tile_rows) * stride;
        let mut scratch = self.arena.take(len_bytes + num_rows * size_of::<RowScale>())?;
        let start = scratch.bytes_mut().as_mut_ptr();
        let target = Int8Rows { lines: start.cast(), scales: start.wrapping_add(len_bytes).cast() };
        let quantise = quantise_int8_row(self.isa());
        for_rows(pool, num_rows, num_inputs, &|rows| {
            let Int8Rows { lines, scales } = &target;
            for row in rows {
                let first = row / tile_rows * tile_rows * stride / LINE_INPUTS + row % tile_rows;
                // SAFETY: each line and each scale has a place of its own within the memory taken, which begins at a cache
                // line and has whole ones in front of the scales; the instruction set is this CPU's.
                unsafe {
                    let values = &x[row * num_inputs..(row + 1) * num_inputs];
                    scales.add(row).write(quantise(values, lines.add(first), line_stride));
                }
            }
        });
        let scales = target.scales;
        Ok(RoundedRows { scales, ..RoundedRows::of(scratch, stride) })
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
const TILE_ROWS: usize = 16;

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
    /// The scale of each row, where they are not in the rows; otherwise null.
    scales: *const RowScale,
    /// Where they lie, if not where the caller's do.
    _scratch: Option<Scratch<'a>>,
}

impl<'a> RoundedRows<'a> {
    /// Rows from the beginning of scratch memory.
    fn of(scratch: Scratch<'a>, stride_bytes: usize) -> RoundedRows<'a> {
        let (start, scales) = (scratch.bytes().as_ptr(), std::ptr::null());
        RoundedRows { start, stride_bytes, scales, _scratch: Some(scratch) }
    }
}

/// Where the blocks of all rows go.
struct Blocks(*mut ActivationBlock);

// SAFETY: threads write to places of their own.
unsafe impl Sync for Blocks {}

/// Where the lines and the scales of all rows go.
struct Int8Rows {
    lines: *mut Line,
    scales: *mut RowScale,
}

// SAFETY: as above.
unsafe impl Sync for Int8Rows {}

/// How a product is cut into work items: so many rows times so many panels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Items {
    rows: usize,
    panels: usize,
    /// Whether sums wait in memory of the thread.
    waits: bool,
}

impl Items {
    fn of(tiles: &TileTable, block: &Tile, num_rows: usize, threads: usize) -> Items {
        let num_panels = block.columns.div_ceil(LANES);
        let waits = matches!(tiles.input(), TileInput::Bf16Tiles) && num_rows > tiles.max_rows();
        let fitting = |bytes: usize| bytes / block.x_stride_bytes.max(1);
        let most_rows = match tiles.input() {
            TileInput::F32 | TileInput::Bf16 => BLOCK_ROWS,
            // Rows whose inputs do not fit as a whole pass in slices of their inputs.
            TileInput::Bf16Tiles => fitting(TILES_BYTES).clamp(LEAST_TILES_ROWS, BLOCK_ROWS),
            TileInput::Blocks | TileInput::Int8 | TileInput::Int8Tiles => {
                fitting(BLOCK_BYTES).clamp(LEAST_BLOCK_ROWS, BLOCK_ROWS)
            }
        };
        let mut panels = if waits { WIDE_CHUNK_PANELS } else { CHUNK_PANELS };
        let num_blocks = num_rows.div_ceil(most_rows);
        let thread_items = if waits { WIDE_ITEMS } else { ITEMS };
        let enough = if threads == 1 { 1 } else { thread_items * threads };
        while panels > CHUNK_PANELS && num_blocks * num_panels.div_ceil(panels) < enough {
            panels /= 2;
        }
        let rows = block_rows(most_rows, num_rows, num_panels.div_ceil(panels), enough, tiles.max_rows());
        Items { rows, panels, waits }
    }

    /// For each thread.
    fn waiting_bytes(self) -> usize {
        if self.waits { self.rows.next_multiple_of(TILE_ROWS) * self.panels * LANES * size_of::<f32>() } else { 0 }
    }
}

/// Multiplies all rows with all panels; `out` begins at the first column.
fn multiply(pool: &ThreadPool, tiles: &TileTable, shared: &Shared<'_>, num_rows: usize) {
    let Tile { num_inputs, columns: num_outputs, out_stride, .. } = shared.block;
    let items = shared.items;
    let num_columns = num_outputs.div_ceil(LANES).div_ceil(items.panels);
    let num_blocks = num_rows.div_ceil(items.rows);
    let chunk_work = items.rows.min(num_rows) * num_inputs * items.panels * LANES;
    let chunk = LEAST_CHUNK_WORK / chunk_work.max(1);
    pool.run_indexed(num_blocks * num_columns, chunk, &|thread, range| {
        // Plain borrows of whole structs: a closure would capture the pointers one by one.
        let Shared { block, out, waiting, items } = shared;
        for item in range {
            let (first_row, first_panel) = (item / num_columns * items.rows, item % num_columns * items.panels);
            let rows = items.rows.min(num_rows - first_row);
            let first_column = first_panel * LANES;
            let columns = (num_outputs - first_column).min(items.panels * LANES);
            // SAFETY: row blocks and column chunks lie inside x, weights, bias and out, whose sizes the caller has
            // checked; items are disjoint in out and handed out once; a thread has waiting memory of its own, unless there
            // is none; the instruction set is this CPU's.
            unsafe {
                let tile = Tile {
                    weights: block.weights.add(first_panel * block.panel_bytes),
                    x: block.x.add(first_row * block.x_stride_bytes),
                    x_scales: block.x_scales.wrapping_add(first_row),
                    bias: if block.bias.is_null() { block.bias } else { block.bias.add(first_column) },
                    out: out.at(first_row * out_stride + first_column),
                    columns,
                    waiting: if items.waits {
                        waiting.at(thread * items.waiting_bytes() / size_of::<f32>())
                    } else {
                        block.waiting
                    },
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
    waiting: Disjoint<'a, f32>,
    items: Items,
}

// SAFETY: the tile's pointers are read-only here; `out` and `waiting` synchronise themselves by disjoint use.
unsafe impl Sync for Shared<'_> {}

/// Inputs from one row of tiles to the next: whole tiles, and where there are many not a multiple of 16 KiB, at which the
/// same inputs of all rows would compete for the same few lines of a cache.
fn tile_stride(num_inputs: usize) -> usize {
    let tiles = num_inputs.div_ceil(BF16_TILE_INPUTS);
    let apart = if tiles < 32 { tiles } else { tiles.next_multiple_of(8) | 8 };
    apart * BF16_TILE_INPUTS
}

/// Bytes from one rounded row to the next: whole cache lines, and never a multiple of 4 KiB, at which the rows of a
/// tile would compete for the same few lines of the nearest cache.
fn row_stride(row_bytes: usize) -> usize {
    let stride = row_bytes.next_multiple_of(64);
    if stride.is_multiple_of(4096) { stride + 64 } else { stride }
}

/// Rows of one work item: `most_rows`, which stay in cache, fewer when there would be too few items for the threads.
fn block_rows(most_rows: usize, num_rows: usize, num_columns: usize, enough: usize, max_rows: usize) -> usize {
    let mut rows = most_rows.next_multiple_of(max_rows);
    while num_rows.div_ceil(rows) * num_columns < enough && rows / 2 >= LEAST_BLOCK_ROWS {
        rows = (rows / 2).next_multiple_of(max_rows);
    }
    // As even as can be.
    num_rows.div_ceil(num_rows.div_ceil(rows)).next_multiple_of(max_rows)
}

#[cfg(test)]
mod tests;
