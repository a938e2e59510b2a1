//! The CPU backend against transformers, on every instruction set that this machine has.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod golden;

use std::sync::Arc;

use golden::{GoldenModel, PagedSession, check_golden, fixtures, shared_models, skipped};
use quire_kernels::{ElementType, Isa, Kernels, ThreadPool};
use quire_models::{CpuBackend, max_sequence_tokens};

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

fn fixture(name: &str) -> GoldenModel {
    fixtures().into_iter().find(|model| model.name == name).unwrap()
}

/// LongRoPE has angles for engines whose sequences stay within the trained length, and others.
#[test]
fn the_longest_sequence_decides_between_angles() {
    let model = fixture("phi3_longrope_short");
    let last_logits = |max_tokens: usize| {
        let backend = backend(Isa::available().next().unwrap(), 1, ElementType::F32);
        let mut session = PagedSession::open(backend, &model.path, ElementType::F32, 16, 1, max_tokens);
        session.step(&[(0, &model.cases[2].prompt)]).pop().unwrap()
    };
    let trained = last_logits(64);
    assert_eq!(trained, last_logits(53));
    let largest = trained.iter().zip(last_logits(65)).map(|(short, long)| (short - long).abs()).fold(0.0, f32::max);
    assert!(largest > 0.05, "{largest}");
}

/// Its configuration states the length after scaling, unlike that of a Llama.
#[test]
fn gemma3_is_not_stretched_twice() {
    let path = fixture("gemma3").path;
    let backend = backend(Isa::available().next().unwrap(), 1, ElementType::F32);
    let session = PagedSession::open(backend, &path, ElementType::F32, 16, 1, 16);
    assert_eq!(max_sequence_tokens(&session.config), 128);
}
