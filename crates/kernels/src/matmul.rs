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

/// Multiplications below which a chunk is not worth another thread's attention.
const LEAST_CHUNK_WORK: usize = 32 * 1024;

impl Kernels {
    /// Multiplies rows of activations by a packed matrix, with f32 sums.
    ///
    /// With [`Isa::Avx512Bf16`](crate::Isa::Avx512Bf16) and bf16 weights, activations are rounded to bf16; with weights in
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
        let mut rounded: Vec<(TileInput, RoundedRows<'_>)> = Vec::new();
        for segment in weights.segments().iter().filter(|segment| segment.num_outputs > 0) {
            let tiles = self.tiles(segment.form);
            // Segments that take the same activations share them.
            if !rounded.iter().any(|(input, _)| *input == tiles.input()) {
                rounded.push((tiles.input(), self.round_rows(pool, rows, &tiles)?));
            }
            let rounded = rounded.iter().find(|(input, _)| *input == tiles.input()).map(|(_, rounded)| rounded);
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

    /// The rows as micro-kernels take them. All that take blocks of one instruction set have tiles of the same heights.
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
                self.narrow_rows(pool, x, num_inputs, stride, scratch.elements_mut());
                Ok(RoundedRows { start: scratch.bytes().as_ptr(), stride_bytes: stride * 2, _scratch: Some(scratch) })
            }
            TileInput::Blocks => {
                let num_blocks = num_inputs / BLOCK_INPUTS;
                let groups = RowGroups { num_rows, group_rows: tiles.max_rows(), num_blocks };
                let stride_bytes = num_blocks * size_of::<ActivationBlock>();
                let mut scratch = self.arena.take(num_rows * stride_bytes)?;
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

    /// Rounds rows of activations to bf16; the padding after each becomes zero.
    fn narrow_rows(&self, pool: &ThreadPool, x: &[f32], num_inputs: usize, stride: usize, target: &mut [u16]) {
        if num_inputs == 0 {
            return;
        }
        let narrow = narrow(self.isa());
        let target = Disjoint::new(target);
        for_rows(pool, x.len() / num_inputs, num_inputs, &|rows| {
            for row in rows {
                // SAFETY: rows of the target are disjoint and handed out once; the instruction set is this CPU's.
                unsafe {
                    let (values, padding) = target.range(row * stride..(row + 1) * stride).split_at_mut(num_inputs);
                    narrow(&x[row * num_inputs..(row + 1) * num_inputs], values);
                    padding.fill(0);
                }
            }
        });
    }
}

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
        TileInput::Blocks => (BLOCK_BYTES / block.x_stride_bytes.max(1)).clamp(LEAST_BLOCK_ROWS, BLOCK_ROWS),
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
mod tests {
    use half::bf16;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Isa, MatrixOrder, MatrixSource, WeightFormat,
        testing::{assert_close, assert_same_bits, for_each_setup, numbers},
    };

    const DTYPES: [ElementType; 2] = [ElementType::F32, ElementType::Bf16];

    fn pack(values: &[f32], num_outputs: usize, num_inputs: usize, dtype: ElementType) -> PackedMatrix {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let pool = ThreadPool::new(1).expect("threads");
        let source = MatrixSource {
            bytes: &bytes,
            stored: WeightFormat::Elements(ElementType::F32),
            packed: WeightFormat::Elements(dtype),
            order: MatrixOrder::OutputsFirst,
            num_outputs,
            num_inputs,
        };
        PackedMatrix::pack(&pool, &[source]).expect("fits")
    }

    fn product(
        kernels: &Kernels,
        pool: &ThreadPool,
        weights: &PackedMatrix,
        bias: Option<&[f32]>,
        x: &[f32],
        num_rows: usize,
    ) -> Vec<f32> {
        let mut out = vec![f32::NAN; num_rows * weights.num_outputs()];
        let (out_stride, epilogue) = (weights.num_outputs(), Epilogue::Store);
        let matmul = Matmul { x, num_rows, weights, bias, out: &mut out, out_stride, epilogue };
        kernels.matmul(pool, matmul).expect("memory");
        out
    }

    fn check_reference(kernels: &Kernels, pool: &ThreadPool, m: usize, n: usize, k: usize, dtype: ElementType) {
        let (x, weights, bias) = (numbers(m * k, 1), numbers(n * k, 2), numbers(n, 3));
        let packed = pack(&weights, n, k, dtype);
        let round = |value: f32, narrows: bool| if narrows { bf16::from_f32(value).to_f64() } else { value.into() };
        let narrows_x = dtype == ElementType::Bf16 && kernels.isa() == Isa::Avx512Bf16;
        let mut expected = Vec::with_capacity(m * n);
        for row in 0..m {
            for column in 0..n {
                let sum: f64 = (0..k)
                    .map(|i| {
                        round(x[row * k + i], narrows_x) * round(weights[column * k + i], dtype == ElementType::Bf16)
                    })
                    .sum();
                expected.push(sum + f64::from(bias[column]));
            }
        }
        let tolerance = 2e-6 * (k as f64).sqrt().max(1.0);
        let what = format!("{} {dtype} m={m} n={n} k={k}", kernels.isa());
        let stored = product(kernels, pool, &packed, Some(&bias), &x, m);
        assert_close(&stored, &expected, tolerance, &what);

        // Into wider rows, added to what is there; the margin stays untouched.
        let stride = n + 3;
        let mut out = vec![0.5; m * stride];
        let (weights, epilogue) = (&packed, Epilogue::Add);
        let matmul =
            Matmul { x: &x, num_rows: m, weights, bias: Some(&bias), out: &mut out, out_stride: stride, epilogue };
        kernels.matmul(pool, matmul).expect("memory");
        for (row, stored) in out.chunks(stride).zip(stored.chunks(n)) {
            assert_same_bits(&row[..n], &stored.iter().map(|value| 0.5 + value).collect::<Vec<_>>(), &what);
            assert_eq!(row[n..], [0.5; 3], "{what}");
        }
    }

    #[test]
    fn products_match_the_reference() {
        for_each_setup(|kernels, pool| {
            for dtype in DTYPES {
                for m in [1, 2, 3, 4, 5, 6, 7, 8, 9, 17] {
                    for (n, k) in [(1, 1), (16, 2), (17, 3), (15, 16), (33, 17), (80, 65)] {
                        check_reference(kernels, pool, m, n, k, dtype);
                    }
                }
                check_reference(kernels, pool, 37, 130, 300, dtype);
            }
        });
    }

    #[test]
    fn empty_products() {
        for_each_setup(|kernels, pool| {
            for dtype in DTYPES {
                assert!(product(kernels, pool, &pack(&[1.0; 6], 2, 3, dtype), None, &[], 0).is_empty());
                assert!(product(kernels, pool, &pack(&[], 0, 3, dtype), None, &[1.0; 3], 1).is_empty());
                let no_inputs = pack(&[], 5, 0, dtype);
                assert_eq!(
                    product(kernels, pool, &no_inputs, Some(&[1.0, 2.0, 3.0, 4.0, 5.0]), &[], 1),
                    [1.0, 2.0, 3.0, 4.0, 5.0]
                );
            }
        });
    }

    #[test]
    fn a_row_does_not_depend_on_its_company() {
        let (n, k) = (203, 515);
        let (x, weights) = (numbers(1100 * k, 1), numbers(n * k, 2));
        for dtype in DTYPES {
            let packed = pack(&weights, n, k, dtype);
            for isa in Isa::available() {
                let kernels = Kernels::new(isa).expect("available");
                let alone = ThreadPool::new(1).expect("threads");
                let rows: Vec<f32> = (0..37)
                    .flat_map(|row| product(&kernels, &alone, &packed, None, &x[row * k..(row + 1) * k], 1))
                    .collect();
                for threads in [1, 2, 3, 5] {
                    let pool = ThreadPool::new(threads).expect("threads");
                    for m in [2, 7, 9, 37, 1100].into_iter().filter(|&m| m <= 37 || isa != Isa::Scalar) {
                        let together = product(&kernels, &pool, &packed, None, &x[..m * k], m);
                        let shared = rows.len().min(together.len());
                        assert_same_bits(&together[..shared], &rows[..shared], &format!("{isa} {dtype} m={m}"));
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn every_instruction_set_agrees_with_its_scalar_twin(m in 0_usize..20, n in 1_usize..100, k in 1_usize..90) {
            let pool = ThreadPool::new(2).expect("threads");
            let scalar = Kernels::new(Isa::Scalar).expect("scalar");
            // Numbers that bf16 holds, so that rounding activations changes nothing.
            let exact = |count, seed| -> Vec<f32> {
                numbers(count, seed).into_iter().map(|value| bf16::from_f32(value).to_f32()).collect()
            };
            let x = exact(m * k, 4);
            for dtype in DTYPES {
                let packed = pack(&exact(n * k, 5), n, k, dtype);
                let expected: Vec<f64> =
                    product(&scalar, &pool, &packed, None, &x, m).into_iter().map(f64::from).collect();
                for isa in Isa::available() {
                    let kernels = Kernels::new(isa).expect("available");
                    let actual = product(&kernels, &pool, &packed, None, &x, m);
                    assert_close(&actual, &expected, 2e-5, &format!("{isa} {dtype} m={m} n={n} k={k}"));
                }
            }
        }
    }
}
