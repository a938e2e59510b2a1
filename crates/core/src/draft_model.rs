//! Drafts by a second model that is quicker than the first. It has a KV cache of its own with the same blocks: a sequence's
//! table says where its keys and values are in both. Here is how far the second model has come; `engine_core/drafting.rs` makes its batches.

use crate::block_hash::BlockHash;
use crate::draft_pace::{DraftPace, drafts_each};
use crate::errors::ConfigError;
use crate::sequence::Sequence;

/// What the core knows of the model that drafts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DraftModel {
    /// Drafts of one sequence in a step, at most.
    pub max_draft_tokens: u32,
    /// Tokens of a step, one of each running sequence and the drafts, that it may grow to by drafts.
    pub max_step_tokens: u32,
    /// Tokens of the longest sequence that it computes; longer ones get no drafts.
    pub max_model_len: u32,
    /// Ids that both models have: those below this. Behind any other one nothing is drafted.
    pub vocab_size: u32,
}

impl DraftModel {
    /// Drafts of a sequence, and tokens of a step, at most.
    const MOST: [u32; 2] = [256, 1 << 16];

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let in_range = |field, given: u32, most: u32| {
            if (1..=most).contains(&given) {
                return Ok(());
            }
            Err(ConfigError::OutOfRange { field, given: u64::from(given), least: 1, most: u64::from(most) })
        };
        in_range("max_draft_tokens", self.max_draft_tokens, Self::MOST[0])?;
        in_range("max_step_tokens", self.max_step_tokens, Self::MOST[1])?;
        in_range("draft_model_len", self.max_model_len, i32::MAX as u32)?;
        in_range("draft_vocab_size", self.vocab_size, i32::MAX as u32)
    }

    /// Drafts of each of `num_running` sequences in one step.
    pub(crate) fn drafts_each(&self, num_running: u32) -> u32 {
        drafts_each(self.max_step_tokens, num_running, self.max_draft_tokens)
    }

    pub(crate) fn knows(&self, token_id: i32) -> bool {
        u32::try_from(token_id).is_ok_and(|id| id < self.vocab_size)
    }
}

/// How far the second model has come with one sequence.
#[derive(Debug, Default)]
pub(crate) struct DraftProgress {
    pub(crate) pace: DraftPace,
    /// Tokens, drafts included, whose keys and values the second model has.
    pub(crate) num_computed: u32,
    /// Blocks at the start that are in [`DraftedBlocks`].
    num_recorded: u32,
}

impl DraftProgress {
    /// Only the first `num_tokens` tokens are what they were when they were computed.
    pub(crate) fn keep(&mut self, num_tokens: u32) {
        self.num_computed = self.num_computed.min(num_tokens);
    }

    /// The sequence has lost its blocks.
    pub(crate) fn start_over(&mut self) {
        (self.num_computed, self.num_recorded) = (0, 0);
    }
}

/// Blocks that the second model has filled, and what with: a prefix that is found in the cache is one that the first model
/// has computed, and the second perhaps has not.
#[derive(Debug, Default)]
pub(crate) struct DraftedBlocks {
    by_block: Vec<Option<BlockHash>>,
}

impl DraftedBlocks {
    pub(crate) fn new(num_blocks: u32) -> Self {
        Self { by_block: vec![None; num_blocks as usize] }
    }

    /// Skips the blocks at the start of a sequence that the second model has filled for another one; the last token is
    /// computed in any case.
    pub(crate) fn skip_filled(&self, sequence: &mut Sequence, block_size: u32) {
        if sequence.draft.num_computed > 0 {
            return;
        }
        let named = sequence.table.blocks().iter().zip(&sequence.chain).take(sequence.table.num_registered() as usize);
        let filled = named.take_while(|(id, link)| self.by_block[id.index()] == Some(link.hash)).count() as u32;
        sequence.draft.num_recorded = filled;
        sequence.draft.num_computed = (filled * block_size).min(sequence.num_tokens() - 1);
    }

    /// The second model is to compute the tokens `start..end` of a sequence: their blocks are no longer what they were.
    pub(crate) fn overwrite(&mut self, sequence: &Sequence, start: u32, end: u32, block_size: u32) {
        for id in &sequence.table.blocks()[(start / block_size) as usize..end.div_ceil(block_size) as usize] {
            self.by_block[id.index()] = None;
        }
    }

    /// Notes the blocks that are full of tokens which the second model has computed by now.
    pub(crate) fn record(&mut self, sequence: &mut Sequence, block_size: u32) {
        let known = sequence.draft.num_computed.min(sequence.num_tokens());
        let full = (known / block_size).min(sequence.table.num_registered());
        for index in sequence.draft.num_recorded..full {
            let id = sequence.table.blocks()[index as usize];
            self.by_block[id.index()] = Some(sequence.chain[index as usize].hash);
        }
        sequence.draft.num_recorded = sequence.draft.num_recorded.max(full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: DraftModel =
        DraftModel { max_draft_tokens: 4, max_step_tokens: 16, max_model_len: 100, vocab_size: 50 };

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(MODEL.validate(), Ok(()));
        for (wrong, field) in [
            (DraftModel { max_draft_tokens: 0, ..MODEL }, "max_draft_tokens"),
            (DraftModel { max_draft_tokens: 257, ..MODEL }, "max_draft_tokens"),
            (DraftModel { max_step_tokens: 0, ..MODEL }, "max_step_tokens"),
            (DraftModel { max_model_len: 0, ..MODEL }, "draft_model_len"),
            (DraftModel { vocab_size: 0, ..MODEL }, "draft_vocab_size"),
        ] {
            let error = wrong.validate();
            assert!(matches!(error, Err(ConfigError::OutOfRange { field: named, .. }) if named == field), "{error:?}");
        }
    }

    #[test]
    fn only_ids_of_both_models_are_known() {
        assert_eq!([-1, 0, 49, 50].map(|id| MODEL.knows(id)), [false, true, true, false]);
    }
}
