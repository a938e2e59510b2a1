//! Checkpoints that are quantised in tensors of their own, against transformers on the weights that they stand for.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod golden;

use std::sync::Arc;

use golden::{GoldenModel, PagedSession, check_golden, quantised_fixtures};
use quire_kernels::{ElementType, Isa, Kernels, ThreadPool};
use quire_models::{CpuBackend, Quantization, ReferenceBackend};

fn backend(quantization: Quantization) -> CpuBackend {
    let kernels = Arc::new(Kernels::new(Isa::detect()).unwrap());
    CpuBackend::new(kernels, Arc::new(ThreadPool::new(2).unwrap()), ElementType::F32).with_quantization(quantization)
}

#[test]
fn numbers_agree_with_transformers() {
    let models = quantised_fixtures();
    assert_eq!(models.len(), 11);
    for model in models {
        let largest = check_golden(backend(Quantization::None), &model, 2e-4);
        println!("{}: largest difference {largest:e}", model.name);
        check_golden(ReferenceBackend, &model, 2e-4);
    }
}

/// Logits of the prompts' stored positions, root mean square of what they are off over that of the golden ones.
fn distance(model: &GoldenModel, quantization: Quantization) -> f64 {
    let mut session = PagedSession::open(backend(quantization), &model.path, ElementType::F32, 16, 1, 64);
    let (mut errors, mut squares) = (0.0, 0.0);
    for case in &model.cases {
        session.restart(0);
        let found = session.step(&[(0, &case.prompt)]);
        for (position, golden) in &case.logits {
            for (found, golden) in found[*position].iter().zip(golden) {
                errors += f64::from(found - golden).powi(2);
                squares += f64::from(*golden).powi(2);
            }
        }
    }
    (errors / squares).sqrt()
}

/// Blocks add the error of activations in bytes. These small random models make errors larger than trained ones do.
#[test]
fn blocks_stay_near() {
    for model in quantised_fixtures() {
        let found = distance(&model, Quantization::Stored);
        println!("{}: logits are off by {found:.4} of their size", model.name);
        assert!(found > 0.0, "{} is not in blocks", model.name);
        assert!(found < 0.08, "{}: {found}", model.name);
    }
}
