//! The live state of one continuation: its tokens, how far they are computed, and its blocks. It knows no text, no
//! socket and no sampler, and does not schedule itself.

use crate::block_hash::{BlockHash, BlockHasher};
use crate::block_table::BlockTable;
use crate::draft_model::{DraftModel, DraftProgress};
use crate::ids::{RequestId, SequenceId};
use crate::prompt_lookup::{PromptLookup, SpokenBefore};
use crate::request::{RepetitionDetection, Request};
use crate::sampling_columns::SamplingColumns;
use crate::step_output::FinishReason;
use std::sync::Arc;

/// Outputs for which room is made when a sequence starts to run, so that its steps do not allocate.
const RESERVED_OUTPUTS: u32 = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SequenceStatus {
    Waiting,
    Running,
    /// Waiting again, after its blocks went to another sequence.
    Preempted,
    /// Ended or aborted; kept until the last step in flight that computes it has returned.
    Finished,
}

/// One link of a sequence's chain of block names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainLink {
    pub(crate) hash: BlockHash,
    pub(crate) extra_digest: u128,
}

#[derive(Debug)]
pub(crate) struct Sequence {
    pub(crate) id: SequenceId,
    pub(crate) request_id: RequestId,
    /// Order of admission into the engine, which ids do not keep forever.
    pub(crate) order: u64,
    /// What was asked, without the prompt.
    pub(crate) request: Arc<Request>,
    pub(crate) sampling: SamplingColumns,
    pub(crate) status: SequenceStatus,
    /// Waits for `unblock`.
    pub(crate) blocked: bool,
    /// Stable row id, while running.
    pub(crate) row: u32,

    /// Prompt and outputs.
    pub(crate) token_ids: Vec<i32>,
    pub(crate) num_prompt_tokens: u32,
    /// The sequence ends when it has this many tokens.
    max_total_tokens: u32,
    /// Guesses to verify in the next step.
    pub(crate) draft_token_ids: Vec<i32>,
    /// Where drafts are looked up.
    pub(crate) spoken: SpokenBefore,
    /// How far the model that drafts has come.
    pub(crate) draft: DraftProgress,
    /// Tokens that steps in flight are sampling.
    pub(crate) num_output_placeholders: u32,
    /// Tokens whose KV is there once all steps in flight have run.
    pub(crate) num_computed_tokens: u32,
    /// Tokens whose KV is there now.
    pub(crate) num_settled_tokens: u32,
    /// Tokens found in the cache when the sequence first started.
    pub(crate) num_cached_tokens: Option<u32>,
    /// Prompt positions whose logits have been asked for.
    pub(crate) num_prompt_logits: u32,

    pub(crate) table: BlockTable,
    /// Names of the full blocks, as far as they were needed.
    pub(crate) chain: Vec<ChainLink>,

    /// Steps in flight that compute this sequence.
    pub(crate) num_in_flight: u32,
    /// Counts preemptions, so that a step in flight knows whether the sequence started over since.
    pub(crate) epoch: u32,
    /// Blocks to give back when the last step in flight has returned.
    pub(crate) release_pending: bool,
    /// Tokens of steps up to this one are thrown away: they were computed from blocks of a step that failed.
    pub(crate) discard_through: Option<u64>,
}

impl Sequence {
    pub(crate) fn new(
        id: SequenceId,
        request_id: RequestId,
        order: u64,
        request: Arc<Request>,
        child: u32,
        token_ids: Vec<i32>,
        longest_sequence: u32,
    ) -> Self {
        let num_prompt_tokens = token_ids.len() as u32;
        let max_total_tokens =
            request.max_tokens.map_or(u32::MAX, |max| num_prompt_tokens.saturating_add(max)).min(longest_sequence);
        Self {
            id,
            request_id,
            order,
            sampling: request.sampling.child(child),
            status: SequenceStatus::Waiting,
            blocked: request.blocked,
            request,
            row: 0,
            token_ids,
            num_prompt_tokens,
            max_total_tokens,
            draft_token_ids: Vec::new(),
            spoken: SpokenBefore::default(),
            draft: DraftProgress::default(),
            num_output_placeholders: 0,
            num_computed_tokens: 0,
            num_settled_tokens: 0,
            num_cached_tokens: None,
            num_prompt_logits: 0,
            table: BlockTable::default(),
            chain: Vec::new(),
            num_in_flight: 0,
            epoch: 0,
            release_pending: false,
            discard_through: None,
        }
    }

    pub(crate) fn num_tokens(&self) -> u32 {
        self.token_ids.len() as u32
    }

    pub(crate) fn num_tokens_with_drafts(&self) -> u32 {
        self.num_tokens() + self.draft_token_ids.len() as u32
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.status, SequenceStatus::Waiting | SequenceStatus::Preempted)
    }

    /// Whether it generates, every token but the last is computed, and no step in flight decides what comes.
    pub(crate) fn takes_drafts(&self) -> bool {
        self.status == SequenceStatus::Running
            && self.num_tokens() > self.num_prompt_tokens
            && self.num_computed_tokens + 1 == self.num_tokens()
            && self.num_in_flight == 0
    }

    /// Looks drafts up, `most` at most, and no more than there is room for before the last token.
    pub(crate) fn look_drafts_up(&mut self, how: &PromptLookup, most: u32) {
        self.draft_token_ids.clear();
        let most = most.min(self.num_tokens_before_last());
        self.spoken.propose(&self.token_ids, how, most, &mut self.draft_token_ids);
    }

    /// Drafts that there is room for: before the last token, in the blocks, and within the length of the model that drafts.
    pub(crate) fn room_for_drafts(&self, model: &DraftModel, block_size: u32) -> u32 {
        let num_slots = self.table.len() * block_size;
        let most = num_slots.min(model.max_model_len).saturating_sub(self.num_tokens());
        most.min(self.num_tokens_before_last())
    }

    /// Tokens that are still to come, without the last.
    fn num_tokens_before_last(&self) -> u32 {
        self.max_total_tokens.saturating_sub(self.num_tokens() + 1)
    }

    /// The tokens that are being sampled bring the sequence to its length: nothing more is worth computing.
    pub(crate) fn ends_in_flight(&self) -> bool {
        self.num_output_placeholders > 0 && self.num_tokens() + self.num_output_placeholders >= self.max_total_tokens
    }

    /// Whether blocks in the cache may be used. Prompt logprobs need every position computed.
    pub(crate) fn reads_prefix_cache(&self) -> bool {
        !(self.request.skip_reading_prefix_cache || self.request.prompt_logprobs)
    }

    /// Positions, relative to `start`, whose logits are wanted as prompt logprobs when the tokens `start..end` are
    /// computed. The last prompt position is not among them: what it predicts is sampled.
    pub(crate) fn prompt_logits(&self, start: u32, end: u32) -> (u32, u32) {
        if !self.request.prompt_logprobs {
            return (0, 0);
        }
        let first = start.max(self.num_prompt_logits);
        let last = end.min(self.num_prompt_tokens - 1);
        if first < last { (first - start, last - start) } else { (0, 0) }
    }

    /// Makes room so that the steps to come do not allocate.
    pub(crate) fn reserve(&mut self, block_size: u32) {
        let total = self.max_total_tokens.min(self.num_tokens().saturating_add(RESERVED_OUTPUTS));
        self.token_ids.reserve_exact((total - self.num_tokens().min(total)) as usize);
        let num_blocks = total.div_ceil(block_size) as usize + 1;
        self.table.reserve(num_blocks);
        self.chain.reserve(num_blocks.saturating_sub(self.chain.len()));
    }

    /// Makes the chain at least `num_blocks` links long.
    pub(crate) fn extend_chain(&mut self, hasher: &BlockHasher, block_size: u32, num_blocks: u32) {
        let (keys, salt) = (&self.request.extra_keys, self.request.cache_salt.as_deref());
        for index in self.chain.len() as u32..num_blocks {
            let (start, end) = (index * block_size, (index + 1) * block_size);
            let extra_digest = hasher.extra_digest(keys, salt, start, end);
            let tokens = &self.token_ids[start as usize..end as usize];
            let hash = hasher.block(self.parent_of(index), tokens, extra_digest);
            self.chain.push(ChainLink { hash, extra_digest });
        }
    }

    /// Name of the block before block `index`.
    pub(crate) fn parent_of(&self, index: u32) -> BlockHash {
        index.checked_sub(1).map_or(BlockHash::NONE, |before| self.chain[before as usize].hash)
    }

    /// Forgets what was computed; blocks are given back by whoever owns them.
    pub(crate) fn start_over(&mut self) {
        self.status = SequenceStatus::Preempted;
        self.epoch += 1;
        self.num_computed_tokens = 0;
        self.num_settled_tokens = 0;
        self.num_output_placeholders = 0;
        self.draft_token_ids.clear();
        self.draft.start_over();
    }

    /// Appends one output token and says whether it ends the sequence, and with which stop token.
    ///
    /// In this order: below `min_tokens` no stop is looked at; the end-of-sequence token; the stop tokens; the length;
    /// repetition. The length counts below `min_tokens` too, because behind it there is no room.
    pub(crate) fn append(&mut self, token_id: i32) -> Option<(FinishReason, Option<i32>)> {
        self.token_ids.push(token_id);
        let request = &*self.request;
        let num_outputs = self.num_tokens() - self.num_prompt_tokens;
        let looks_at_stops = num_outputs >= request.min_tokens;
        if looks_at_stops {
            if !request.ignore_eos && request.eos_token_id == Some(token_id) {
                return Some((FinishReason::Stop, None));
            }
            if request.stop_token_ids.contains(&token_id) {
                return Some((FinishReason::Stop, Some(token_id)));
            }
        }
        if self.num_tokens() >= self.max_total_tokens {
            return Some((FinishReason::Length, None));
        }
        let outputs = &self.token_ids[self.num_prompt_tokens as usize..];
        let repeats = looks_at_stops && request.repetition_detection.is_some_and(|limits| repeats(outputs, limits));
        repeats.then_some((FinishReason::Repetition, None))
    }
}

/// Whether the outputs end in a pattern that stands there `min_count` times in a row.
fn repeats(outputs: &[i32], limits: RepetitionDetection) -> bool {
    let min_count = limits.min_count.max(2) as usize;
    // A pattern that does not fit often enough cannot repeat.
    let longest = (limits.max_pattern_size as usize).min(outputs.len() / min_count);
    (limits.min_pattern_size.max(1) as usize..=longest).any(|size| {
        let tail = &outputs[outputs.len() - size * min_count..];
        tail[size..] == tail[..tail.len() - size]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_repetitions_at_the_end() {
        // (outputs, min size, max size, count, found)
        let rows: [(&[i32], u32, u32, u32, bool); 9] = [
            (&[], 1, 4, 2, false),
            (&[1, 1], 1, 4, 2, true),
            (&[1, 1], 1, 4, 3, false),
            (&[9, 1, 2, 1, 2, 1, 2], 1, 4, 3, true),
            (&[9, 1, 2, 1, 2, 1, 2], 3, 4, 2, false),
            (&[1, 2, 1, 2, 3], 1, 4, 2, false),
            (&[5, 5, 5], 0, 1, 3, true),
            (&[5, 5, 5], 0, 0, 3, false),
            (&[1, 2, 3, 1, 2, 3], 1, u32::MAX, 2, true),
        ];
        for (outputs, min_pattern_size, max_pattern_size, min_count, found) in rows {
            let limits = RepetitionDetection { min_pattern_size, max_pattern_size, min_count };
            assert_eq!(repeats(outputs, limits), found, "{outputs:?} {limits:?}");
        }
    }
}
