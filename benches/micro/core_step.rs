//! Times the core alone: `schedule` plus `update` of a step in which every running sequence generates one token, and
//! `add`. Prints a table, then one JSON line per figure. `cargo bench -p quire-core`; medians, one thread.
#![expect(clippy::print_stdout, reason = "a bench reports on its standard output")]

use quire_core::{EngineConfig, EngineCore, InputBatchBuffer, Request, SampledTokens};
use std::time::Instant;

const PROMPT_TOKENS: u32 = 512;
const BLOCK_SIZE: u32 = 16;
const STEPS: u32 = 400;

fn engine(num_sequences: u32) -> EngineCore {
    let blocks_per_sequence = (PROMPT_TOKENS + STEPS + 128) / BLOCK_SIZE + 1;
    let mut config = EngineConfig::new(BLOCK_SIZE, num_sequences * blocks_per_sequence + 2, 4096, [1; 16]);
    config.max_num_seqs = num_sequences;
    config.max_num_batched_tokens = 8192;
    EngineCore::new(config).expect("a configuration in range")
}

fn request(index: u32) -> Request {
    let mut request = Request::new((0..PROMPT_TOKENS).map(|token| (token * 1031 + index * 17) as i32).collect());
    request.max_tokens = Some(STEPS + 100);
    request
}

/// The median of the samples, in nanoseconds.
fn median(mut samples: Vec<u64>) -> u64 {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

/// One step with invented tokens: nanoseconds of `schedule` and of `update`.
fn step(engine: &mut EngineCore, buffer: &mut InputBatchBuffer, round: u32) -> (u64, u64) {
    let started = Instant::now();
    assert!(engine.schedule(buffer), "there is work");
    let scheduled = started.elapsed().as_nanos() as u64;
    let view = buffer.view().expect("what the engine writes can be read");
    let counts: Vec<i32> = view.sample_index().iter().map(|index| i32::from(*index >= 0)).collect();
    let token_ids: Vec<i32> =
        (0..counts.iter().sum()).map(|index: i32| index.wrapping_mul(31) % 5000 + (round % 7) as i32).collect();
    let step_id = view.step_id();
    let started = Instant::now();
    engine
        .update(step_id, SampledTokens { counts: &counts, token_ids: &token_ids, num_forced: &[] })
        .expect("the step's own result");
    (scheduled, started.elapsed().as_nanos() as u64)
}

fn main() {
    println!("sequences   schedule us   update us   both us   add us");
    let mut lines = Vec::new();
    for num_sequences in [1, 64, 256, 1024] {
        let mut engine = engine(num_sequences);
        let mut adds = Vec::new();
        for index in 0..num_sequences {
            let request = request(index);
            let started = Instant::now();
            engine.add(request).expect("a request that fits");
            adds.push(started.elapsed().as_nanos() as u64);
        }
        let mut buffer = InputBatchBuffer::new();
        // All prompts are computed, and every sequence has generated a little.
        let mut round = 0;
        while round < num_sequences * PROMPT_TOKENS / 8192 + 20 || engine.stats().num_waiting > 0 {
            step(&mut engine, &mut buffer, round);
            round += 1;
        }
        let (mut schedules, mut updates, mut both) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..STEPS / 2 {
            let (schedule, update) = step(&mut engine, &mut buffer, round);
            round += 1;
            schedules.push(schedule);
            updates.push(update);
            both.push(schedule + update);
        }
        assert_eq!(engine.stats().num_running, u64::from(num_sequences), "every sequence still generates");
        let [schedule, update, both, add] = [schedules, updates, both, adds].map(median);
        let micros = |nanos: u64| format!("{}.{:02}", nanos / 1000, nanos % 1000 / 10);
        println!(
            "{num_sequences:>9} {:>13} {:>11} {:>9} {:>8}",
            micros(schedule),
            micros(update),
            micros(both),
            micros(add)
        );
        lines.push(format!(
            "{{\"bench\":\"core_step\",\"sequences\":{num_sequences},\"prompt_tokens\":{PROMPT_TOKENS},\
             \"schedule_ns\":{schedule},\"update_ns\":{update},\"both_ns\":{both},\"add_ns\":{add}}}"
        ));
    }
    for line in lines {
        println!("{line}");
    }
}
