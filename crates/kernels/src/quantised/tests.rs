//! Products of blocks: the same bits everywhere, near to what exact arithmetic gives, whatever the company.

use quire_blocks::{BlockFormat, dequantise, quantise};

use super::tables::ByteProducts;
use crate::{
    ElementType, Epilogue, Isa, Kernels, Matmul, MatrixOrder, MatrixSource, PackedMatrix, ThreadPool, WeightFormat,
    testing::{assert_close, assert_same_bits, numbers, stored_blocks},
};

/// Every way of multiplying bytes that this CPU has.
fn setups() -> Vec<(String, Kernels)> {
    Isa::available()
        .flat_map(|isa| ByteProducts::available(isa).map(move |way| (isa, way)))
        .map(|(isa, way)| (format!("{isa} {way:?}"), Kernels::new(isa).expect("available").with_byte_products(way)))
        .collect()
}

fn source(bytes: &[u8], format: BlockFormat, num_outputs: usize, num_inputs: usize) -> MatrixSource<'_> {
    let (stored, order) = (WeightFormat::Blocks(format), MatrixOrder::OutputsFirst);
    MatrixSource { bytes, stored, packed: stored, order, num_outputs, num_inputs, importance: None }
}

fn pack(sources: &[MatrixSource<'_>]) -> PackedMatrix {
    PackedMatrix::pack(&ThreadPool::new(1).expect("threads"), sources).expect("fits")
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
    kernels.matmul(pool, Matmul { x, num_rows, weights, bias, out: &mut out, out_stride, epilogue }).expect("memory");
    out
}

/// What an activation becomes: the nearest of 127 steps to either side of its block.
fn rounded(x: &[f32]) -> Vec<f64> {
    x.chunks(32)
        .flat_map(|block| {
            let step = f64::from(block.iter().fold(0.0_f32, |most, value| most.max(value.abs())) / 127.0);
            block.iter().map(move |value| (f64::from(*value) / step).round() * step).collect::<Vec<f64>>()
        })
        .collect()
}

fn exact(x: &[f64], weights: &[f32], num_inputs: usize) -> Vec<f64> {
    x.chunks(num_inputs)
        .flat_map(|x| {
            let dot = move |row: &[f32]| x.iter().zip(row).map(|(x, weight)| x * f64::from(*weight)).sum::<f64>();
            weights.chunks(num_inputs).map(dot).collect::<Vec<f64>>()
        })
        .collect()
}

#[test]
fn every_format_has_one_result_on_all_sets_and_it_is_right() {
    let (n, k) = (37, 768);
    let pool = ThreadPool::new(2).expect("threads");
    let x = numbers(14 * k, 1);
    let bias = numbers(n, 3);
    for format in BlockFormat::all() {
        let bytes = stored_blocks(format, n * k, 2);
        let mut weights = vec![0.0; n * k];
        dequantise(format, &bytes, &mut weights);
        let packed = pack(&[source(&bytes, format, n, k)]);
        let reference: Vec<f64> = exact(&rounded(&x), &weights, k)
            .iter()
            .enumerate()
            .map(|(index, value)| value + f64::from(bias[index % n]))
            .collect();
        let mut twin: Option<Vec<f32>> = None;
        for (name, kernels) in setups().into_iter().rev() {
            for m in [14, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13] {
                let out = product(&kernels, &pool, &packed, Some(&bias), &x[..m * k], m);
                let what = format!("{format} {name} m={m}");
                // Rounding of the halves of ties and of single precision; sums are of some hundred weights about 1.
                assert_close(&out, &reference[..m * n], 2e-4, &what);
                match &twin {
                    Some(twin) => assert_same_bits(&out, &twin[..m * n], &what),
                    None => twin = Some(out),
                }
            }
        }
    }
}

/// Sums of few bits have room for the greatest levels of all formats, times the greatest activations, of either sign.
#[test]
fn sums_hold_the_greatest_levels_and_activations() {
    let (n, k, m) = (16, 512, 7);
    let pool = ThreadPool::new(1).expect("threads");
    // Levels are greatest but for the first of each 16, which is the least; then the other way about.
    let high = (0..n * k).map(|index| if index % 16 == 0 { -1.0 } else { 0.99 }).collect::<Vec<f32>>();
    let low = high.iter().map(|weight| -weight).collect::<Vec<f32>>();
    let ones = vec![1.0; m * k];
    let by_pairs = (0..m * k).map(|index| if index % 4 < 2 { 1.0 } else { -1.0 }).collect::<Vec<f32>>();
    let negative = vec![-1.0; m * k];
    // Of each number of bits a format that is written.
    use BlockFormat::{Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q6_K, Q8_0};
    for format in [Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q6_K, Q8_0] {
        for weights in [&high, &low] {
            let mut bytes = vec![0; n * k / format.block_len() * format.block_bytes()];
            quantise(format, weights, &mut bytes);
            let mut weights = vec![0.0; n * k];
            dequantise(format, &bytes, &mut weights);
            let packed = pack(&[source(&bytes, format, n, k)]);
            for x in [&ones, &by_pairs, &negative] {
                let reference = exact(&rounded(x), &weights, k);
                for (name, kernels) in setups() {
                    for m in [m, 1, 2, 3, 4, 5, 6] {
                        let out = product(&kernels, &pool, &packed, None, &x[..m * k], m);
                        assert_close(&out, &reference[..m * n], 2e-4, &format!("{format} {name} m={m}"));
                    }
                }
            }
        }
    }
}

/// The error that rounding activations to bytes may make: of independent errors of at most half a step, one root of the
/// number of inputs times the root mean square of the weights, with four deviations to spare.
#[test]
fn results_stay_within_the_error_of_rounded_activations() {
    let (n, k, m) = (64, 1024, 8);
    let pool = ThreadPool::new(1).expect("threads");
    let kernels = Kernels::new(Isa::detect()).expect("available");
    let x = numbers(m * k, 11);
    for format in BlockFormat::all() {
        let bytes = stored_blocks(format, n * k, 12);
        let mut weights = vec![0.0; n * k];
        dequantise(format, &bytes, &mut weights);
        let reference = exact(&x.iter().map(|value| f64::from(*value)).collect::<Vec<f64>>(), &weights, k);
        let out = product(&kernels, &pool, &pack(&[source(&bytes, format, n, k)]), None, &x, m);
        let squares: f64 = weights.iter().map(|weight| f64::from(*weight).powi(2)).sum();
        // A step is 2 / 127, and an error uniform within half of it.
        let deviation = (squares / n as f64).sqrt() * (2.0 / 127.0) / 12.0_f64.sqrt();
        let errors: Vec<f64> = out.iter().zip(&reference).map(|(out, exact)| f64::from(*out) - exact).collect();
        let actual = (errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64).sqrt();
        assert!(actual < 1.3 * deviation, "{format}: {actual:e}, of which {deviation:e} is to be expected");
        let largest = errors.iter().fold(0.0_f64, |most, error| most.max(error.abs()));
        assert!(largest < 6.0 * deviation, "{format}: {largest:e}, deviation {deviation:e}");
    }
}

#[test]
fn a_row_does_not_depend_on_its_company() {
    let (n, k) = (203, 512);
    let x = numbers(1100 * k, 1);
    let kernels = Kernels::new(Isa::detect()).expect("available");
    for format in [BlockFormat::Q8_0, BlockFormat::Q4_1, BlockFormat::Q4_K, BlockFormat::Q6_K] {
        let bytes = stored_blocks(format, n * k, 2);
        let packed = pack(&[source(&bytes, format, n, k)]);
        let alone = ThreadPool::new(1).expect("threads");
        let rows: Vec<f32> =
            x[..37 * k].chunks(k).flat_map(|row| product(&kernels, &alone, &packed, None, row, 1)).collect();
        for threads in [1, 2, 3, 5] {
            let pool = ThreadPool::new(threads).expect("threads");
            for m in [2, 7, 12, 13, 37, 1100] {
                let together = product(&kernels, &pool, &packed, None, &x[..m * k], m);
                let shared = rows.len().min(together.len());
                assert_same_bits(&together[..shared], &rows[..shared], &format!("{format} m={m}, {threads} threads"));
            }
        }
    }
}

#[test]
fn products_of_nothing_are_the_bias() {
    let (pool, bias) = (ThreadPool::new(1).expect("threads"), numbers(17, 1));
    let packed = pack(&[source(&[], BlockFormat::Q4_0, 17, 0)]);
    for (name, kernels) in setups() {
        for m in [1, 7] {
            assert_same_bits(&product(&kernels, &pool, &packed, Some(&bias), &[], m), &bias.repeat(m), &name);
        }
    }
}

#[test]
fn a_stack_is_its_parts_side_by_side() {
    let k = 256;
    let pool = ThreadPool::new(2).expect("threads");
    let q4 = stored_blocks(BlockFormat::Q4_K, 20 * k, 5);
    let q6 = stored_blocks(BlockFormat::Q6_K, 7 * k, 6);
    let plain: Vec<u8> = numbers(9 * k, 7).iter().flat_map(|value| value.to_le_bytes()).collect();
    let elements = MatrixSource {
        bytes: &plain,
        stored: WeightFormat::Elements(ElementType::F32),
        packed: WeightFormat::Elements(ElementType::Bf16),
        order: MatrixOrder::OutputsFirst,
        num_outputs: 9,
        num_inputs: k,
        importance: None,
    };
    let sources = [
        source(&q4, BlockFormat::Q4_K, 20, k),
        elements,
        source(&q6, BlockFormat::Q6_K, 7, k),
        source(&q4, BlockFormat::Q4_K, 20, k),
    ];
    let bias = numbers(56, 9);
    // Few rows, and so many that forms take them in groups of different heights.
    for (m, (name, kernels)) in [5, 21].into_iter().flat_map(|m| setups().into_iter().map(move |setup| (m, setup))) {
        let x = numbers(m * k, 4);
        let stacked = product(&kernels, &pool, &pack(&sources), Some(&bias), &x, m);
        let mut first = 0;
        for part in sources {
            let outputs = first..first + part.num_outputs;
            let alone = product(&kernels, &pool, &pack(&[part]), Some(&bias[outputs.clone()]), &x, m);
            for (stacked, alone) in stacked.chunks(56).zip(alone.chunks(part.num_outputs)) {
                assert_same_bits(&stacked[outputs.clone()], alone, &name);
            }
            first = outputs.end;
        }
    }
}

#[test]
fn an_activation_that_is_not_finite_spoils_its_row_and_no_other() {
    let (n, k) = (16, 64);
    let pool = ThreadPool::new(1).expect("threads");
    let packed = pack(&[source(&stored_blocks(BlockFormat::Q4_0, n * k, 1), BlockFormat::Q4_0, n, k)]);
    let mut x = numbers(3 * k, 2);
    (x[k + 5], x[k + 40]) = (f32::NAN, f32::INFINITY);
    for (name, kernels) in setups() {
        let out = product(&kernels, &pool, &packed, None, &x, 3);
        for (row, out) in out.chunks(n).enumerate() {
            assert!(out.iter().all(|value| value.is_nan() == (row == 1)), "{name} row {row}: {out:?}");
        }
    }
}
