//! Products of every kind of row and panel, against sums in f64 and against the scalar twin.

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
        importance: None,
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
    let narrows_x = dtype == ElementType::Bf16 && matches!(kernels.isa(), Isa::Amx | Isa::Avx512Bf16 | Isa::NeonBf16);
    let mut expected = Vec::with_capacity(m * n);
    for row in 0..m {
        for column in 0..n {
            let sum: f64 = (0..k)
                .map(|i| round(x[row * k + i], narrows_x) * round(weights[column * k + i], dtype == ElementType::Bf16))
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
    let matmul = Matmul { x: &x, num_rows: m, weights, bias: Some(&bias), out: &mut out, out_stride: stride, epilogue };
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
