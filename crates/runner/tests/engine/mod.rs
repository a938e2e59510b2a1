//! The engine's loop without an engine: core and runner, step by step, until every prompt has its greedy tokens.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::path::Path;

use quire_core::{EngineConfig, EngineCore, InputBatchBuffer, InputBatchView, Request, SampledTokens};
use quire_runner::{BatchLimits, CandleRunner, FileSystem, HostTensor, ModelOutput, RunnerOptions};

/// How the engine is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) block_size: usize,
    pub(crate) num_blocks: usize,
    /// Tokens per step.
    pub(crate) step_tokens: u32,
    pub(crate) max_num_seqs: u32,
    pub(crate) prefix_caching: bool,
    pub(crate) max_steps_in_flight: u32,
}

impl Default for Setup {
    fn default() -> Setup {
        let (step_tokens, max_num_seqs) = (4_096, 64);
        Setup {
            block_size: 16,
            num_blocks: 1_024,
            step_tokens,
            max_num_seqs,
            prefix_caching: true,
            max_steps_in_flight: 1,
        }
    }
}

pub(crate) fn load(path: &Path, options: &RunnerOptions) -> CandleRunner {
    CandleRunner::load(&FileSystem, path, options, &|_| {}).unwrap()
}

/// A prompt and the number of tokens to generate from it.
pub(crate) type Job = (Vec<i32>, usize);

/// Generates greedily for all jobs at once; returns tokens in the order of jobs and the number of preemptions.
pub(crate) fn generate(runner: &mut CandleRunner, setup: &Setup, jobs: &[Job]) -> (Vec<Vec<i32>>, u64) {
    let info = runner.model_info();
    let longest = info.max_position_embeddings.min((setup.num_blocks - 1) * setup.block_size) as u32;
    let spec = runner.kv_cache_spec(setup.block_size);
    let layers: Vec<HostTensor> =
        (0..spec.num_layers).map(|_| HostTensor::zeros(&spec.shape(setup.num_blocks), spec.dtype).unwrap()).collect();
    let sliding_window = info.sliding_window.map(|window| window as u32);
    let max_logits_rows = setup.max_num_seqs as usize;
    let max_num_batched_tokens = setup.step_tokens as usize;
    runner.profile(&BatchLimits { max_num_batched_tokens, max_logits_rows, max_model_len: longest as usize });
    runner.bind_kv_cache(&layers).unwrap();
    runner.warmup().unwrap();
    let mut core = EngineCore::new(EngineConfig {
        max_num_seqs: setup.max_num_seqs,
        max_num_batched_tokens: setup.step_tokens,
        enable_prefix_caching: setup.prefix_caching,
        max_steps_in_flight: setup.max_steps_in_flight,
        sliding_window,
        ..EngineConfig::new(setup.block_size as u32, setup.num_blocks as u32, longest, [7; 16])
    })
    .unwrap();
    let mut job_of = HashMap::new();
    for (index, (prompt, num_tokens)) in jobs.iter().enumerate() {
        let request =
            Request { max_tokens: Some(*num_tokens as u32), ignore_eos: true, ..Request::new(prompt.clone()) };
        job_of.insert(core.add(request).unwrap().first, index);
    }
    let mut outputs = vec![Vec::new(); jobs.len()];
    let mut pending: Vec<(u32, Vec<i32>, Vec<i32>)> = Vec::new();
    let mut buffer = InputBatchBuffer::new();
    while core.has_unfinished() {
        while core.schedule(&mut buffer) {
            let batch = InputBatchView::new(buffer.words()).unwrap();
            let counts = batch.sample_index().iter().map(|&sample| i32::from(sample >= 0)).collect();
            let tokens = match runner.execute(&batch, &mut logits_for(runner, &batch)).unwrap() {
                ModelOutput::TokenIds(tokens) => tokens,
                ModelOutput::Logits => Vec::new(),
            };
            pending.push((batch.step_id(), counts, tokens));
        }
        let (step_id, counts, token_ids) = pending.remove(0);
        let output =
            core.update(step_id, SampledTokens { counts: &counts, token_ids: &token_ids, num_forced: &[] }).unwrap();
        let mut tokens = output.token_ids.iter();
        for (sequence, &count) in output.sequences.iter().zip(&output.num_tokens) {
            outputs[job_of[sequence]].extend(tokens.by_ref().take(count as usize));
        }
        core.check_invariants().unwrap();
    }
    (outputs, core.stats().num_preemptions)
}

/// Steps that only fill the cache still need room for their logits, of which there are none.
fn logits_for(runner: &CandleRunner, batch: &InputBatchView<'_>) -> Vec<f32> {
    if batch.samples() { Vec::new() } else { vec![0.0; batch.num_logits() * runner.model_info().vocab_size] }
}
