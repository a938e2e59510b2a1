//! Caches of fewer bits: near to what the model computes without rounding, the same in both backends, and the same whatever the company.
#![expect(clippy::unwrap_used, reason = "tests")]

mod golden;

use std::sync::Arc;

use golden::{GoldenModel, PagedSession, fixtures};
use quire_kernels::{CacheType, ElementType, Isa, Kernels, ThreadPool};
use quire_models::{CpuBackend, ReferenceBackend};

/// Queries of one head for each key's and of several, one with a window.
fn some_fixtures() -> Vec<GoldenModel> {
    let names = ["llama_gqa", "gpt2", "mistral_window"];
    let found: Vec<GoldenModel> = fixtures().into_iter().filter(|model| names.contains(&model.name.as_str())).collect();
    assert_eq!(found.len(), names.len());
    found
}

fn cpu(isa: Isa, threads: usize) -> CpuBackend {
    let kernels = Arc::new(Kernels::new(isa).unwrap());
    CpuBackend::new(kernels, Arc::new(ThreadPool::new(threads).unwrap()), ElementType::F32)
}

fn prompts(model: &GoldenModel) -> Vec<Vec<i32>> {
    model.cases.iter().map(|case| case.prompt.iter().chain(&case.greedy).copied().collect()).collect()
}

fn bits(rows: &[Vec<f32>]) -> Vec<u32> {
    rows.iter().flatten().map(|logit| logit.to_bits()).collect()
}

#[test]
fn chunks_batches_blocks_and_threads_change_no_bit() {
    for model in some_fixtures() {
        let prompts = prompts(&model);
        for cache_type in [CacheType::Fp8E4m3, CacheType::Fp8E5m2, CacheType::Int8] {
            for isa in [Isa::detect(), Isa::Scalar] {
                let open = |threads, block_size| {
                    PagedSession::open(cpu(isa, threads), &model.path, cache_type, block_size, prompts.len(), 64)
                };
                let mut alone = open(1, 16);
                let expected: Vec<Vec<u32>> =
                    prompts.iter().enumerate().map(|(index, prompt)| bits(&alone.step(&[(index, prompt)]))).collect();
                for (chunk, block_size) in [(1, 5), (7, 16)] {
                    let mut together = open(2, block_size);
                    let mut found = vec![Vec::new(); prompts.len()];
                    for start in (0..64).step_by(chunk) {
                        let rows: Vec<(usize, &[i32])> = prompts
                            .iter()
                            .enumerate()
                            .filter(|(_, prompt)| start < prompt.len())
                            .map(|(index, prompt)| (index, &prompt[start..prompt.len().min(start + chunk)]))
                            .collect();
                        let mut logits = if rows.is_empty() { Vec::new() } else { together.step(&rows) }.into_iter();
                        for (index, tokens) in rows {
                            found[index].extend(bits(&logits.by_ref().take(tokens.len()).collect::<Vec<_>>()));
                        }
                    }
                    assert!(found == expected, "{} {isa} {cache_type} chunks of {chunk}", model.name);
                }
            }
        }
    }
}

/// Root of the mean square of `one - other`, in units of that of `other`.
fn distance(one: &[Vec<f32>], other: &[Vec<f32>]) -> f64 {
    let squares = |of: &dyn Fn(usize, usize) -> f64| -> f64 {
        let row = |(row, logits): (usize, &Vec<f32>)| (0..logits.len()).map(|at| of(row, at).powi(2)).sum::<f64>();
        other.iter().enumerate().map(row).sum()
    };
    let difference = squares(&|row, at| f64::from(one[row][at]) - f64::from(other[row][at]));
    (difference / squares(&|row, at| f64::from(other[row][at]))).sqrt()
}

#[test]
fn logits_are_near_those_of_a_cache_that_rounds_nothing() {
    for model in some_fixtures() {
        for prompt in prompts(&model).iter().take(2) {
            let tokens = &[(0, prompt.as_slice())];
            let exact = PagedSession::open(cpu(Isa::detect(), 2), &model.path, CacheType::F32, 16, 1, 64).step(tokens);
            for (cache_type, most) in
                [(CacheType::Bf16, 0.03), (CacheType::Int8, 0.1), (CacheType::Fp8E4m3, 0.3), (CacheType::Fp8E5m2, 0.6)]
            {
                let place = format!("{} {cache_type}", model.name);
                let rounded =
                    PagedSession::open(cpu(Isa::detect(), 2), &model.path, cache_type, 16, 1, 64).step(tokens);
                let reference = PagedSession::open(ReferenceBackend, &model.path, cache_type, 16, 1, 64).step(tokens);
                let (of_cpu, of_reference) = (distance(&rounded, &exact), distance(&reference, &exact));
                assert!(of_cpu > 0.0 && of_cpu < most, "{place}: {of_cpu}");
                assert!(of_reference > 0.0 && of_reference < most, "{place}, reference: {of_reference}");
            }
        }
    }
}
