//! Results do not depend on batch mates, their order, the number of threads, or on who draws: the sampler, the
//! device path, or a run with draft tokens.

mod batch;

use batch::{Row, write};
use proptest::prelude::*;
use quire_core::{SamplingColumns, SequenceId};
use quire_kernels::ThreadPool;
use quire_sampler::{
    DrawScratch, RowSampling, Sampler, SamplerOptions, SamplerOutput, SamplingParams, draw, draw_rows,
};

const VOCAB: usize = 300;

fn params() -> impl Strategy<Value = SamplingParams> {
    (
        prop_oneof![Just(0.0f32), Just(1.0f32), 0.1f32..2.0],
        prop_oneof![Just(1.0f32), 0.1f32..1.0],
        prop_oneof![Just(0i32), 1i32..60],
        prop_oneof![Just(0.0f32), 0.001f32..0.3],
        prop_oneof![Just(1.0f32), 0.5f32..2.0],
        prop_oneof![Just(None), Just(Some(0i32)), Just(Some(3)), Just(Some(-1))],
        any::<i64>(),
    )
        .prop_map(|(temperature, top_p, top_k, min_p, repetition_penalty, logprobs, seed)| SamplingParams {
            temperature,
            top_p,
            top_k,
            min_p,
            repetition_penalty,
            logprobs,
            seed: Some(seed),
            ..SamplingParams::default()
        })
}

fn logits() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec((-64i32..64).prop_map(|value| value as f32 / 16.0), VOCAB)
}

/// Tokens and logprob entries of each sequence, in the order of `order`, sampled in one batch.
type Drawn = Vec<(i32, Vec<(i32, u32, u32)>)>;

fn together(sequences: &[(SamplingParams, Vec<f32>)], order: &[usize], threads: usize) -> Drawn {
    let mut sampler =
        Sampler::new(SamplerOptions { max_logprobs: -1, ..SamplerOptions::new(VOCAB) }).expect("a vocabulary");
    let mut rows = Vec::new();
    let mut logits = Vec::new();
    for &index in order {
        let (params, own) = &sequences[index];
        let id = index as u32 + 1;
        sampler.add(SequenceId(id), params.clone(), &[index as i32, 7]).expect("valid");
        rows.push(Row::decode(id, 5 + index as u32, params.columns(0)));
        logits.extend_from_slice(own);
    }
    let buffer = write(&rows);
    let pool = ThreadPool::new(threads).expect("a pool");
    let mut output = SamplerOutput::default();
    let batch = buffer.view().expect("a batch");
    sampler.sample(&pool, &batch, &mut logits, None, &mut output).expect("sampled");
    let group = |row: usize| output.logprobs.group(row).map(|(id, value, rank)| (id, value.to_bits(), rank)).collect();
    output.token_ids.iter().enumerate().map(|(row, &token_id)| (token_id, group(row))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn company_order_and_threads(sequences in prop::collection::vec((params(), logits()), 1..9)) {
        let forward: Vec<usize> = (0..sequences.len()).collect();
        let backward: Vec<usize> = forward.iter().rev().copied().collect();
        let all = together(&sequences, &forward, 1);
        prop_assert_eq!(&together(&sequences, &forward, 3), &all);
        let mut reversed = together(&sequences, &backward, 2);
        reversed.reverse();
        prop_assert_eq!(&reversed, &all);
        for index in forward {
            prop_assert_eq!(&together(&sequences, &[index], 1)[0], &all[index]);
        }
    }

    #[test]
    fn the_device_path_draws_alike(sequences in prop::collection::vec((params(), logits()), 1..9)) {
        let pool = ThreadPool::new(2).expect("a pool");
        let rows: Vec<Row> = sequences
            .iter()
            .enumerate()
            .map(|(index, (params, _))| Row::decode(index as u32 + 1, 30, params.columns(0)))
            .collect();
        let mut logits: Vec<f32> = sequences.iter().flat_map(|(_, logits)| logits.clone()).collect();
        let buffer = write(&rows);
        let batch = buffer.view().expect("a batch");
        let mut on_device = Vec::new();
        draw_rows(&pool, &batch, &logits, VOCAB, &mut on_device).expect("drawn");
        for (row, (params, logits)) in sequences.iter().enumerate() {
            let sampling = RowSampling::of_columns(&params.columns(0), 31);
            prop_assert_eq!(draw(logits, &sampling, &mut DrawScratch::default()), Ok(on_device[row] as u32));
        }
        // Nothing was added, so the sampler has the columns alone.
        let mut sampler = Sampler::new(SamplerOptions::new(VOCAB)).expect("a vocabulary");
        let mut output = SamplerOutput::default();
        sampler.sample(&pool, &batch, &mut logits, None, &mut output).expect("sampled");
        prop_assert_eq!(output.token_ids, on_device);
    }

    /// Drafts, right or wrong, leave the tokens as they are: only how many come per step changes.
    #[test]
    fn drafts_never_change_tokens(
        params in params(),
        steps in prop::collection::vec(logits(), 4),
        right in prop::collection::vec(any::<bool>(), 3),
    ) {
        let pool = ThreadPool::new(1).expect("a pool");
        let id = SequenceId(1);
        let new_sampler = || {
            let options = SamplerOptions { max_logprobs: -1, ..SamplerOptions::new(VOCAB) };
            let mut sampler = Sampler::new(options).expect("a vocabulary");
            sampler.add(id, params.clone(), &[5, 6]).expect("valid");
            sampler
        };
        let mut output = SamplerOutput::default();
        let mut plain = new_sampler();
        let mut tokens = Vec::new();
        for (index, logits) in steps.iter().enumerate() {
            let buffer = write(&[Row::decode(1, 1 + index as u32, params.columns(0))]);
            let batch = buffer.view().expect("a batch");
            plain.sample(&pool, &batch, &mut logits.clone(), None, &mut output).expect("sampled");
            tokens.push(output.token_ids[0]);
        }

        let mut row = Row::decode(1, 1, params.columns(0));
        row.draft_token_ids =
            tokens.iter().zip(&right).map(|(&token, &right)| if right { token } else { (token + 1) % 300 }).collect();
        let accepted = right.iter().take_while(|&&right| right).count();
        let buffer = write(&[row]);
        let batch = buffer.view().expect("a batch");
        let mut drafted = new_sampler();
        drafted.sample(&pool, &batch, &mut steps.concat(), None, &mut output).expect("sampled");
        prop_assert_eq!(&output.token_ids, &tokens[..accepted + 1]);
        prop_assert_eq!(&output.counts, &[accepted as i32 + 1]);
        prop_assert_eq!(output.logprobs.num_groups(), accepted + 1);
        prop_assert_eq!(drafted.num_output_tokens(id), Ok(accepted + 1));
    }
}

#[test]
fn children_draw_as_requests_of_their_own_seed() {
    let params = SamplingParams { n: 4, seed: Some(77), ..SamplingParams::default() };
    let logits: Vec<f32> = (0..VOCAB).map(|id| (id % 17) as f32 / 8.0).collect();
    let columns = params.columns(0);
    let rows: Vec<Row> = (0..4).map(|child| Row::decode(child + 1, 9, columns.child(child))).collect();
    let buffer = write(&rows);
    let pool = ThreadPool::new(1).expect("a pool");
    let mut drawn = Vec::new();
    draw_rows(&pool, &buffer.view().expect("a batch"), &logits.repeat(4), VOCAB, &mut drawn).expect("drawn");
    for (child, &token) in drawn.iter().enumerate() {
        let alone = SamplingParams { n: 1, seed: Some(77 + child as i64), ..params.clone() };
        let sampling = RowSampling::of_columns(&alone.columns(0), 10);
        assert_eq!(draw(&logits, &sampling, &mut DrawScratch::default()), Ok(token as u32));
    }
    assert!(drawn.iter().any(|&token| token != drawn[0]), "children differ: {drawn:?}");
}

#[test]
fn an_invalid_row_fails_alone_on_the_device_path() {
    let rows = [1, 2].map(|id| Row::decode(id, 0, SamplingColumns::GREEDY));
    let buffer = write(&rows);
    let pool = ThreadPool::new(1).expect("a pool");
    let mut drawn = Vec::new();
    draw_rows(&pool, &buffer.view().expect("a batch"), &[f32::NAN, 0.0, 0.0, 1.0], 2, &mut drawn).expect("drawn");
    assert_eq!(drawn, [-1, 1]);
}
