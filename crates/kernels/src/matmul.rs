//! Matrix products: activations times packed weights, shared out over the pool by columns (and by rows when there are
//! many). One path for every number of rows; sums are never split.

use crate::{
    ElementType, Epilogue, Kernels, KernelsError, PackedMatrix, ThreadPool, disjoint::Disjoint, lanes::LANES,
    narrow::narrow, rows::for_rows, tile::Tile,
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

/// Rows below which a block is not cut for the sake of more chunks.
const LEAST_BLOCK_ROWS: usize = 48;

/// Multiplications below which a chunk is not worth another thread's attention.
const LEAST_CHUNK_WORK: usize = 32 * 1024;

impl Kernels {
    /// Multiplies rows of activations by a packed matrix, with f32 sums.
    ///
    /// With [`Isa::Avx512Bf16`](crate::Isa::Avx512Bf16) and bf16 weights, activations are rounded to bf16; otherwise
    /// they are taken as they are. Row i of the result is the same, bit for bit, whatever the other rows, their number
    /// and the threads.
    ///
    /// # Errors
    /// [`KernelsError::OutOfMemory`] when there is no room for the activations in bf16.
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
        let tiles = match weights.dtype() {
            ElementType::F32 => &self.f32_tiles,
            ElementType::F16 | ElementType::Bf16 => &self.bf16_tiles,
        };
        let narrow_stride = narrow_stride(num_inputs);
        let mut scratch;
        let (x_start, x_stride_bytes) = if tiles.takes_bf16() {
            scratch = self.arena.take(num_rows * narrow_stride * 2)?;
            self.narrow_rows(pool, x, num_inputs, narrow_stride, scratch.elements_mut());
            (scratch.bytes().as_ptr(), narrow_stride * 2)
        } else {
            (x.as_ptr().cast(), num_inputs * 4)
        };

        let num_panels = num_outputs.div_ceil(LANES);
        let num_columns = num_panels.div_ceil(CHUNK_PANELS);
        let block_rows = block_rows(num_rows, num_columns, pool.threads(), tiles.max_rows());
        let num_blocks = num_rows.div_ceil(block_rows);
        let chunk_work = block_rows.min(num_rows) * num_inputs * CHUNK_PANELS * LANES;
        let chunk = LEAST_CHUNK_WORK / chunk_work.max(1);
        let block = Tile {
            weights: weights.bytes().as_ptr(),
            panel_bytes: weights.panel_bytes(),
            x: x_start,
            x_stride_bytes,
            num_inputs,
            bias: bias.map_or(std::ptr::null(), <[f32]>::as_ptr),
            out: std::ptr::null_mut(),
            out_stride,
            columns: 0,
            epilogue,
        };
        let shared = Shared { block, out: Disjoint::new(out) };
        pool.run(num_blocks * num_columns, chunk, &|items| {
            // Plain borrows of whole structs: a closure would capture the pointers one by one.
            let Shared { block, out } = &shared;
            for item in items {
                let (first_row, first_panel) = (item / num_columns * block_rows, item % num_columns * CHUNK_PANELS);
                let rows = block_rows.min(num_rows - first_row);
                let first_column = first_panel * LANES;
                let columns = (num_outputs - first_column).min(CHUNK_PANELS * LANES);
                // SAFETY: row blocks and column chunks lie inside x, weights, bias and out, whose sizes were checked
                // above; items are disjoint in out and handed out once; the instruction set is this CPU's.
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
        Ok(())
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

/// What the threads of one product share.
struct Shared<'a> {
    block: Tile,
    out: Disjoint<'a, f32>,
}

// SAFETY: the tile's pointers are read-only here; `out` synchronises itself by disjoint use.
unsafe impl Sync for Shared<'_> {}

/// Elements from one bf16 row to the next: whole cache lines, and never a multiple of 4 KiB, at which the rows of a
/// tile would compete for the same few lines of the nearest cache.
fn narrow_stride(num_inputs: usize) -> usize {
    let stride = num_inputs.next_multiple_of(32);
    if stride.is_multiple_of(2048) { stride + 32 } else { stride }
}

/// Rows of one work item: as many as stay in cache, fewer when there would be too few items for the threads.
fn block_rows(num_rows: usize, num_columns: usize, threads: usize, max_rows: usize) -> usize {
    let mut rows = BLOCK_ROWS.next_multiple_of(max_rows);
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
        Isa, MatrixOrder, MatrixSource,
        testing::{assert_close, assert_same_bits, for_each_setup, numbers},
    };

    const DTYPES: [ElementType; 2] = [ElementType::F32, ElementType::Bf16];

    fn pack(values: &[f32], num_outputs: usize, num_inputs: usize, dtype: ElementType) -> PackedMatrix {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let pool = ThreadPool::new(1).expect("threads");
        let order = MatrixOrder::OutputsFirst;
        let source = MatrixSource { bytes: &bytes, dtype: ElementType::F32, order, num_outputs, num_inputs };
        PackedMatrix::pack(&pool, &[source], dtype).expect("fits")
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
