//! Tiles against the scalar twin, and against each other.

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
    let pool = ThreadPool::new(2).expect("threads");
    for (n, k) in [(16, 32), (70, 31), (33, 1), (64, 545), (17, 1090)] {
        let bytes: Vec<u8> = exact(n * k, 5).iter().flat_map(|value| value.to_le_bytes()).collect();
        let source = MatrixSource {
            bytes: &bytes,
            stored: WeightFormat::Elements(ElementType::F32),
            packed: WeightFormat::Elements(ElementType::Bf16),
            order: MatrixOrder::OutputsFirst,
            num_outputs: n,
            num_inputs: k,
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
        assert_close(&together[..33 * n], &twin, 2e-4, &format!("n={n} k={k}"));
        for rows in [0..1, 3..18, 5..21, 7..24, 0..31, 0..32, 2..67, 30..223] {
            let what = format!("n={n} k={k}, rows {rows:?}");
            assert_same_bits(&product(&kernels, rows.clone()), &together[rows.start * n..rows.end * n], &what);
        }
    }
}
