//! The engine: requests in, steps out, tokens back, outputs out. Everything here is called from one thread; nothing
//! waits for anything.

mod drafting;
mod invariants;
mod step_return;

use crate::config::EngineConfig;
use crate::draft_model::DraftedBlocks;
use crate::errors::{AdmissionError, ConfigError, UpdateError};
use crate::events::KvCacheEvent;
use crate::ids::{RequestId, SequenceId};
use crate::input_batch::buffer::{BatchRow, InputBatchBuffer};
use crate::kv_cache_manager::KvCacheManager;
use crate::request::Request;
use crate::scheduler::{PauseState, Scheduler};
use crate::scheduler_output::{ScheduledSequence, SchedulerOutput};
use crate::sequence::{Sequence, SequenceStatus};
use crate::sequences::Sequences;
use crate::stats::{Counters, Stats};
use crate::step_output::StepOutput;
use drafting::DraftRound;
use std::collections::VecDeque;
use std::sync::Arc;

/// A request that was taken: its sequences have the ids `first`, `first + 1`, ... `first + count - 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The request.
    pub request: RequestId,
    /// Its first sequence.
    pub first: SequenceId,
    /// Its sequences.
    pub count: u32,
}

impl Admitted {
    /// The ids of the sequences, in the order of their index.
    pub fn sequences(self) -> impl Iterator<Item = SequenceId> {
        (self.first.0..self.first.0 + self.count).map(SequenceId)
    }
}

/// What a device or a sampler drew in one step, row by row.
#[derive(Clone, Copy, Debug)]
pub struct SampledTokens<'a> {
    /// Tokens of each row of the batch: 0 for a row that does not sample, else 1 up to 1 + its drafts, and then those
    /// that were forced.
    pub counts: &'a [i32],
    /// How many of each row's tokens, at their end, were forced: appended without having been drawn, because nothing else
    /// could come (a grammar says so). Their KV is computed in the next step. Empty: none of any row.
    pub num_forced: &'a [i32],
    /// The tokens of all rows, one row after the other.
    pub token_ids: &'a [i32],
}

impl SampledTokens<'_> {
    /// Tokens of a row that were forced.
    fn num_forced_of(&self, row: usize) -> i32 {
        self.num_forced.get(row).copied().unwrap_or(0)
    }
}

/// Schedules sequences over paged KV blocks. See the crate's documentation.
///
/// The caller's loop: [`schedule`](Self::schedule) writes a batch, a device runs it, [`update`](Self::update) takes
/// the tokens. With two steps in flight the second may be scheduled before the first returns. As long as
/// [`has_unfinished`](Self::has_unfinished) holds, nothing is paused or blocked, and no step is in flight, `schedule`
/// has something to run.
#[derive(Debug)]
pub struct EngineCore {
    config: EngineConfig,
    sequences: Sequences,
    scheduler: Scheduler,
    kv: KvCacheManager,
    counters: Counters,
    /// Oldest first.
    in_flight: VecDeque<SchedulerOutput>,
    spare: Vec<SchedulerOutput>,
    draft_round: DraftRound,
    drafted_blocks: DraftedBlocks,
    output: StepOutput,
    last_step_id: u64,
    last_request_id: u32,
    last_order: u64,
    /// Sequences that neither ended nor were aborted.
    num_unfinished: usize,
}

impl EngineCore {
    /// An engine without requests. It may have fewer blocks than [`EngineConfig::validate`] demands: then sequences
    /// end with `length` where the blocks of a single one end.
    ///
    /// # Errors
    /// [`ConfigError`] for a number out of range.
    pub fn new(config: EngineConfig) -> Result<Self, ConfigError> {
        config.check_ranges()?;
        Ok(Self {
            sequences: Sequences::default(),
            scheduler: Scheduler::new(&config),
            kv: KvCacheManager::new(&config),
            counters: Counters::new(config.max_draft_tokens()),
            in_flight: VecDeque::with_capacity(2),
            spare: Vec::with_capacity(2),
            draft_round: DraftRound::default(),
            drafted_blocks: DraftedBlocks::new(if config.draft_model.is_some() { config.num_blocks } else { 0 }),
            output: StepOutput::default(),
            last_step_id: 0,
            last_request_id: 0,
            last_order: 0,
            num_unfinished: 0,
            config,
        })
    }

    /// The configuration it was made with.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Takes a request; its sequences wait from now on.
    ///
    /// # Errors
    /// [`AdmissionError`] for a request that can never be served; nothing has changed then.
    pub fn add(&mut self, mut request: Request) -> Result<Admitted, AdmissionError> {
        request.validate(&self.config)?;
        let count = request.num_sequences;
        let mut prompt = std::mem::take(&mut request.prompt_token_ids);
        let request = Arc::new(request);
        self.last_request_id = self.last_request_id.wrapping_add(1);
        let request_id = RequestId(self.last_request_id);
        let first = self.sequences.next_ids(count);
        let longest = self.config.longest_sequence();
        for child in 0..count {
            let token_ids = if child + 1 == count { std::mem::take(&mut prompt) } else { prompt.clone() };
            let id = SequenceId(first.0 + child);
            self.last_order += 1;
            let request = Arc::clone(&request);
            let sequence = Sequence::new(id, request_id, self.last_order, request, child, token_ids, longest);
            let slot = self.sequences.insert(sequence);
            self.scheduler.enqueue(slot, self.sequences.get(slot));
        }
        self.num_unfinished += count as usize;
        Ok(Admitted { request: request_id, first, count })
    }

    /// Ends a sequence, wherever it is. It appears in no output any more. If a step in flight computes it, its blocks
    /// are given back when that step returns. False if it is not there, or has ended.
    pub fn abort(&mut self, id: SequenceId) -> bool {
        let Some(slot) = self.sequences.slot_of(id) else { return false };
        match self.sequences.get(slot).status {
            SequenceStatus::Finished => return false,
            SequenceStatus::Running => self.scheduler.running.retain(|running| *running != slot),
            SequenceStatus::Waiting | SequenceStatus::Preempted => {}
        }
        self.end(slot);
        true
    }

    /// Lets a sequence start that was added `blocked`. False if it is not there or was not blocked.
    pub fn unblock(&mut self, id: SequenceId) -> bool {
        let Some(slot) = self.sequences.slot_of(id) else { return false };
        std::mem::take(&mut self.sequences.get_mut(slot).blocked)
    }

    /// Stops scheduling new sequences, or all, or none.
    pub fn set_pause(&mut self, pause: PauseState) {
        self.scheduler.pause = pause;
    }

    /// Decides the next step and writes it into `buffer`. False, and the buffer untouched, if there is nothing to run:
    /// nothing is left, everything is blocked or paused, or a step in flight must return first.
    pub fn schedule(&mut self, buffer: &mut InputBatchBuffer) -> bool {
        if self.in_flight.len() >= self.config.max_steps_in_flight as usize {
            return false;
        }
        self.end_drafts();
        let mut step = self.spare.pop().unwrap_or_default();
        step.clear(self.last_step_id + 1);
        loop {
            let num_preempted = step.preempted.len();
            self.scheduler.schedule(&mut self.sequences, &mut self.kv, &mut self.counters, &mut step);
            if !step.sequences.is_empty() {
                break;
            }
            // The first in line may have been the one to yield: there is room for the others now, and if there are no
            // others, for itself.
            if step.preempted.len() == num_preempted {
                if num_preempted == 0 {
                    self.spare.push(step);
                    return false;
                }
                step.clear(self.last_step_id + 1);
            }
        }
        self.last_step_id = step.step_id;
        self.counters.totals.num_steps += 1;
        self.counters.totals.num_scheduled_tokens += u64::from(step.num_tokens);
        let sequences = &self.sequences;
        let rows = step.sequences.iter().map(|row| batch_row(row, sequences.get(row.slot)));
        buffer.write(step.step_id, self.config.block_size, rows);
        for row in step.sequences.iter().filter(|row| row.samples) {
            self.sequences.get_mut(row.slot).draft_token_ids.clear();
        }
        self.in_flight.push_back(step);
        true
    }

    /// Takes the result of the oldest step in flight; `step_id` is the one in the batch's header. The output is valid
    /// until the next call.
    ///
    /// # Errors
    /// [`UpdateError`] if the result does not belong to the step. Nothing has changed then; the step is still in
    /// flight, and [`fail_step`](Self::fail_step) gives it up.
    pub fn update(&mut self, step_id: u32, sampled: SampledTokens<'_>) -> Result<&StepOutput, UpdateError> {
        self.check_result(step_id, sampled)?;
        self.take_result(sampled);
        #[cfg(debug_assertions)]
        self.check_invariants().expect("this is a bug");
        Ok(&self.output)
    }

    /// Gives up a step in flight: the runner failed. Its sequences end with `Error`; sequences of a later step that
    /// share blocks which the failed one should have filled are computed again; everything else goes on.
    ///
    /// # Errors
    /// [`UpdateError::WrongStep`] if no such step is in flight.
    pub fn fail_step(&mut self, step_id: u32) -> Result<&StepOutput, UpdateError> {
        let index = self.in_flight.iter().position(|step| step.step_word() == step_id);
        let expected = self.in_flight.front().map(SchedulerOutput::step_word);
        let index = index.ok_or(UpdateError::WrongStep { given: step_id, expected })?;
        self.take_failure(index);
        #[cfg(debug_assertions)]
        self.check_invariants().expect("this is a bug");
        Ok(&self.output)
    }

    /// Guesses for the tokens that come next, to be verified in the next step. Dropped (false) if the sequence is not
    /// there, has not generated or must be computed again, or is in a step in flight, and if an id is negative.
    pub fn set_draft_tokens(&mut self, id: SequenceId, token_ids: &[i32]) -> bool {
        let Some(slot) = self.sequences.slot_of(id) else { return false };
        let sequence = self.sequences.get_mut(slot);
        if !sequence.takes_drafts() || token_ids.iter().any(|token_id| *token_id < 0) {
            return false;
        }
        sequence.draft_token_ids.clear();
        sequence.draft_token_ids.extend_from_slice(token_ids);
        true
    }

    /// Whether sequences wait or run, or steps are in flight.
    #[must_use]
    pub fn has_unfinished(&self) -> bool {
        self.num_unfinished > 0 || !self.in_flight.is_empty()
    }

    /// Counts for whoever watches.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            num_running: self.scheduler.running.len() as u64,
            num_waiting: self.scheduler.waiting.len() as u64,
            num_steps_in_flight: self.in_flight.len() as u64,
            num_free_blocks: u64::from(self.kv.pool.num_free()),
            num_usable_blocks: u64::from(self.kv.pool.num_usable()),
            num_cached_blocks: u64::from(self.kv.pool.num_cached()),
            ..self.counters.totals
        }
    }

    /// Drafts that were right, by their positions in a row's drafts: as many as the configuration lets a row have, or as a
    /// row had. Their sum is `num_accepted_draft_tokens`.
    #[must_use]
    pub fn num_accepted_draft_tokens_by_position(&self) -> &[u64] {
        &self.counters.num_accepted_by_position
    }

    /// What happened to cached blocks since the last call; nothing unless `enable_events` is set.
    pub fn take_events(&mut self) -> Vec<KvCacheEvent> {
        self.kv.pool.take_events()
    }

    /// Empties the prefix cache. False, and nothing changed, while any block is held.
    pub fn reset_prefix_cache(&mut self) -> bool {
        if !self.kv.pool.reset() {
            return false;
        }
        if self.config.draft_model.is_some() {
            self.drafted_blocks = DraftedBlocks::new(self.config.num_blocks);
        }
        true
    }

    /// Blocks at the start that all sequences which hold blocks share; 0 with a sliding window.
    #[must_use]
    pub fn num_common_prefix_blocks(&self) -> u32 {
        let holders = self.sequences.iter().map(|(_, sequence)| sequence).filter(|sequence| sequence.table.len() > 0);
        self.kv.num_common_prefix_blocks(holders)
    }

    /// The decisions whose results are due, oldest first.
    pub fn steps_in_flight(&self) -> impl Iterator<Item = &SchedulerOutput> {
        self.in_flight.iter()
    }

    /// The request of a sequence that is there.
    #[must_use]
    pub fn request_of(&self, id: SequenceId) -> Option<RequestId> {
        Some(self.sequences.get(self.sequences.slot_of(id)?).request_id)
    }
}

/// The row of a scheduled sequence in the batch.
fn batch_row<'a>(row: &ScheduledSequence, sequence: &'a Sequence) -> BatchRow<'a> {
    let start = row.num_computed_tokens as usize;
    let end = start + (row.num_tokens - row.num_draft_tokens) as usize;
    let known = end.min(sequence.token_ids.len());
    BatchRow {
        sequence_id: row.sequence_id,
        row: row.row,
        token_ids: &sequence.token_ids[start.min(known)..known],
        num_unknown_tokens: (end - known) as u32,
        draft_token_ids: &sequence.draft_token_ids[..row.num_draft_tokens as usize],
        num_computed: row.num_computed_tokens,
        block_table: sequence.table.blocks(),
        samples: row.samples,
        prompt_logits: row.prompt_logits,
        // Devices that draw know one token a row.
        host_sampling: sequence.request.host_sampling || row.num_draft_tokens > 0,
        sampling: sequence.sampling,
    }
}
