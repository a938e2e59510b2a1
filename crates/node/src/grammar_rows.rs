//! The sequences that follow grammars: their masks of a step, what they take of its tokens, and what they force.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quire_core::{COMPLETE_TOKEN, InputBatchView, SequenceId};
use quire_sampler::{RowChange, Sampler, SamplerOutput, SamplingError, ThreadPool, TokenMasks};
use quire_text::{GrammarError, GrammarMatcher};

use crate::grammar_pool::FollowOptions;

/// How a sequence follows its grammar.
pub(crate) struct GrammarRow {
    pub(crate) matcher: GrammarMatcher,
    /// Tokens that are certain are taken without being drawn.
    pub(crate) forces: bool,
    /// Said where nothing can follow; `None`: the sequence ends without a token that says so.
    pub(crate) end_id: Option<i32>,
    /// `end_id` is drawn like every other token, because its logprob is wanted.
    pub(crate) draws_end: bool,
    /// Ids at which the sequence ends by itself.
    pub(crate) stop_ids: Vec<i32>,
    failure: Option<GrammarError>,
}

impl GrammarRow {
    pub(crate) fn new(matcher: GrammarMatcher, options: &FollowOptions) -> Self {
        let FollowOptions { forces, end_id, draws_end, stop_ids } = options;
        let (stop_ids, draws_end) = (stop_ids.clone(), *draws_end && end_id.is_some());
        Self { matcher, forces: *forces, end_id: *end_id, draws_end, stop_ids, failure: None }
    }

    /// Takes what was drawn, and gives what follows from it.
    fn take(&mut self, drawn: &[i32]) -> Result<Vec<i32>, GrammarError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut forced = Vec::new();
        let is_over = drawn.last().is_some_and(|last| self.stop_ids.contains(last));
        if is_over && self.matcher.is_complete() {
            return Ok(forced);
        }
        self.matcher.accept(drawn)?;
        if is_over {
            return Ok(forced);
        }
        if self.forces {
            self.matcher.take_forced(&mut forced)?;
        }
        if self.matcher.is_complete() && !self.draws_end {
            forced.push(self.end_id.unwrap_or(COMPLETE_TOKEN));
        }
        Ok(forced)
    }
}

/// One bit for every id of the vocabulary, for some rows of logits.
#[derive(Default)]
struct Masks {
    /// `[num_logits]`
    index: Vec<i32>,
    words: Vec<u32>,
}

type SharedRow = Arc<Mutex<GrammarRow>>;
/// What a row takes of a step: the tokens that follow from those drawn. Nothing if its logits were no numbers.
type Taken = Option<Result<Vec<i32>, GrammarError>>;

/// All of them. Each is locked on its own: a step's work on one never waits for another's.
pub(crate) struct GrammarRows {
    vocab_size: usize,
    threads: ThreadPool,
    rows: Mutex<HashMap<SequenceId, SharedRow>>,
    masks: Mutex<Masks>,
    failures: Mutex<Vec<(SequenceId, GrammarError)>>,
}

impl GrammarRows {
    pub(crate) fn new(vocab_size: usize, threads: ThreadPool) -> Self {
        let (rows, masks, failures) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { vocab_size, threads, rows, masks, failures }
    }

    pub(crate) fn add(&self, id: SequenceId, row: GrammarRow) {
        lock(&self.rows).insert(id, Arc::new(Mutex::new(row)));
    }

    pub(crate) fn remove(&self, id: SequenceId) -> bool {
        lock(&self.rows).remove(&id).is_some()
    }

    /// What ended sequences since the last call.
    pub(crate) fn take_failures(&self) -> Vec<(SequenceId, GrammarError)> {
        std::mem::take(&mut *lock(&self.failures))
    }

    /// Rows of the batch that sample and follow a grammar, with their rows of logits.
    fn masked(&self, batch: &InputBatchView<'_>) -> Vec<(usize, usize, SharedRow)> {
        let rows = lock(&self.rows);
        let sampled = batch.sample_index().iter().enumerate();
        let found = sampled.filter_map(|(row, &logits_row)| {
            let logits_row = usize::try_from(logits_row).ok()?;
            Some((row, logits_row, Arc::clone(rows.get(&batch.sequence_id(row))?)))
        });
        found.collect()
    }

    /// Computes the masks of a step, which needs no logits: the last token of each sequence is known. Gives their number.
    pub(crate) fn prepare(&self, batch: &InputBatchView<'_>) -> usize {
        let masked = self.masked(batch);
        let stride = GrammarMatcher::mask_words(self.vocab_size);
        let mut masks = lock(&self.masks);
        let Masks { index, words } = &mut *masks;
        index.clear();
        index.resize(batch.num_logits(), -1);
        words.resize(masked.len() * stride, 0);
        for (number, (_, logits_row, _)) in masked.iter().enumerate() {
            index[*logits_row] = number as i32;
        }
        let work: Vec<Mutex<(&SharedRow, &mut [u32])>> =
            masked.iter().zip(words.chunks_mut(stride)).map(|((_, _, row), mask)| Mutex::new((row, mask))).collect();
        self.threads.run(work.len(), 1, &|range| {
            for item in &work[range] {
                let (row, mask) = &mut *lock(item);
                let mut row = lock(row);
                if let Err(error) = row.matcher.fill_mask(mask) {
                    row.failure = Some(error);
                }
            }
        });
        masked.len()
    }

    /// Applies the mask that `prepare` computed for a row of logits to `row`, if there is one.
    pub(crate) fn mask_row(&self, logits_row: usize, row: &mut [f32]) {
        let masks = lock(&self.masks);
        if logits_row < masks.index.len() {
            TokenMasks { mask_index: &masks.index, words: &masks.words }.apply_to(logits_row, row);
        }
    }

    /// Draws with the masks that `prepare` computed for the same batch, and lets the sequences take their tokens.
    pub(crate) fn sample(
        &self,
        sampler: &mut Sampler,
        pool: &ThreadPool,
        batch: &InputBatchView<'_>,
        logits: &mut [f32],
        output: &mut SamplerOutput,
        num_forced: &mut Vec<i32>,
    ) -> Result<(), SamplingError> {
        let masks = lock(&self.masks);
        let view = TokenMasks { mask_index: &masks.index, words: &masks.words };
        sampler.sample(pool, batch, logits, Some(&view), output)?;
        drop(masks);
        let mut starts = vec![0usize; batch.num_rows() + 1];
        for (row, &count) in output.counts.iter().enumerate() {
            starts[row + 1] = starts[row] + count as usize;
        }
        let masked = self.masked(batch);
        let taken: Vec<Mutex<Taken>> = masked.iter().map(|_| Mutex::default()).collect();
        let drawn = |row: usize| &output.token_ids[starts[row]..starts[row + 1]];
        self.threads.run(masked.len(), 1, &|range| {
            for at in range {
                let (row, _, state) = &masked[at];
                // A row whose logits were no numbers has failed by itself.
                if drawn(*row).iter().all(|&token_id| token_id >= 0) {
                    *lock(&taken[at]) = Some(lock(state).take(drawn(*row)));
                }
            }
        });
        let mut changes = Vec::new();
        for ((row, _, _), outcome) in masked.iter().zip(taken) {
            match outcome.into_inner().unwrap_or_else(PoisonError::into_inner) {
                Some(Ok(forced)) if !forced.is_empty() => {
                    let real: Vec<i32> = forced.iter().copied().filter(|&token_id| token_id >= 0).collect();
                    sampler.append(batch.sequence_id(*row), &real)?;
                    num_forced.resize(batch.num_rows(), 0);
                    num_forced[*row] = forced.len() as i32;
                    changes.push((*row, RowChange::Append(forced)));
                }
                Some(Err(error)) => {
                    lock(&self.failures).push((batch.sequence_id(*row), error));
                    changes.push((*row, RowChange::Fail));
                }
                _ => {}
            }
        }
        if !changes.is_empty() {
            output.change_rows(&changes);
        }
        Ok(())
    }
}

/// A panic while something was locked has been reported where it happened; what it left is discarded with its sequence.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
