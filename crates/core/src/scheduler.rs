//! Decides who computes how many tokens in a step: the running sequences first, then the waiting ones. There is one
//! kind of work only, tokens that are not computed yet; a sequence that generates is one that lacks a single token.

mod preemption;
mod running_phase;
mod waiting_phase;

use crate::config::EngineConfig;
use crate::kv_cache_manager::KvCacheManager;
use crate::scheduler_output::{ScheduledSequence, SchedulerOutput};
use crate::sequence::{Sequence, SequenceStatus};
use crate::sequences::Sequences;
use crate::stats::Counters;
use crate::waiting_queue::{WaitingEntry, WaitingQueue};

/// Whether sequences are scheduled at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PauseState {
    /// Everything is.
    #[default]
    Unpaused,
    /// Running sequences go on, waiting ones wait.
    PausedNew,
    /// Nothing is.
    PausedAll,
}

#[derive(Debug)]
pub(crate) struct Scheduler {
    config: EngineConfig,
    /// Tokens of the longest sequence that can be brought to its end.
    longest_sequence: u32,
    /// In the order in which they were admitted.
    pub(crate) running: Vec<u32>,
    pub(crate) waiting: WaitingQueue,
    /// Row ids that no running sequence has.
    vacant_rows: Vec<u32>,
    /// Sequences whose blocks come back when a step in flight returns.
    pub(crate) num_release_pending: u32,
    pub(crate) pause: PauseState,
}

/// What a step has left.
#[derive(Clone, Copy, Debug)]
struct StepBudget {
    num_tokens: u32,
    /// Logits rows beyond the one that every row may use.
    num_extra_logits: u32,
}

/// What the phases work on.
struct Step<'e> {
    sequences: &'e mut Sequences,
    kv: &'e mut KvCacheManager,
    counters: &'e mut Counters,
    output: &'e mut SchedulerOutput,
    budget: StepBudget,
}

impl Scheduler {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        Self {
            running: Vec::with_capacity(config.max_num_seqs as usize),
            waiting: WaitingQueue::new(config.policy),
            vacant_rows: (0..config.max_num_seqs).rev().collect(),
            num_release_pending: 0,
            pause: PauseState::Unpaused,
            longest_sequence: config.longest_sequence(),
            config: config.clone(),
        }
    }

    /// Fills `output` with the next step. It may stay empty.
    pub(crate) fn schedule(
        &mut self,
        sequences: &mut Sequences,
        kv: &mut KvCacheManager,
        counters: &mut Counters,
        output: &mut SchedulerOutput,
    ) {
        if self.pause == PauseState::PausedAll {
            return;
        }
        let budget = StepBudget {
            num_tokens: self.config.max_num_batched_tokens,
            num_extra_logits: self.config.max_logits_rows - self.config.max_num_seqs,
        };
        let mut step = Step { sequences, kv, counters, output, budget };
        let served = self.schedule_running(&mut step);
        // Whoever had to yield would compete with those who come new.
        if served && step.output.preempted.is_empty() && self.pause == PauseState::Unpaused {
            self.schedule_waiting(&mut step);
        }
        Self::commit(&mut step);
    }

    /// Counts the tokens as computed before they are: the next step may be scheduled before this one has run.
    fn commit(step: &mut Step<'_>) {
        for row in &step.output.sequences {
            let sequence = step.sequences.get_mut(row.slot);
            sequence.num_computed_tokens += row.num_tokens;
            sequence.num_output_placeholders += u32::from(row.samples);
            sequence.num_in_flight += 1;
            if row.prompt_logits.1 > 0 {
                sequence.num_prompt_logits = row.num_computed_tokens + row.prompt_logits.1;
            }
        }
    }

    pub(crate) fn enqueue(&mut self, slot: u32, sequence: &Sequence) {
        self.waiting.push(Self::entry(slot, sequence));
    }

    fn entry(slot: u32, sequence: &Sequence) -> WaitingEntry {
        let (priority, arrival) = (sequence.request.priority, sequence.request.arrival);
        WaitingEntry { priority, arrival, order: sequence.order, slot }
    }

    /// A running sequence stops running; its row id is free.
    pub(crate) fn vacate_row(&mut self, sequence: &Sequence) {
        debug_assert_eq!(sequence.status, SequenceStatus::Running);
        self.vacant_rows.push(sequence.row);
    }

    pub(crate) fn num_vacant_rows(&self) -> usize {
        self.vacant_rows.len()
    }
}

impl Step<'_> {
    /// Takes `num_new_tokens` tokens of a sequence into the step.
    fn take(&mut self, slot: u32, num_new_tokens: u32) {
        let sequence = self.sequences.get(slot);
        let start = sequence.num_computed_tokens;
        let end = start + num_new_tokens;
        // Tokens that will exist when this step runs; what is beyond them are drafts.
        let total = sequence.num_tokens() + sequence.num_output_placeholders;
        let row = ScheduledSequence {
            sequence_id: sequence.id,
            row: sequence.row,
            num_computed_tokens: start,
            num_tokens: num_new_tokens,
            num_draft_tokens: end.saturating_sub(total),
            samples: end >= total,
            prompt_logits: sequence.prompt_logits(start, end),
            slot,
            epoch: sequence.epoch,
        };
        self.budget.num_tokens -= num_new_tokens;
        self.budget.num_extra_logits -= row.num_logits().saturating_sub(1);
        self.output.num_tokens += num_new_tokens;
        self.output.sequences.push(row);
    }

    /// Takes a sequence out of the step again.
    fn cancel(&mut self, slot: u32) {
        let Some(index) = self.output.sequences.iter().position(|row| row.slot == slot) else { return };
        let row = self.output.sequences.remove(index);
        self.budget.num_tokens += row.num_tokens;
        self.budget.num_extra_logits += row.num_logits().saturating_sub(1);
        self.output.num_tokens -= row.num_tokens;
        // Its blocks were registered for content that will not be computed.
        self.kv.unregister_blocks_of(self.sequences.get(slot), self.output.step_id);
    }

    /// Cuts a chunk that starts at `start` so that its logits fit: prompt logprobs to fewer positions, drafts to fewer
    /// drafts. At least one token stays.
    fn cut_to_logits(&self, sequence: &Sequence, start: u32, num_new_tokens: u32) -> u32 {
        let limit = 1 + self.budget.num_extra_logits;
        let end = start + num_new_tokens;
        let total = sequence.num_tokens() + sequence.num_output_placeholders;
        let sampled = if end >= total { 1 + end - total } else { 0 };
        let (first, last) = sequence.prompt_logits(start, end);
        let num_logits = last - first + sampled;
        if num_logits <= limit {
            num_new_tokens
        } else if last > first {
            first + limit
        } else {
            num_new_tokens - (num_logits - limit)
        }
    }
}
