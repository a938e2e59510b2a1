//! The decision of one step: who computes how many tokens, and who had to yield. It holds no arrays for devices.

use crate::ids::SequenceId;

/// One sequence in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduledSequence {
    /// The sequence.
    pub sequence_id: SequenceId,
    /// Its stable row id.
    pub row: u32,
    /// Tokens whose KV was there (or was being computed) before.
    pub num_computed_tokens: u32,
    /// Tokens of this step, drafts included.
    pub num_tokens: u32,
    /// Drafts among them, at the end.
    pub num_draft_tokens: u32,
    /// Whether a token is drawn.
    pub samples: bool,
    pub(crate) prompt_logits: (u32, u32),
    pub(crate) slot: u32,
    pub(crate) epoch: u32,
}

impl ScheduledSequence {
    pub(crate) fn num_logits(&self) -> u32 {
        let sampled = if self.samples { 1 + self.num_draft_tokens } else { 0 };
        self.prompt_logits.1 - self.prompt_logits.0 + sampled
    }
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchedulerOutput {
    /// Number of the step, counted from 1.
    pub step_id: u64,
    /// The sequences, in the order of the batch's rows.
    pub sequences: Vec<ScheduledSequence>,
    /// Sequences that yielded their blocks, in order.
    pub preempted: Vec<SequenceId>,
    /// Tokens of all sequences.
    pub num_tokens: u32,
}

impl SchedulerOutput {
    pub(crate) fn clear(&mut self, step_id: u64) {
        self.step_id = step_id;
        self.sequences.clear();
        self.preempted.clear();
        self.num_tokens = 0;
    }

    pub(crate) fn step_word(&self) -> u32 {
        (self.step_id & 0x7fff_ffff) as u32
    }
}
