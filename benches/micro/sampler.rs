//! One sampling step of 64 rows over a vocabulary of 128,256, beside the time that reading the logits once takes in the
//! same run: `cargo bench -p quire-sampler`. A table for people, then one JSON object per line for benches/results.
#![expect(clippy::print_stdout, reason = "a bench reports to the terminal")]

use std::hint::black_box;
use std::time::Instant;

use quire_core::{BatchRow, BlockId, InputBatchBuffer, SequenceId};
use quire_kernels::ThreadPool;
use quire_sampler::{Sampler, SamplerOptions, SamplerOutput, SamplingParams, draw_rows};

const ROWS: usize = 64;
const VOCAB: usize = 128_256;
const PROMPT_TOKENS: usize = 1000;
const OUTPUT_TOKENS: usize = 200;
const REPEATS: usize = 15;

struct Case {
    name: &'static str,
    params: SamplingParams,
}

fn cases() -> Vec<Case> {
    let random = SamplingParams { seed: Some(1), ..SamplingParams::default() };
    let case = |name, params| Case { name, params };
    vec![
        case("greedy", SamplingParams { temperature: 0.0, ..random.clone() }),
        case("temperature 0.8", SamplingParams { temperature: 0.8, ..random.clone() }),
        case("top-k 50, top-p 0.9", SamplingParams { temperature: 0.8, top_k: 50, top_p: 0.9, ..random.clone() }),
        case("top-p 0.9", SamplingParams { temperature: 0.8, top_p: 0.9, ..random.clone() }),
        case("min-p 0.05", SamplingParams { temperature: 0.8, min_p: 0.05, ..random.clone() }),
        case(
            "greedy, three penalties",
            SamplingParams {
                temperature: 0.0,
                repetition_penalty: 1.1,
                frequency_penalty: 0.1,
                presence_penalty: 0.1,
                ..random.clone()
            },
        ),
        case("greedy, 5 logprobs", SamplingParams { temperature: 0.0, logprobs: Some(5), ..random }),
    ]
}

fn main() {
    let mut state = 1u64;
    let mut logits: Vec<f32> = (0..ROWS * VOCAB).map(|_| 3.0 * normal(&mut state)).collect();
    println!("{ROWS} rows x {VOCAB} logits, median of {REPEATS} steps, in ms; read = every logit once, same threads\n");
    println!("{:<26} {:>7} {:>9} {:>9} {:>7}", "case", "threads", "step", "read", "ratio");
    let mut lines = Vec::new();
    for threads in [1, 2] {
        let pool = ThreadPool::new(threads).expect("a pool");
        for Case { name, params } in cases() {
            let read = median(|| read_once(&pool, &logits));
            let step = measure(&pool, &params, &mut logits);
            println!("{name:<26} {threads:>7} {step:>9.2} {read:>9.2} {:>7.2}", step / read);
            lines.push(format!(
                "{{\"bench\":\"sampler\",\"case\":\"{name}\",\"rows\":{ROWS},\"vocab\":{VOCAB},\"threads\":{threads},\
                 \"step_ms\":{step:.3},\"read_ms\":{read:.3}}}"
            ));
        }
    }
    println!("\n{}", lines.join("\n"));
}

/// The device path where the columns say all, the stateful sampler elsewhere.
fn measure(pool: &ThreadPool, params: &SamplingParams, logits: &mut [f32]) -> f64 {
    let position = (PROMPT_TOKENS + OUTPUT_TOKENS - 1) as u32;
    let blocks: Vec<BlockId> = (1..=position / 16 + 1).map(BlockId).collect();
    let mut buffer = InputBatchBuffer::new();
    let rows = (0..ROWS as u32).map(|row| BatchRow {
        sequence_id: SequenceId(row + 1),
        row,
        token_ids: &[1],
        num_unknown_tokens: 0,
        draft_token_ids: &[],
        num_computed: position,
        block_table: &blocks,
        samples: true,
        prompt_logits: (0, 0),
        host_sampling: params.needs_host(),
        sampling: params.columns(0).child(row),
    });
    buffer.write(0, 16, rows);
    let batch = buffer.view().expect("a batch");
    if !params.needs_host() {
        let mut token_ids = Vec::new();
        return median(|| {
            draw_rows(pool, &batch, logits, VOCAB, &mut token_ids).expect("drawn");
            black_box(&token_ids);
        });
    }
    let mut sampler = Sampler::new(SamplerOptions::new(VOCAB)).expect("a vocabulary");
    for row in 0..ROWS {
        let id = SequenceId(row as u32 + 1);
        let ids: Vec<i32> = (0..PROMPT_TOKENS + OUTPUT_TOKENS).map(|at| ((row + at) * 7919 % VOCAB) as i32).collect();
        sampler.add(id, params.clone(), &ids[..PROMPT_TOKENS]).expect("valid");
        sampler.append(id, &ids[PROMPT_TOKENS..]).expect("valid");
    }
    let mut output = SamplerOutput::default();
    median(|| {
        sampler.sample(pool, &batch, logits, None, &mut output).expect("sampled");
        black_box(&output.token_ids);
    })
}

fn read_once(pool: &ThreadPool, logits: &[f32]) {
    pool.run(ROWS, 1, &|rows| {
        for row in logits[rows.start * VOCAB..rows.end * VOCAB].chunks_exact(VOCAB) {
            let mut sums = [0.0f32; 32];
            for chunk in row.chunks_exact(32) {
                for (sum, logit) in sums.iter_mut().zip(chunk) {
                    *sum += logit;
                }
            }
            black_box(sums);
        }
    });
}

/// Median milliseconds of one call, after a warm-up.
fn median(mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[REPEATS / 2]
}

/// Roughly normal, mean 0, variance 1: the sum of twelve uniform numbers.
fn normal(state: &mut u64) -> f32 {
    let mut sum = -6.0;
    for _ in 0..12 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        sum += (*state >> 40) as f32 / 16_777_216.0;
    }
    sum
}
