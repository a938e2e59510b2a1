//! Logits processors: what they see, when, what they cannot undo, how they fail, and that nobody else's row knows.

mod batch;

use std::error::Error;
use std::sync::{Arc, Mutex};

use batch::{Row, write};
use proptest::prelude::*;
use quire_core::{SamplingColumns, SequenceId};
use quire_kernels::ThreadPool;
use quire_sampler::{
    FAILED_TOKEN, LogitsProcessor, LogprobsMode, RowContext, Sampler, SamplerOptions, SamplerOutput, SamplingError,
    SamplingParams, TokenMasks,
};

const INF: f32 = f32::INFINITY;

type Done = Result<(), Box<dyn Error + Send + Sync>>;
type Processors = Vec<Arc<dyn LogitsProcessor>>;

/// Never the id that came last, in prompt or output: a request's arguments say by how much.
#[derive(Debug)]
struct NoEcho {
    amount: f32,
}

impl LogitsProcessor for NoEcho {
    fn process(&self, row: &mut [f32], context: &RowContext<'_>) -> Done {
        let last = context.output_token_ids.last().or(context.prompt_token_ids.last()).ok_or("nothing before")?;
        row[*last as usize] -= self.amount;
        Ok(())
    }
}

/// Remembers the rows that it was given.
#[derive(Debug, Default)]
struct Witness(Mutex<Vec<Vec<f32>>>);

impl LogitsProcessor for Witness {
    fn process(&self, row: &mut [f32], _: &RowContext<'_>) -> Done {
        self.0.lock().expect("one thread").push(row.to_vec());
        Ok(())
    }
}

/// One value everywhere.
#[derive(Debug)]
struct Flood(f32);

impl LogitsProcessor for Flood {
    fn process(&self, row: &mut [f32], _: &RowContext<'_>) -> Done {
        row.fill(self.0);
        Ok(())
    }
}

#[derive(Debug)]
struct Refusal;

impl LogitsProcessor for Refusal {
    fn process(&self, _: &mut [f32], context: &RowContext<'_>) -> Done {
        match context.output_token_ids {
            [] => Err("not like this".into()),
            _ => panic!("out of hand"),
        }
    }
}

fn greedy(change: impl FnOnce(&mut SamplingParams)) -> SamplingParams {
    let mut params = SamplingParams { temperature: 0.0, has_processors: true, ..SamplingParams::default() };
    change(&mut params);
    params
}

fn pool() -> ThreadPool {
    ThreadPool::new(2).expect("a pool")
}

fn sampler(vocab_size: usize, logprobs_mode: LogprobsMode) -> Sampler {
    Sampler::new(SamplerOptions { vocab_size, max_logprobs: -1, logprobs_mode }).expect("a vocabulary")
}

/// One row, sampled alone: the step's output, and the logprob entries in the order of ids.
fn one(
    params: SamplingParams,
    processors: Processors,
    mode: LogprobsMode,
    logits: &[f32],
    masks: Option<&TokenMasks<'_>>,
) -> (SamplerOutput, Vec<f32>) {
    let mut sampler = sampler(logits.len(), mode);
    let sampling = params.columns(7);
    sampler.add_with_processors(SequenceId(1), params, &[0, 2], processors).expect("valid");
    let buffer = write(&[Row::decode(1, 1, sampling)]);
    let mut output = SamplerOutput::default();
    let batch = buffer.view().expect("a batch");
    sampler.sample(&pool(), &batch, &mut logits.to_vec(), masks, &mut output).expect("sampled");
    let mut values = vec![f32::NAN; logits.len()];
    output.logprobs.group(0).for_each(|(id, value, _)| values[id as usize] = value);
    (output, values)
}

#[test]
fn a_processor_stands_between_biases_and_penalties() {
    let witness = Arc::new(Witness::default());
    let params = greedy(|p| {
        (p.logprobs, p.logit_bias, p.repetition_penalty) = (Some(-1), vec![(1, 2.0)], 2.0);
        (p.min_tokens, p.stop_and_eos_ids) = (1, vec![3]);
        (p.allowed_token_ids, p.bad_words) = (Some(vec![0, 1, 2, 3]), vec![vec![0]]);
    });
    let processors: Processors = vec![witness.clone(), Arc::new(NoEcho { amount: 1.0 })];
    let (output, values) = one(params, processors, LogprobsMode::ProcessedLogits, &[1.0, 2.0, 5.0, 9.0, 8.0], None);
    assert_eq!(*witness.0.lock().expect("one thread"), [[1.0, 4.0, 5.0, -INF, -INF]]);
    // Id 2 was the last of the prompt: 5 - 1, and then halved.
    assert_eq!(values, [-INF, 4.0, 2.0, -INF, -INF]);
    assert_eq!((output.token_ids, output.failures), (vec![1], vec![]));
}

#[test]
fn raw_logprobs_are_those_before_it_and_processed_ones_after() {
    let logits = [0.0, 1.0, 3.0];
    let params = || greedy(|p| p.logprobs = Some(-1));
    let processors = || -> Processors { vec![Arc::new(NoEcho { amount: 4.0 })] };
    let (raw, values) = one(params(), processors(), LogprobsMode::RawLogits, &logits, None);
    assert_eq!((raw.token_ids, values), (vec![1], logits.to_vec()));
    let (processed, values) = one(params(), processors(), LogprobsMode::ProcessedLogits, &logits, None);
    assert_eq!((processed.token_ids, values), (vec![1], vec![0.0, 1.0, -1.0]));
}

#[test]
fn masks_hold_whatever_it_writes() {
    let flood = || -> Processors { vec![Arc::new(Flood(INF))] };
    let masks = TokenMasks { mask_index: &[0], words: &[0b1100] };
    let logits = [9.0, 8.0, 1.0, 2.0, 0.0];
    let draw = |params, masks| one(params, flood(), LogprobsMode::RawLogprobs, &logits, masks).0.token_ids;
    assert_eq!(draw(greedy(|_| ()), None), [0]);
    assert_eq!(draw(greedy(|_| ()), Some(&masks)), [2]);
    assert_eq!(draw(greedy(|p| p.allowed_token_ids = Some(vec![3, 4])), Some(&masks)), [3]);
    let ends = greedy(|p| (p.min_tokens, p.stop_and_eos_ids) = (1, vec![2, 99]));
    assert_eq!(draw(ends, Some(&masks)), [3]);
    assert_eq!(draw(SamplingParams { temperature: 1.0, ..greedy(|_| ()) }, Some(&masks)), [2]);
}

#[test]
fn failures_are_typed_and_end_their_row_alone() {
    let nan = SamplingError::ProcessorWroteNan { token_id: 0 };
    let refused = SamplingError::ProcessorFailed { reason: "not like this".into() };
    let panicked = SamplingError::ProcessorFailed { reason: "out of hand".into() };
    // Sequences 1 to 5; the last output of sequence 3 makes its processor panic.
    let processors: [Processors; 5] = [
        vec![Arc::new(Flood(f32::NAN)), Arc::new(Flood(0.0))],
        vec![Arc::new(Refusal)],
        vec![Arc::new(Refusal)],
        vec![Arc::new(Flood(-INF))],
        vec![],
    ];
    let mut sampler = sampler(4, LogprobsMode::RawLogprobs);
    for (id, processors) in (1..).map(SequenceId).zip(processors) {
        sampler.add_with_processors(id, greedy(|_| ()), &[1], processors).expect("valid");
    }
    sampler.append(SequenceId(3), &[1]).expect("known");
    let rows: Vec<Row> = (1..=5).map(|id| Row::decode(id, 1, SamplingColumns::GREEDY)).collect();
    let buffer = write(&rows);
    let mut output = SamplerOutput::default();
    let batch = buffer.view().expect("a batch");
    let mut logits = [0.0, 3.0, 1.0, 2.0].repeat(5);
    sampler.sample(&pool(), &batch, &mut logits, None, &mut output).expect("sampled");
    assert_eq!(output.token_ids, [FAILED_TOKEN, FAILED_TOKEN, FAILED_TOKEN, FAILED_TOKEN, 1]);
    let failures: Vec<_> = output.failures.into_iter().map(|failure| (failure.row, failure.error)).collect();
    assert!(failures.iter().all(|(_, error)| error.code() == "ERR_LOGITS_PROCESSOR"));
    assert_eq!(failures, [(0, nan), (1, refused), (2, panicked), (3, SamplingError::ProcessorLeftNothing)]);
}

#[test]
fn what_the_model_or_the_masks_did_is_not_the_processors_fault() {
    let flood = || -> Processors { vec![Arc::new(Flood(0.0))] };
    let (output, _) = one(greedy(|_| ()), flood(), LogprobsMode::RawLogprobs, &[0.0, f32::NAN], None);
    assert_eq!(output.failures[0].error, SamplingError::InvalidLogits { token_id: 1 });
    // A mask that allows nothing: the lowest id, as without processors; the grammar refuses it.
    let masks = TokenMasks { mask_index: &[0], words: &[0] };
    let (output, _) = one(greedy(|_| ()), flood(), LogprobsMode::RawLogprobs, &[0.0, 1.0], Some(&masks));
    assert_eq!((output.token_ids, output.failures), (vec![0], vec![]));
}

/// Three steps of five sequences, of which `processed` have a processor: the tokens of each.
fn tokens(processed: &[bool], logits: &[f32], threads: usize) -> Vec<Vec<i32>> {
    let vocab_size = logits.len() / processed.len();
    let pool = ThreadPool::new(threads).expect("a pool");
    let mut sampler = sampler(vocab_size, LogprobsMode::RawLogprobs);
    let params = |index: usize| SamplingParams { seed: Some(index as i64), ..SamplingParams::default() };
    let mut tokens = vec![Vec::new(); processed.len()];
    for (index, &is_processed) in processed.iter().enumerate() {
        let processors: Processors = if is_processed { vec![Arc::new(NoEcho { amount: 3.0 })] } else { vec![] };
        sampler.add_with_processors(SequenceId(index as u32), params(index), &[0], processors).expect("valid");
    }
    let mut output = SamplerOutput::default();
    for step in 0..3 {
        let row = |index: usize| Row::decode(index as u32, step, params(index).columns(0));
        let buffer = write(&(0..processed.len()).map(row).collect::<Vec<_>>());
        let batch = buffer.view().expect("a batch");
        sampler.sample(&pool, &batch, &mut logits.to_vec(), None, &mut output).expect("sampled");
        output.token_ids.iter().zip(&mut tokens).for_each(|(&token_id, own)| own.push(token_id));
    }
    tokens
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn rows_without_processors_are_as_if_nobody_had_any(
        processed in prop::collection::vec(any::<bool>(), 5),
        logits in prop::collection::vec((-64i32..64).prop_map(|value| value as f32 / 16.0), 5 * 70),
    ) {
        let mixed = tokens(&processed, &logits, 3);
        let (none, all) = (tokens(&[false; 5], &logits, 1), tokens(&[true; 5], &logits, 1));
        for (index, &is_processed) in processed.iter().enumerate() {
            prop_assert_eq!(&mixed[index], if is_processed { &all[index] } else { &none[index] });
        }
    }
}

#[test]
fn a_row_can_be_prepared_for_processors_elsewhere() {
    let mut sampler = sampler(4, LogprobsMode::RawLogprobs);
    let id = SequenceId(3);
    let params = greedy(|p| (p.logit_bias, p.allowed_token_ids) = (vec![(1, 1.0)], Some(vec![0, 1])));
    sampler.add_with_processors(id, params, &[1], vec![]).expect("valid");
    let mut row = [1.0, 2.0, 3.0, 4.0];
    let masks = TokenMasks { mask_index: &[-1, 0], words: &[0b1110] };
    masks.apply_to(0, &mut row);
    assert_eq!(row, [1.0, 2.0, 3.0, 4.0]);
    masks.apply_to(1, &mut row);
    sampler.prepare_row(id, &mut row).expect("known");
    assert_eq!(row, [-INF, 3.0, -INF, -INF]);
    let refused = sampler.prepare_row(id, &mut [0.0; 3]);
    assert_eq!(refused, Err(SamplingError::Shape { array: "row", expected: 4, given: 3 }));
    let unknown = sampler.prepare_row(SequenceId(4), &mut row);
    assert_eq!(unknown, Err(SamplingError::UnknownSequence { sequence_id: 4 }));
}
