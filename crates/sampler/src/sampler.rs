//! The stateful sampler: remembers what each sequence needs remembered, and turns the logits of a step into tokens and
//! logprobs, rows in parallel. Knows nothing of scheduling, devices or text.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quire_core::{InputBatchView, SequenceId};
use quire_kernels::ThreadPool;

use crate::error::SamplingError;
use crate::logits_processor::LogitsProcessor;
use crate::row_work::{RowOutcome, RowWork, Step, Task, WorkScratch};
use crate::sampler_output::{RowFailure, SamplerOutput};
use crate::sampling_params::SamplingParams;
use crate::sequence_state::SequenceState;
use crate::token_masks::TokenMasks;

/// Which values logprobs are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogprobsMode {
    /// Log-softmax of the model's logits, after the grammar mask and before all else.
    #[default]
    RawLogprobs,
    /// Those logits themselves.
    RawLogits,
    /// Log-softmax of the values drawn from: after every rule, temperature and filter.
    ProcessedLogprobs,
    /// Those values themselves, -infinity where a filter removed the id.
    ProcessedLogits,
}

/// What a sampler is made with.
#[derive(Clone, Copy, Debug)]
pub struct SamplerOptions {
    /// Logits per row, at least 1.
    pub vocab_size: usize,
    /// Most logprobs per position that a request may ask for; -1 = the whole vocabulary.
    pub max_logprobs: i32,
    /// Which values logprobs are made of.
    pub logprobs_mode: LogprobsMode,
}

impl SamplerOptions {
    /// At most 20 raw logprobs per position.
    pub fn new(vocab_size: usize) -> Self {
        Self { vocab_size, max_logprobs: 20, logprobs_mode: LogprobsMode::default() }
    }
}

/// Logits of a step to tokens. Results depend on seeds, positions and each sequence's own past alone: never on batch
/// mates, their order, the number of threads or preemption.
#[derive(Debug)]
pub struct Sampler {
    options: SamplerOptions,
    sequences: HashMap<SequenceId, Box<SequenceState>>,
    outcomes: Vec<RowOutcome>,
    scratch: Mutex<Vec<WorkScratch>>,
}

impl Sampler {
    /// A sampler that knows no sequence.
    ///
    /// # Errors
    /// [`SamplingError::EmptyVocabulary`].
    pub fn new(options: SamplerOptions) -> Result<Self, SamplingError> {
        if options.vocab_size == 0 {
            return Err(SamplingError::EmptyVocabulary);
        }
        Ok(Self { options, sequences: HashMap::new(), outcomes: Vec::new(), scratch: Mutex::default() })
    }

    /// Takes up a sequence, before its first step. Sequences whose [`SamplingParams::needs_host`] is false may be left
    /// out: the batch's columns say all about them.
    ///
    /// # Errors
    /// What [`SamplingParams::validate`] and [`SamplingParams::validate_for`] say;
    /// [`SamplingError::DuplicateSequence`].
    pub fn add(
        &mut self,
        sequence_id: SequenceId,
        params: SamplingParams,
        prompt_token_ids: &[i32],
    ) -> Result<(), SamplingError> {
        self.add_with_processors(sequence_id, params, prompt_token_ids, Vec::new())
    }

    /// The same for a sequence whose rows `processors` change, one after the other.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_with_processors(
        &mut self,
        sequence_id: SequenceId,
        params: SamplingParams,
        prompt_token_ids: &[i32],
        processors: Vec<Arc<dyn LogitsProcessor>>,
    ) -> Result<(), SamplingError> {
        params.validate()?;
        let vocab_size = self.options.vocab_size;
        params.validate_for(vocab_size, self.options.max_logprobs)?;
        if params.prompt_logprobs.is_some() {
            let unknown = prompt_token_ids.iter().find(|&&id| id < 0 || id as usize >= vocab_size);
            if let Some(&token_id) = unknown {
                return Err(SamplingError::OutOfVocabulary { field: "prompt_token_ids", token_id, vocab_size });
            }
        }
        if self.sequences.contains_key(&sequence_id) {
            return Err(SamplingError::DuplicateSequence { sequence_id: sequence_id.0 });
        }
        let state = SequenceState::new(params, prompt_token_ids, vocab_size, processors);
        self.sequences.insert(sequence_id, Box::new(state));
        Ok(())
    }

    /// Forgets a sequence; false if it was not known. A step that still holds it samples it by its columns alone.
    pub fn remove(&mut self, sequence_id: SequenceId) -> bool {
        self.sequences.remove(&sequence_id).is_some()
    }

    /// Sequences known.
    pub fn num_sequences(&self) -> usize {
        self.sequences.len()
    }

    /// Output tokens of a sequence so far.
    ///
    /// # Errors
    /// [`SamplingError::UnknownSequence`].
    pub fn num_output_tokens(&self, sequence_id: SequenceId) -> Result<usize, SamplingError> {
        let known = self.sequences.get(&sequence_id).map(|state| state.num_output_tokens());
        known.ok_or(SamplingError::UnknownSequence { sequence_id: sequence_id.0 })
    }

    /// Accounts output tokens that were not drawn here: of an earlier life of the sequence, or drawn elsewhere.
    ///
    /// # Errors
    /// [`SamplingError::UnknownSequence`]; [`SamplingError::OutOfVocabulary`], and then none is taken.
    pub fn append(&mut self, sequence_id: SequenceId, token_ids: &[i32]) -> Result<(), SamplingError> {
        let vocab_size = self.options.vocab_size;
        if let Some(&token_id) = token_ids.iter().find(|&&id| id < 0 || id as usize >= vocab_size) {
            return Err(SamplingError::OutOfVocabulary { field: "output_token_ids", token_id, vocab_size });
        }
        let state = self.state_mut(sequence_id)?;
        token_ids.iter().for_each(|&token_id| state.append(token_id));
        Ok(())
    }

    /// Takes output tokens back until `num_output_tokens` are left: tokens drawn that the sequence does not keep.
    ///
    /// # Errors
    /// [`SamplingError::UnknownSequence`].
    pub fn truncate(&mut self, sequence_id: SequenceId, num_output_tokens: usize) -> Result<(), SamplingError> {
        self.state_mut(sequence_id)?.truncate(num_output_tokens);
        Ok(())
    }

    /// Makes of a row of logits what the sequence's processors see, but for its grammar mask
    /// ([`TokenMasks::apply_to`], before): for processors that run elsewhere and hand their row to one that runs here.
    ///
    /// # Errors
    /// [`SamplingError::UnknownSequence`]; [`SamplingError::Shape`].
    pub fn prepare_row(&self, sequence_id: SequenceId, row: &mut [f32]) -> Result<(), SamplingError> {
        let expected = self.options.vocab_size;
        if row.len() != expected {
            return Err(SamplingError::Shape { array: "row", expected, given: row.len() });
        }
        let state = self.sequences.get(&sequence_id);
        state.ok_or(SamplingError::UnknownSequence { sequence_id: sequence_id.0 })?.bias_and_mask(row);
        Ok(())
    }

    fn state_mut(&mut self, sequence_id: SequenceId) -> Result<&mut SequenceState, SamplingError> {
        let state = self.sequences.get_mut(&sequence_id).map(Box::as_mut);
        state.ok_or(SamplingError::UnknownSequence { sequence_id: sequence_id.0 })
    }

    /// Draws for every row of `batch` that samples, and describes the prompt ids that it can. `logits`
    /// (`[num_logits][vocab_size]`) is used up: rules are applied in place. Every token drawn is appended to its
    /// sequence, so that a sequence that is preempted later finds its past.
    ///
    /// Rows whose logits are invalid are told in `output.failures`; they disturb no other row.
    ///
    /// # Errors
    /// [`SamplingError::Shape`], and then nothing has changed.
    pub fn sample(
        &mut self,
        pool: &ThreadPool,
        batch: &InputBatchView<'_>,
        logits: &mut [f32],
        masks: Option<&TokenMasks<'_>>,
        output: &mut SamplerOutput,
    ) -> Result<(), SamplingError> {
        let SamplerOptions { vocab_size, logprobs_mode: mode, .. } = self.options;
        let expected = batch.num_logits() * vocab_size;
        if logits.len() != expected {
            return Err(SamplingError::Shape { array: "logits", expected, given: logits.len() });
        }
        if let Some(masks) = masks {
            masks.validate(batch.num_logits(), vocab_size)?;
        }
        let step = Step { batch, masks, mode, vocab_size };
        // A row has at most one outcome per row of logits.
        if self.outcomes.len() < batch.num_logits() {
            self.outcomes.resize_with(batch.num_logits(), RowOutcome::default);
        }
        let mut works = plan(&step, logits, &mut self.sequences, &mut self.outcomes);
        let slots: Vec<Mutex<&mut RowWork<'_>>> = works.iter_mut().map(Mutex::new).collect();
        let idle = &self.scratch;
        pool.run(slots.len(), 1, &|range| {
            let mut scratch = lock(idle).pop().unwrap_or_default();
            for slot in &slots[range] {
                lock(slot).run(&step, &mut scratch);
            }
            lock(idle).push(scratch);
        });
        drop(slots);
        collect(batch, works, &mut self.sequences, output);
        Ok(())
    }
}

/// Each item is locked by the one thread that works on it; a panic there ends the step anyway.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Splits the logits into works. States of sequences that sample move into their work, and back in [`collect`].
fn plan<'a>(
    step: &Step<'_>,
    mut logits: &'a mut [f32],
    sequences: &mut HashMap<SequenceId, Box<SequenceState>>,
    outcomes: &'a mut [RowOutcome],
) -> Vec<RowWork<'a>> {
    let batch = step.batch;
    let mut outcomes = outcomes.iter_mut();
    let mut works = Vec::with_capacity(batch.num_logits());
    let mut logits_row = 0;
    while logits_row < batch.num_logits() {
        let row = batch.logits_rows()[logits_row] as usize;
        let sequence_id = batch.sequence_id(row);
        let samples = batch.sample_index()[row] == logits_row as i32;
        let num_drafts = batch.num_draft_tokens().map_or(0, |counts| counts[row] as usize);
        let num_logits_rows = if samples { 1 + num_drafts } else { 1 };
        let (own, rest) = std::mem::take(&mut logits).split_at_mut(num_logits_rows * step.vocab_size);
        logits = rest;
        let task = if samples {
            Some(Task::Sample { state: sequences.remove(&sequence_id) })
        } else {
            let token = batch.logits_indices()[logits_row] as usize;
            let index = batch.positions()[token] as usize + 1;
            sequences.get_mut(&sequence_id).and_then(|state| prompt_task(state, index, step.vocab_size))
        };
        if let Some(task) = task
            && let Some(outcome) = outcomes.next()
        {
            works.push(RowWork { row, logits_row, logits: own, task, outcome });
        }
        logits_row += num_logits_rows;
    }
    works
}

fn prompt_task(state: &mut SequenceState, index: usize, vocab_size: usize) -> Option<Task> {
    let count = state.params().prompt_logprobs?;
    let chosen = state.take_prompt_logprob(index)? as u32;
    Some(Task::Prompt { chosen, num_best: usize::try_from(count).unwrap_or(vocab_size), index })
}

fn collect(
    batch: &InputBatchView<'_>,
    works: Vec<RowWork<'_>>,
    sequences: &mut HashMap<SequenceId, Box<SequenceState>>,
    output: &mut SamplerOutput,
) {
    output.clear();
    output.counts.resize(batch.num_rows(), 0);
    for RowWork { row, task, outcome, .. } in works {
        if let Some(error) = outcome.error.take()
            && output.failures.last().is_none_or(|failure| failure.row != row)
        {
            output.failures.push(RowFailure { row, error });
        }
        match task {
            Task::Prompt { index, .. } => {
                if outcome.columns.num_groups() > 0 {
                    output.prompt_logprobs.rows.push(row as i32);
                    output.prompt_logprobs.positions.push(index as i32);
                    output.prompt_logprobs.columns.extend(&outcome.columns);
                }
            }
            Task::Sample { state } => {
                output.counts[row] = outcome.token_ids.len() as i32;
                output.token_ids.extend_from_slice(&outcome.token_ids);
                output.logprobs.extend(&outcome.columns);
                if let Some(state) = state {
                    sequences.insert(batch.sequence_id(row), state);
                }
            }
        }
    }
}
