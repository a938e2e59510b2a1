//! The CPU backend against transformers, on every instruction set that this machine has.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod golden;

use std::sync::Arc;

use golden::{GoldenModel, PagedSession, check_golden, fixtures, shared_models, skipped};
use quire_kernels::{ElementType, Isa, Kernels, ThreadPool};
use quire_models::CpuBackend;

fn backend(isa: Isa, threads: usize, weights: ElementType) -> CpuBackend {
    let kernels = Arc::new(Kernels::new(isa).unwrap());
    CpuBackend::new(kernels, Arc::new(ThreadPool::new(threads).unwrap()), weights)
}

fn check_on_every_isa(models: &[GoldenModel], tolerance: f32) {
    assert!(!models.is_empty(), "no checkpoints");
    for isa in Isa::available() {
        for model in models {
            let largest = check_golden(backend(isa, 2, ElementType::F32), model, tolerance);
            println!("{isa} {}: largest difference {largest:e}", model.name);
        }
    }
}

#[test]
fn fixtures_agree_with_transformers() {
    check_on_every_isa(&fixtures(), 2e-4);
}

#[test]
fn shared_models_agree_with_transformers() {
    match shared_models() {
        Ok(models) => check_on_every_isa(&models, 1e-3),
        Err(reason) => skipped("shared_models_agree_with_transformers", &reason),
    }
}

/// Where transformers' own bfloat16 run keeps every token, and by a wide margin, so must ours.
#[test]
fn bfloat16_keeps_the_tokens_that_transformers_keeps() {
    let models = match shared_models() {
        Ok(models) => models,
        Err(reason) => return skipped("bfloat16_keeps_the_tokens_that_transformers_keeps", &reason),
    };
    for isa in Isa::available() {
        for model in &models {
            let longest = model.cases.iter().map(|case| case.prompt.len() + case.greedy.len()).max().unwrap();
            let backend = backend(isa, 1, ElementType::Bf16);
            let mut session = PagedSession::open(backend, &model.path, ElementType::Bf16, 16, 1, longest);
            for case in model.cases.iter().filter(|case| case.equal_in_bfloat16 == Some(case.greedy.len())) {
                let generated = session.greedy(0, &case.prompt, usize::MAX, case.greedy.len());
                assert_eq!(generated, case.greedy, "{isa} {}", model.name);
            }
        }
    }
}
