//! What the stateful sampler does to logits before the draw, rule by rule and in order, seen through processed logits.

mod batch;

use batch::{Row, write};
use quire_core::{SamplingColumns, SequenceId};
use quire_kernels::ThreadPool;
use quire_sampler::{LogprobsMode, Sampler, SamplerOptions, SamplerOutput, SamplingError, SamplingParams, TokenMasks};

const INF: f32 = f32::INFINITY;

fn greedy(change: impl FnOnce(&mut SamplingParams)) -> SamplingParams {
    let mut params = SamplingParams { temperature: 0.0, ..SamplingParams::default() };
    change(&mut params);
    params
}

fn sampler(vocab_size: usize, logprobs_mode: LogprobsMode) -> Sampler {
    Sampler::new(SamplerOptions { vocab_size, max_logprobs: -1, logprobs_mode }).expect("a vocabulary")
}

fn pool() -> ThreadPool {
    ThreadPool::new(1).expect("a pool")
}

/// The logits drawn from, by id, and the token drawn, for a sequence with these prompt and output ids.
fn processed(params: SamplingParams, prompt: &[i32], outputs: &[i32], logits: &[f32]) -> (Vec<f32>, i32) {
    let mut sampler = sampler(logits.len(), LogprobsMode::ProcessedLogits);
    let id = SequenceId(1);
    let sampling = params.columns(11);
    sampler.add(id, SamplingParams { logprobs: Some(-1), ..params }, prompt).expect("valid");
    sampler.append(id, outputs).expect("known ids");
    let buffer = write(&[Row::decode(1, (prompt.len() + outputs.len() - 1) as u32, sampling)]);
    let mut output = SamplerOutput::default();
    let batch = buffer.view().expect("a batch");
    sampler.sample(&pool(), &batch, &mut logits.to_vec(), None, &mut output).expect("sampled");
    assert_eq!(output.failures, []);
    let mut values = vec![f32::NAN; logits.len()];
    for (token_id, value, _) in output.logprobs.group(0) {
        values[token_id as usize] = value;
    }
    (values, output.token_ids[0])
}

#[test]
fn rules() {
    type Change = fn(&mut SamplingParams);
    let logits = [1.0, -2.0, 3.0, 0.5, -1.0, 0.0];
    type Ids = &'static [i32];
    let rows: &[(&str, Change, Ids, Ids, [f32; 6])] = &[
        ("nothing asked", |_| (), &[0], &[], logits),
        (
            "repetition: prompt and output, by sign",
            |p| p.repetition_penalty = 2.0,
            &[0, 1, 0],
            &[3, 3],
            [0.5, -4.0, 3.0, 0.25, -1.0, 0.0],
        ),
        (
            "repetition below one favours",
            |p| p.repetition_penalty = 0.5,
            &[0, 1],
            &[],
            [2.0, -1.0, 3.0, 0.5, -1.0, 0.0],
        ),
        (
            "frequency: output only, by count",
            |p| p.frequency_penalty = 0.5,
            &[0, 2],
            &[3, 3, 5],
            [1.0, -2.0, 3.0, -0.5, -1.0, -0.5],
        ),
        (
            "presence: output only, once",
            |p| p.presence_penalty = 0.5,
            &[0, 2],
            &[3, 3, 5],
            [1.0, -2.0, 3.0, 0.0, -1.0, -0.5],
        ),
        (
            "negative penalties favour",
            |p| (p.presence_penalty, p.frequency_penalty) = (-0.5, -0.25),
            &[0],
            &[3, 3],
            [1.0, -2.0, 3.0, 1.5, -1.0, 0.0],
        ),
        (
            "all penalties: repetition first",
            |p| (p.repetition_penalty, p.frequency_penalty, p.presence_penalty) = (2.0, 0.5, 0.25),
            &[1],
            &[2, 2],
            [1.0, -4.0, 0.25, 0.5, -1.0, 0.0],
        ),
        (
            "prompt ids beyond the vocabulary",
            |p| p.repetition_penalty = 2.0,
            &[-1, 6, 2_000_000_000, 0],
            &[],
            [0.5, -2.0, 3.0, 0.5, -1.0, 0.0],
        ),
        (
            "bias adds, twice too",
            |p| p.logit_bias = vec![(0, 2.0), (1, -1.0), (0, 0.5)],
            &[0],
            &[],
            [3.5, -3.0, 3.0, 0.5, -1.0, 0.0],
        ),
        (
            "bias is clamped",
            |p| p.logit_bias = vec![(0, 1000.0), (1, -INF)],
            &[0],
            &[],
            [101.0, -102.0, 3.0, 0.5, -1.0, 0.0],
        ),
        (
            "bias before penalties",
            |p| (p.logit_bias, p.repetition_penalty) = (vec![(1, 4.0)], 2.0),
            &[1],
            &[],
            [1.0, 1.0, 3.0, 0.5, -1.0, 0.0],
        ),
        ("allowed ids", |p| p.allowed_token_ids = Some(vec![4, 1, 4]), &[0], &[], [-INF, -2.0, -INF, -INF, -1.0, -INF]),
        (
            "no bias lifts what is not allowed",
            |p| (p.allowed_token_ids, p.logit_bias) = (Some(vec![1]), vec![(2, 100.0), (1, 1.0)]),
            &[0],
            &[],
            [-INF, -1.0, -INF, -INF, -INF, -INF],
        ),
        (
            "min_tokens not reached",
            |p| (p.min_tokens, p.stop_and_eos_ids) = (2, vec![2, 0, 900, -1]),
            &[0],
            &[3],
            [-INF, -2.0, -INF, 0.5, -1.0, 0.0],
        ),
        ("min_tokens reached", |p| (p.min_tokens, p.stop_and_eos_ids) = (2, vec![2, 0]), &[0], &[3, 3], logits),
        (
            "no bias lifts what min_tokens forbids",
            |p| (p.min_tokens, p.stop_and_eos_ids, p.logit_bias) = (1, vec![2], vec![(2, 100.0)]),
            &[0],
            &[],
            [1.0, -2.0, -INF, 0.5, -1.0, 0.0],
        ),
        (
            "bad word of one token: always",
            |p| p.bad_words = vec![vec![2]],
            &[0],
            &[],
            [1.0, -2.0, -INF, 0.5, -1.0, 0.0],
        ),
        ("bad word begun", |p| p.bad_words = vec![vec![3, 4, 2]], &[0], &[5, 3, 4], [1.0, -2.0, -INF, 0.5, -1.0, 0.0]),
        ("bad word begun otherwise", |p| p.bad_words = vec![vec![3, 4, 2]], &[0], &[5, 4, 4], logits),
        ("bad word: prompt ids do not count", |p| p.bad_words = vec![vec![3, 4, 2]], &[3, 4], &[], logits),
        ("bad word longer than the output", |p| p.bad_words = vec![vec![3, 4, 2]], &[3], &[4], logits),
        (
            "bad words: several",
            |p| p.bad_words = vec![vec![3, 2], vec![3, 0], vec![4, 1]],
            &[0],
            &[3],
            [-INF, -2.0, -INF, 0.5, -1.0, 0.0],
        ),
    ];
    for (name, change, prompt, outputs, expected) in rows {
        let (values, token) = processed(greedy(change), prompt, outputs, &logits);
        assert_eq!(values, expected, "{name}");
        let greatest = values.iter().copied().fold(-INF, f32::max);
        assert_eq!(token as usize, values.iter().position(|&value| value == greatest).expect("one"), "{name}");
    }
}

#[test]
fn filters_come_after_the_rules() {
    let logits = [1.0, -2.0, 3.0, 0.5, -1.0, 0.0];
    let random = |change: fn(&mut SamplingParams)| {
        let mut params = SamplingParams { temperature: 0.5, seed: Some(3), ..SamplingParams::default() };
        change(&mut params);
        processed(params, &[0], &[], &logits).0
    };
    type Change = fn(&mut SamplingParams);
    let rows: &[(Change, [f32; 6])] = &[
        (|_| (), [2.0, -4.0, 6.0, 1.0, -2.0, 0.0]),
        (|p| p.top_k = 2, [2.0, -INF, 6.0, -INF, -INF, -INF]),
        (|p| (p.top_k, p.logit_bias) = (2, vec![(4, 100.0)]), [-INF, -INF, 6.0, -INF, 198.0, -INF]),
        (|p| (p.top_k, p.bad_words) = (2, vec![vec![2]]), [2.0, -INF, -INF, 1.0, -INF, -INF]),
        (|p| p.min_p = 0.01, [2.0, -INF, 6.0, -INF, -INF, -INF]),
        (|p| p.top_p = 0.5, [-INF, -INF, 6.0, -INF, -INF, -INF]),
    ];
    for (change, expected) in rows {
        assert_eq!(random(*change), *expected);
    }
}

#[test]
fn masks_come_first_and_raw_logprobs_see_them() {
    let mut sampler = sampler(40, LogprobsMode::RawLogprobs);
    for id in 1..=2 {
        let params = greedy(|p| (p.logprobs, p.logit_bias) = (Some(1), vec![(33, 50.0)]));
        sampler.add(SequenceId(id), params, &[1]).expect("valid");
    }
    let rows = [1, 2, 3].map(|id| Row::decode(id, 0, SamplingColumns::GREEDY));
    let buffer = write(&rows);
    let mut logits = vec![0.0f32; 3 * 40];
    // Only ids 1 and 39 for the first and third row; the second is free.
    let masks = TokenMasks { mask_index: &[0, -1, 0], words: &[0b10, 1 << 7] };
    let mut output = SamplerOutput::default();
    let batch = buffer.view().expect("a batch");
    sampler.sample(&pool(), &batch, &mut logits, Some(&masks), &mut output).expect("sampled");
    assert_eq!(output.token_ids, [1, 33, 1]);
    let half = -(2.0f64.ln()) as f32;
    assert_eq!(output.logprobs.group(0).collect::<Vec<_>>(), [(1, half, 1)]);
    // Ties with every other id: all forty are at least as great, and the best list begins with id 0.
    let fortieth = -(40.0f64.ln()) as f32;
    assert_eq!(output.logprobs.group(1).collect::<Vec<_>>(), [(33, fortieth, 40), (0, fortieth, 1)]);
    assert_eq!(output.logprobs.group(2).count(), 0);

    let short = TokenMasks { mask_index: &[0, -1, 1], words: &[0b10, 1 << 7] };
    let refused = sampler.sample(&pool(), &batch, &mut logits, Some(&short), &mut output);
    assert_eq!(refused, Err(SamplingError::Shape { array: "mask words", expected: 4, given: 2 }));
}

#[test]
fn tokens_drawn_are_remembered_until_removed() {
    let mut sampler = sampler(4, LogprobsMode::RawLogprobs);
    let id = SequenceId(9);
    // Each token may occur once: after four steps all have been seen once and the first is best again.
    sampler.add(id, greedy(|p| p.presence_penalty = 2.0), &[0, 1, 2, 3]).expect("valid");
    let step = |sampler: &mut Sampler, position: u32| {
        let buffer = write(&[Row::decode(9, position, SamplingColumns::GREEDY)]);
        let mut output = SamplerOutput::default();
        let mut logits = [1.0, 0.9, 0.8, 0.7];
        let batch = buffer.view().expect("a batch");
        sampler.sample(&pool(), &batch, &mut logits, None, &mut output).expect("sampled");
        output.token_ids[0]
    };
    assert_eq!([3, 4, 5, 6, 7].map(|position| step(&mut sampler, position)), [0, 1, 2, 3, 0]);
    assert_eq!(sampler.num_output_tokens(id), Ok(5));
    // Preempted and computed again: nothing is forgotten. Taken back: the penalty goes.
    assert_eq!(step(&mut sampler, 8), 0);
    sampler.truncate(id, 1).expect("known");
    assert_eq!(step(&mut sampler, 4), 1);
    assert!(sampler.remove(id) && !sampler.remove(id));
    assert_eq!(step(&mut sampler, 5), 0, "a sequence that is not known has its columns");
    assert_eq!(sampler.num_sequences(), 0);
    let unknown = SamplingError::UnknownSequence { sequence_id: 9 };
    assert_eq!(sampler.append(id, &[1]), Err(unknown.clone()));
    assert_eq!(sampler.truncate(id, 0), Err(unknown));
}

#[test]
fn refused() {
    assert_eq!(Sampler::new(SamplerOptions::new(0)).map(|_| ()), Err(SamplingError::EmptyVocabulary));
    let mut sampler = sampler(4, LogprobsMode::RawLogprobs);
    let id = SequenceId(1);
    let wrong = sampler.add(id, greedy(|p| p.min_p = 7.0), &[]);
    assert!(matches!(wrong, Err(SamplingError::OutOfRange { field: "min_p", .. })));
    let wrong = sampler.add(id, greedy(|p| p.prompt_logprobs = Some(0)), &[0, 4]);
    assert!(matches!(wrong, Err(SamplingError::OutOfVocabulary { token_id: 4, .. })));
    assert_eq!(sampler.num_sequences(), 0);
    assert_eq!(sampler.add(id, greedy(|_| ()), &[]), Ok(()));
    assert_eq!(sampler.add(id, greedy(|_| ()), &[]), Err(SamplingError::DuplicateSequence { sequence_id: 1 }));
    assert!(matches!(sampler.append(id, &[1, 4]), Err(SamplingError::OutOfVocabulary { token_id: 4, .. })));
    assert_eq!(sampler.num_output_tokens(id), Ok(0));

    let buffer = write(&[Row::decode(1, 0, SamplingColumns::GREEDY)]);
    let batch = buffer.view().expect("a batch");
    let refused = sampler.sample(&pool(), &batch, &mut [0.0; 5], None, &mut SamplerOutput::default());
    assert_eq!(refused, Err(SamplingError::Shape { array: "logits", expected: 4, given: 5 }));
}

#[test]
fn an_invalid_row_fails_alone() {
    let mut sampler = sampler(3, LogprobsMode::RawLogprobs);
    sampler.add(SequenceId(2), greedy(|p| (p.presence_penalty, p.logprobs) = (1.0, Some(1))), &[0]).expect("valid");
    let random = SamplingColumns { seed: 4, ..SamplingParams::default().columns(0) };
    let rows = [Row::decode(1, 0, random), Row::decode(2, 0, random), Row::decode(3, 0, SamplingColumns::GREEDY)];
    let buffer = write(&rows);
    let batch = buffer.view().expect("a batch");
    let mut logits = [0.0, 9.0, 0.0, 1.0, 2.0, f32::NAN, -INF, -INF, -INF];
    let mut output = SamplerOutput::default();
    sampler.sample(&pool(), &batch, &mut logits, None, &mut output).expect("sampled");
    assert_eq!((&output.counts[..], &output.token_ids[..]), (&[1, 1, 1][..], &[1, -1, 0][..]));
    assert_eq!(output.logprobs.num_groups(), 3);
    assert_eq!(output.failures.len(), 1);
    assert_eq!((output.failures[0].row, output.failures[0].error.code()), (1, "ERR_INVALID_LOGITS"));
}
