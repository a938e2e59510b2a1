//! The stateful sampler. A step is sampled off the JavaScript thread; its results are then copied into arrays that JavaScript
//! allocated, because only then their lengths are known.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{AsyncTask, Buffer, BufferSlice};
use napi::{Env, Result, Task};
use napi_derive::napi;
use quire_core::{InputBatchView, SequenceId};
use quire_sampler::{LogitsProcessor, LogprobColumns, SamplerOptions, SamplerOutput, ThreadPool};

use crate::failure::{Failure, Outcome, outcome};
use crate::grammar_pool::{GrammarPool, GrammarRows};
use crate::sampling::NativeSampling;
use crate::script_row::ScriptRow;
use crate::sequence_failure::SequenceFailure;
use crate::words::{elements, elements_mut, fill};

/// What logprobs are made of.
#[napi(string_enum = "snake_case")]
pub enum LogprobsMode {
    RawLogprobs,
    RawLogits,
    ProcessedLogprobs,
    ProcessedLogits,
}

/// What a sampler is made with.
#[napi(object)]
pub struct NativeSamplerOptions {
    /// Logits per row.
    pub vocab_size: u32,
    /// Most logprobs per position; -1 = the vocabulary.
    pub max_logprobs: i32,
    /// What logprobs are made of.
    #[napi(ts_type = "'raw_logprobs' | 'raw_logits' | 'processed_logprobs' | 'processed_logits'")]
    pub logprobs_mode: LogprobsMode,
    /// Threads that share the rows of a step.
    pub threads: u32,
}

/// How much a step gave.
#[napi(object)]
pub struct SampledSizes {
    pub num_tokens: u32,
    /// Entries of the logprobs of all tokens.
    pub num_entries: u32,
    /// Prompt ids that this step described.
    pub num_prompt_groups: u32,
    /// Entries of them.
    pub num_prompt_entries: u32,
    /// Whether a grammar forced tokens.
    pub has_forced: bool,
}

struct State {
    sampler: quire_sampler::Sampler,
    pool: ThreadPool,
    output: SamplerOutput,
    /// `[num_rows]`, or empty: tokens of each row that a grammar forced.
    num_forced: Vec<i32>,
    /// Of sequences that have processors.
    script_rows: HashMap<u32, Arc<ScriptRow>>,
    /// Sequences of the last step whose processors failed.
    failures: Vec<(SequenceId, Failure)>,
}

/// Draws tokens for the sequences that a device cannot draw for by itself.
#[napi]
pub struct Sampler {
    state: Arc<Mutex<State>>,
    vocab_size: u32,
}

impl Sampler {
    fn with<T>(&self, call: impl FnOnce(&mut State) -> std::result::Result<T, Failure>) -> Outcome<T> {
        outcome(|| call(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[napi]
impl Sampler {
    /// A sampler that knows no sequence.
    #[napi]
    pub fn create(options: NativeSamplerOptions) -> Outcome<Sampler> {
        outcome(|| {
            let sampler = quire_sampler::Sampler::new(SamplerOptions {
                vocab_size: options.vocab_size as usize,
                max_logprobs: options.max_logprobs,
                logprobs_mode: options.logprobs_mode.into(),
            })?;
            let pool = ThreadPool::new(options.threads as usize).map_err(Failure::bug)?;
            let state = State {
                sampler,
                pool,
                output: SamplerOutput::default(),
                num_forced: Vec::new(),
                script_rows: HashMap::new(),
                failures: Vec::new(),
            };
            Ok::<_, Failure>(Self { state: Arc::new(Mutex::new(state)), vocab_size: options.vocab_size })
        })
    }

    /// Logits per row.
    #[napi]
    pub fn vocab_size(&self) -> u32 {
        self.vocab_size
    }

    /// Takes up `count` sequences from `first`, before their first step.
    #[napi]
    pub fn add(&self, first: u32, count: u32, sampling: NativeSampling, prompt: &[i32]) -> Outcome<u32> {
        self.with(|state| {
            for id in first..first + count {
                if sampling.has_processors != Some(true) {
                    state.sampler.add(SequenceId(id), sampling.to_params(), prompt)?;
                    continue;
                }
                let row = Arc::new(ScriptRow::default());
                let processors: Vec<Arc<dyn LogitsProcessor>> = vec![row.clone()];
                state.sampler.add_with_processors(SequenceId(id), sampling.to_params(), prompt, processors)?;
                state.script_rows.insert(id, row);
            }
            Ok(count)
        })
    }

    /// Forgets a sequence; false if it is not known. Not while a step that has it is in flight.
    #[napi]
    pub fn remove(&self, sequence_id: u32) -> Outcome<bool> {
        self.with(|state| {
            state.script_rows.remove(&sequence_id);
            Ok(state.sampler.remove(SequenceId(sequence_id)))
        })
    }

    /// Makes of a copy of logits row `logits_row` (the bytes of a Float32Array `[vocabSize]`) what the sequence's processors
    /// see: under the mask of its grammar and of its allowed ids, biased. False if the model wrote NaN; the row then fails by
    /// itself.
    #[napi]
    pub fn prepare_row(
        &self,
        sequence_id: u32,
        logits_row: u32,
        mut row: BufferSlice<'_>,
        grammars: Option<&GrammarPool>,
    ) -> Outcome<bool> {
        self.with(|state| {
            let row: &mut [f32] = elements_mut(&mut row)?;
            if let Some(grammars) = grammars {
                grammars.rows().mask_row(logits_row as usize, row);
            }
            state.sampler.prepare_row(SequenceId(sequence_id), row)?;
            Ok(!row.iter().any(|logit| logit.is_nan()))
        })
    }

    /// Takes what the processors of a sequence made of its row, for the next step that is sampled; a copy. A sequence that has
    /// processors, and gets none for a step in which it is sampled, fails.
    #[napi]
    pub fn put_row(&self, sequence_id: u32, row: BufferSlice<'_>) -> Outcome<bool> {
        self.with(|state| {
            let own = state.script_rows.get(&sequence_id);
            own.ok_or_else(|| Failure::bug("A row for a sequence without processors"))?.put(elements(&row)?);
            Ok(true)
        })
    }

    /// Sequences of the last step whose processors failed. Their row has the token -1.
    #[napi]
    pub fn take_failures(&self) -> Vec<SequenceFailure> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = std::mem::take(&mut state.failures).into_iter();
        failures.map(|(id, failure)| SequenceFailure { sequence_id: id.0, failure }).collect()
    }

    /// Draws for every row of `words` (the bytes of an input batch) that samples. `logits` are the bytes of a Float32Array
    /// `[numLogits, vocabSize]`; they are changed. Both belong to the sampler until the promise settles. With `grammars`, whose
    /// `prepare` has been called with the same words and has settled, its masks are applied, and its sequences take what was
    /// drawn.
    #[napi(ts_return_type = "Promise<SampledSizes | Failure>")]
    pub fn sample(&self, words: Buffer, logits: Buffer, grammars: Option<&GrammarPool>) -> AsyncTask<SampleStep> {
        let grammars = grammars.map(GrammarPool::rows);
        AsyncTask::new(SampleStep { state: self.state.clone(), words, logits, grammars })
    }

    /// Copies how many tokens of each row the grammars forced in the last step.
    #[napi]
    pub fn read_forced(&self, mut num_forced: BufferSlice<'_>) -> Outcome<u32> {
        self.with(|state| fill(&mut num_forced, &state.num_forced))
    }

    /// Copies the tokens of the last step: how many for each row, and their ids end to end (-1: the row's logits were not
    /// numbers).
    #[napi]
    pub fn read_tokens(&self, mut counts: BufferSlice<'_>, mut token_ids: BufferSlice<'_>) -> Outcome<u32> {
        self.with(|State { output, .. }| {
            fill(&mut counts, &output.counts)?;
            fill(&mut token_ids, &output.token_ids)
        })
    }

    /// Copies the batch row and the prompt index of each prompt id that the last step described.
    #[napi]
    pub fn read_prompt_positions(&self, mut rows: BufferSlice<'_>, mut positions: BufferSlice<'_>) -> Outcome<u32> {
        self.with(|State { output, .. }| {
            fill(&mut rows, &output.prompt_logprobs.rows)?;
            fill(&mut positions, &output.prompt_logprobs.positions)
        })
    }

    /// Copies the logprobs of the last step's tokens, or of its prompt ids: group `i` is entries `offsets[i]..offsets[i + 1]`.
    #[napi]
    pub fn read_logprobs(
        &self,
        of_prompt: bool,
        mut offsets: BufferSlice<'_>,
        mut token_ids: BufferSlice<'_>,
        mut logprobs: BufferSlice<'_>,
        mut ranks: BufferSlice<'_>,
    ) -> Outcome<u32> {
        self.with(|State { output, .. }| {
            let columns = if of_prompt { &output.prompt_logprobs.columns } else { &output.logprobs };
            let LogprobColumns {
                offsets: from_offsets,
                token_ids: from_ids,
                logprobs: from_logprobs,
                ranks: from_ranks,
            } = columns;
            fill(&mut offsets, from_offsets)?;
            fill(&mut token_ids, from_ids)?;
            fill(&mut logprobs, from_logprobs)?;
            fill(&mut ranks, from_ranks)
        })
    }
}

/// One step's sampling on a thread of the pool. The buffers keep JavaScript's arrays alive; reading and writing them here
/// is sound because the engine's loop touches neither until the promise settles.
pub struct SampleStep {
    state: Arc<Mutex<State>>,
    words: Buffer,
    logits: Buffer,
    grammars: Option<Arc<GrammarRows>>,
}

impl Task for SampleStep {
    type Output = Outcome<SampledSizes>;
    type JsValue = Outcome<SampledSizes>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let State { sampler, pool, output, num_forced, script_rows, failures } = &mut *state;
            let batch = InputBatchView::new(elements(&self.words)?).map_err(Failure::bug)?;
            let logits = elements_mut(&mut self.logits)?;
            num_forced.clear();
            match &self.grammars {
                Some(grammars) => grammars.sample(sampler, pool, &batch, logits, output, num_forced)?,
                None => sampler.sample(pool, &batch, logits, None, output)?,
            }
            failures.clear();
            for failure in output.failures.drain(..) {
                let id = batch.sequence_id(failure.row);
                if script_rows.contains_key(&id.0) && failure.error.code() == "ERR_LOGITS_PROCESSOR" {
                    failures.push((id, failure.error.into()));
                }
            }
            Ok::<_, Failure>(SampledSizes {
                num_tokens: output.token_ids.len() as u32,
                num_entries: output.logprobs.token_ids.len() as u32,
                num_prompt_groups: output.prompt_logprobs.rows.len() as u32,
                num_prompt_entries: output.prompt_logprobs.columns.token_ids.len() as u32,
                has_forced: !num_forced.is_empty(),
            })
        }))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

impl From<LogprobsMode> for quire_sampler::LogprobsMode {
    fn from(mode: LogprobsMode) -> Self {
        match mode {
            LogprobsMode::RawLogprobs => Self::RawLogprobs,
            LogprobsMode::RawLogits => Self::RawLogits,
            LogprobsMode::ProcessedLogprobs => Self::ProcessedLogprobs,
            LogprobsMode::ProcessedLogits => Self::ProcessedLogits,
        }
    }
}
