//! Log-probabilities: values against f64, ranks, order, modes, and prompt ids over chunks.

mod batch;

use batch::{Row, write};
use proptest::prelude::*;
use quire_core::{SamplingColumns, SequenceId};
use quire_kernels::ThreadPool;
use quire_sampler::{FAILED_TOKEN, LogprobsMode, RowChange, Sampler, SamplerOptions, SamplerOutput, SamplingParams};

const INF: f32 = f32::INFINITY;

fn sampler(vocab_size: usize, logprobs_mode: LogprobsMode) -> Sampler {
    Sampler::new(SamplerOptions { vocab_size, max_logprobs: -1, logprobs_mode }).expect("a vocabulary")
}

fn pool() -> ThreadPool {
    ThreadPool::new(1).expect("a pool")
}

fn entries(params: SamplingParams, mode: LogprobsMode, logits: &[f32]) -> Vec<(i32, f32, u32)> {
    let mut sampler = sampler(logits.len(), mode);
    let buffer = write(&[Row::decode(1, 0, params.columns(1))]);
    sampler.add(SequenceId(1), params, &[0]).expect("valid");
    let mut output = SamplerOutput::default();
    let batch = buffer.view().expect("a batch");
    sampler.sample(&pool(), &batch, &mut logits.to_vec(), None, &mut output).expect("sampled");
    output.logprobs.group(0).collect()
}

fn ids_and_ranks(entries: &[(i32, f32, u32)]) -> Vec<(i32, u32)> {
    entries.iter().map(|&(id, _, rank)| (id, rank)).collect()
}

#[test]
fn ids_and_their_ranks() {
    // Greedy draws id 2 (ties with 4); a bias of 9 makes it draw id 3, whose raw logit ties with 0 and 6.
    let logits = [1.0, 0.0, 5.0, 1.0, 5.0, -2.0, 1.0, -INF];
    let plain = SamplingParams { temperature: 0.0, ..SamplingParams::default() };
    let forced = SamplingParams { logit_bias: vec![(3, 9.0)], ..plain.clone() };
    type Asked<'a> = (&'a SamplingParams, Option<i32>, Option<Vec<i32>>, &'a [(i32, u32)]);
    let rows: &[Asked<'_>] = &[
        (&plain, None, None, &[]),
        (&plain, Some(0), None, &[(2, 2)]),
        (&plain, Some(1), None, &[(2, 1)]),
        (&plain, Some(3), None, &[(2, 1), (4, 2), (0, 3)]),
        (&forced, Some(0), None, &[(3, 5)]),
        (&forced, Some(2), None, &[(3, 5), (2, 1), (4, 2)]),
        (&forced, Some(4), None, &[(3, 4), (2, 1), (4, 2), (0, 3)]),
        (&forced, Some(-1), None, &[(3, 4), (2, 1), (4, 2), (0, 3), (6, 5), (1, 6), (5, 7), (7, 8)]),
        (&plain, None, Some(vec![7, 0, 5]), &[(2, 2), (7, 8), (0, 5), (5, 7)]),
        (&plain, Some(2), Some(vec![2, 1]), &[(2, 2), (1, 6)]),
    ];
    for (params, logprobs, logprob_token_ids, expected) in rows {
        let params =
            SamplingParams { logprobs: *logprobs, logprob_token_ids: logprob_token_ids.clone(), ..(*params).clone() };
        let entries = entries(params.clone(), LogprobsMode::RawLogprobs, &logits);
        assert_eq!(ids_and_ranks(&entries), *expected, "{params:?}");
    }
}

#[test]
fn modes() {
    let params = SamplingParams {
        temperature: 0.5,
        top_k: 2,
        seed: Some(1),
        logprobs: Some(-1),
        logit_bias: vec![(0, 1.0)],
        ..SamplingParams::default()
    };
    let logits = [0.0, 2.0, 1.5, 0.5];
    let log_softmax = |values: [f64; 4]| {
        let total: f64 = values.iter().map(|value| value.exp()).sum();
        values.map(|value| value - total.ln())
    };
    let inf = f64::INFINITY;
    let rows = [
        (LogprobsMode::RawLogits, [0.0, 2.0, 1.5, 0.5]),
        (LogprobsMode::RawLogprobs, log_softmax([0.0, 2.0, 1.5, 0.5])),
        (LogprobsMode::ProcessedLogits, [-inf, 4.0, 3.0, -inf]),
        (LogprobsMode::ProcessedLogprobs, log_softmax([-inf, 4.0, 3.0, -inf])),
    ];
    for (mode, expected) in rows {
        let mut values = [f64::NAN; 4];
        for (id, value, _) in entries(params.clone(), mode, &logits) {
            values[id as usize] = f64::from(value);
        }
        for (value, expected) in values.iter().zip(expected) {
            assert!(*value == expected || (value - expected).abs() < 1e-6, "{mode:?}: {values:?}");
        }
    }
}

#[test]
fn extreme_rows_give_no_nan() {
    let params = SamplingParams { temperature: 0.0, logprobs: Some(-1), ..SamplingParams::default() };
    let half = -(2.0f64.ln()) as f32;
    let rows: &[(&[f32], &[f32])] = &[
        (&[-INF, -INF], &[-INF, -INF]),
        (&[-INF, 3.0], &[-INF, 0.0]),
        (&[INF, 3.0, INF], &[half, -INF, half]),
        (&[f32::MAX, -f32::MAX], &[0.0, -INF]),
        (&[1e30, 1e30], &[half, half]),
    ];
    for (logits, expected) in rows {
        let mut values = vec![f32::NAN; logits.len()];
        for (id, value, _) in entries(params.clone(), LogprobsMode::RawLogprobs, logits) {
            values[id as usize] = value;
        }
        assert_eq!(values, *expected, "{logits:?}");
    }
}

proptest! {
    #[test]
    fn whole_vocabulary_agrees_with_f64(
        logits in prop::collection::vec(prop_oneof![9 => -30.0f32..30.0, 1 => Just(-INF)], 1..700),
        scale in 0.01f32..10.0,
    ) {
        let logits: Vec<f32> = logits.into_iter().map(|logit| logit * scale).collect();
        let params = SamplingParams { temperature: 0.0, logprobs: Some(-1), ..SamplingParams::default() };
        let entries = entries(params, LogprobsMode::RawLogprobs, &logits);
        prop_assert_eq!(entries.len(), logits.len());
        let maximum = logits.iter().copied().fold(-INF, f32::max);
        prop_assume!(maximum > -INF);
        let total: f64 = logits.iter().map(|&logit| (f64::from(logit) - f64::from(maximum)).exp()).sum();
        for (id, value, rank) in entries {
            let logit = logits[id as usize];
            let expected = f64::from(logit) - f64::from(maximum) - total.ln();
            prop_assert!(
                f64::from(value) == expected || (f64::from(value) - expected).abs() <= 1e-6 + 1e-7 * expected.abs(),
                "{} is not {}", value, expected
            );
            let ahead = logits.iter().filter(|&&other| other > logit).count();
            let at_least = logits.iter().filter(|&&other| other >= logit).count();
            prop_assert!((ahead + 1..=at_least).contains(&(rank as usize)));
        }
    }
}

/// Prompt id i is described by the logits of position i - 1, whatever the chunks and however often computed.
#[test]
fn prompt_ids_over_chunks() {
    let prompt = [3, 1, 4, 1, 5, 0, 2];
    const VOCAB: usize = 6;
    let logits_at = |position: usize| (0..VOCAB).map(move |id| ((id * 5 + position * 3) % 7) as f32);
    let params = SamplingParams {
        temperature: 0.0,
        prompt_logprobs: Some(1),
        repetition_penalty: 2.0,
        logit_bias: vec![(0, 50.0)],
        ..SamplingParams::default()
    };
    let mut expected = Vec::new();
    for (position, &token_id) in prompt.iter().enumerate().skip(1) {
        let logits: Vec<f32> = logits_at(position - 1).collect();
        let total: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
        let own = logits[token_id as usize];
        expected.push((position as i32, token_id, (f64::from(own) - total.ln()) as f32));
    }
    for cuts in [vec![7], vec![1, 2, 4], vec![3, 4], vec![1; 7], vec![6, 1]] {
        let mut sampler = sampler(VOCAB, LogprobsMode::RawLogprobs);
        sampler.add(SequenceId(1), params.clone(), &prompt).expect("valid");
        let mut seen = Vec::new();
        // Twice: the second time as after preemption, when nothing is delivered again.
        for round in 0..2 {
            let mut start = 0;
            for &len in &cuts {
                let end = start + len;
                let is_last = end == prompt.len();
                let mut row = Row::decode(1, start as u32, SamplingColumns::GREEDY);
                row.token_ids = prompt[start..end].to_vec();
                row.samples = is_last;
                row.prompt_logits = (0, (len - usize::from(is_last)) as u32);
                let buffer = write(&[row]);
                let batch = buffer.view().expect("a batch");
                let mut logits: Vec<f32> = (start..end).flat_map(logits_at).collect();
                let mut output = SamplerOutput::default();
                sampler.sample(&pool(), &batch, &mut logits, None, &mut output).expect("sampled");
                assert_eq!(output.counts, [i32::from(is_last)]);
                if is_last {
                    assert_eq!(output.token_ids, [0], "the bias holds for the draw, not for the prompt");
                }
                for group in 0..output.prompt_logprobs.rows.len() {
                    assert_eq!((output.prompt_logprobs.rows[group], round), (0, 0));
                    let entries: Vec<_> = output.prompt_logprobs.columns.group(group).collect();
                    assert!(entries.len() <= 2);
                    seen.push((output.prompt_logprobs.positions[group], entries[0].0, entries[0].1));
                }
                start = end;
            }
        }
        assert_eq!(seen.len(), expected.len(), "{cuts:?}");
        for (seen, expected) in seen.iter().zip(&expected) {
            assert_eq!((seen.0, seen.1), (expected.0, expected.1));
            assert!((seen.2 - expected.2).abs() < 1e-6, "{seen:?} is not {expected:?}");
        }
    }
}

#[test]
fn an_invalid_prompt_row_is_told_once() {
    let mut sampler = sampler(2, LogprobsMode::RawLogprobs);
    let params = SamplingParams { prompt_logprobs: Some(0), ..SamplingParams::default() };
    sampler.add(SequenceId(1), params, &[0, 1, 0, 1]).expect("valid");
    let mut row = Row::decode(1, 0, SamplingColumns::GREEDY);
    row.token_ids = vec![0, 1, 0];
    row.samples = false;
    row.prompt_logits = (0, 3);
    let buffer = write(&[row]);
    let mut output = SamplerOutput::default();
    let mut logits = [0.0, 0.0, f32::NAN, 0.0, 0.0, f32::NAN];
    let batch = buffer.view().expect("a batch");
    sampler.sample(&pool(), &batch, &mut logits, None, &mut output).expect("sampled");
    assert_eq!((output.failures.len(), output.token_ids.len()), (1, 0));
    assert_eq!(output.prompt_logprobs.positions, [1]);
}

#[test]
fn rows_are_changed_after_the_draw() {
    let mut sampler = sampler(8, LogprobsMode::RawLogprobs);
    let greedy = SamplingParams { temperature: 0.0, logprobs: Some(1), ..SamplingParams::default() };
    let rows: Vec<Row> = (1..=3).map(|id| Row::decode(id, 0, greedy.columns(1))).collect();
    for id in 1..=3 {
        sampler.add(SequenceId(id), greedy.clone(), &[0]).expect("valid");
    }
    let mut logits: Vec<f32> = (0..24).map(|at| if at % 8 == 1 + at / 8 { 5.0 } else { 0.0 }).collect();
    let buffer = write(&rows);
    let mut output = SamplerOutput::default();
    let batch = buffer.view().expect("a batch");
    sampler.sample(&pool(), &batch, &mut logits, None, &mut output).expect("sampled");
    assert_eq!((output.counts.as_slice(), output.token_ids.as_slice()), (&[1, 1, 1][..], &[1, 2, 3][..]));
    let first: Vec<_> = output.logprobs.group(0).collect();
    let last: Vec<_> = output.logprobs.group(2).collect();
    output.change_rows(&[(0, RowChange::Append(vec![6, 7])), (1, RowChange::Fail)]);
    assert_eq!(output.counts, [3, 1, 1]);
    assert_eq!(output.token_ids, [1, 6, 7, FAILED_TOKEN, 3]);
    let groups: Vec<Vec<(i32, f32, u32)>> = (0..5).map(|group| output.logprobs.group(group).collect()).collect();
    assert_eq!(groups, [first, vec![], vec![], vec![], last]);
}
