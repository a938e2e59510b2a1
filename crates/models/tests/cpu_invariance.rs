//! Results of the CPU backend don't depend on company: chunks, batch mates, block sizes and threads change no bit.

#![expect(clippy::unwrap_used, reason = "tests")]

mod golden;

use std::sync::Arc;

use golden::{GoldenModel, PagedSession, fixtures};
use quire_kernels::{ElementType, Isa, Kernels, ThreadPool};
use quire_models::CpuBackend;

fn session(
    model: &GoldenModel,
    isa: Isa,
    threads: usize,
    dtype: ElementType,
    block_size: usize,
    num_sequences: usize,
) -> PagedSession<CpuBackend> {
    let kernels = Arc::new(Kernels::new(isa).unwrap());
    let backend = CpuBackend::new(kernels, Arc::new(ThreadPool::new(threads).unwrap()), dtype);
    PagedSession::open(backend, &model.path, dtype, block_size, num_sequences, 64)
}

fn bits(rows: &[Vec<f32>]) -> Vec<u32> {
    rows.iter().flatten().map(|logit| logit.to_bits()).collect()
}

/// Logits of every token of every prompt, one prompt after another, each in one step.
fn alone(session: &mut PagedSession<CpuBackend>, prompts: &[Vec<i32>]) -> Vec<Vec<u32>> {
    let whole = |(sequence, prompt): (usize, &Vec<i32>)| bits(&session.step(&[(sequence, prompt)]));
    prompts.iter().enumerate().map(whole).collect()
}

#[test]
fn chunks_batches_blocks_and_threads_change_no_bit() {
    for model in fixtures() {
        let prompts: Vec<Vec<i32>> =
            model.cases.iter().map(|case| case.prompt.iter().chain(&case.greedy).copied().collect()).collect();
        for isa in Isa::available() {
            for dtype in [ElementType::F32, ElementType::Bf16] {
                let place = |what: &str| format!("{} {isa} {dtype} {what}", model.name);
                let expected = alone(&mut session(&model, isa, 1, dtype, 16, prompts.len()), &prompts);
                for block_size in [8, 32, 5] {
                    let found = alone(&mut session(&model, isa, 1, dtype, block_size, prompts.len()), &prompts);
                    assert!(found == expected, "{}", place(&format!("block size {block_size}")));
                }
                let threaded = alone(&mut session(&model, isa, 2, dtype, 16, prompts.len()), &prompts);
                assert!(threaded == expected, "{}", place("two threads"));
                for chunk in [1, 3, 7] {
                    let found = ragged(&mut session(&model, isa, 2, dtype, 16, prompts.len()), &prompts, chunk);
                    assert!(found == expected, "{}", place(&format!("ragged batch, chunks of {chunk}")));
                }
            }
        }
    }
}

/// All prompts together, in chunks of different lengths, the later ones joining late: some rows are single tokens while
/// others are chunks.
fn ragged(session: &mut PagedSession<CpuBackend>, prompts: &[Vec<i32>], chunk: usize) -> Vec<Vec<u32>> {
    let mut found = vec![Vec::new(); prompts.len()];
    let mut next = vec![0; prompts.len()];
    let mut step = 0;
    while next.iter().zip(prompts).any(|(next, prompt)| *next < prompt.len()) {
        let mut rows: Vec<(usize, &[i32])> = Vec::new();
        for (sequence, prompt) in prompts.iter().enumerate().filter(|(sequence, _)| *sequence <= step) {
            let length = if (sequence + step) % 2 == 0 { chunk } else { 1 };
            let end = (next[sequence] + length).min(prompt.len());
            if next[sequence] < end {
                rows.push((sequence, &prompt[next[sequence]..end]));
                next[sequence] = end;
            }
        }
        let mut logits = session.step(&rows).into_iter();
        for (sequence, tokens) in rows {
            let of_row: Vec<Vec<f32>> = logits.by_ref().take(tokens.len()).collect();
            found[sequence].extend(bits(&of_row));
        }
        step += 1;
    }
    found
}
