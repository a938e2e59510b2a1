//! What a step brought: per sequence its new tokens and whether it ended. No text.

use crate::ids::SequenceId;

/// Why a sequence ended. The numbers are the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FinishReason {
    /// An end-of-sequence or stop token.
    Stop = 1,
    /// `max_tokens`, the model's length, or the end of the KV cache.
    Length = 2,
    /// The caller ended it. Never in a step's output: the caller knows.
    Abort = 3,
    /// The step that computed it failed, or its own logits were not numbers.
    Error = 4,
    /// Its output began to repeat itself.
    Repetition = 5,
    /// Nothing could follow its last token, and it has no end-of-sequence token to say so.
    Complete = 6,
}

/// Given as the last forced token: nothing can follow. Its sequence ends with [`FinishReason::Complete`].
pub const COMPLETE_TOKEN: i32 = -2;

/// Given in place of a token: the row's logits were not numbers. Its sequence ends with [`FinishReason::Error`], the others of
/// the step go on.
pub const FAILED_TOKEN: i32 = -1;

/// The output of one step, flat and reused: one entry per sequence that has new tokens or has ended, in the order of
/// the step's rows. Aborted sequences and chunks that sample nothing have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepOutput {
    /// The sequences.
    pub sequences: Vec<SequenceId>,
    /// New tokens of each.
    pub num_tokens: Vec<u32>,
    /// New tokens of all, one sequence after the other.
    pub token_ids: Vec<i32>,
    /// Why each ended, `None` if it goes on.
    pub finish_reasons: Vec<Option<FinishReason>>,
    /// The stop token that ended it, if one of `stop_token_ids` did.
    pub stop_token_ids: Vec<Option<i32>>,
    /// Prompt tokens that each found in the cache when it first started.
    pub num_cached_tokens: Vec<u32>,
}

impl StepOutput {
    /// Words of [`write_words`](Self::write_words) before the columns.
    pub const HEADER_WORDS: usize = 2;

    /// Writes the output as words for a door: `num_sequences`, `num_token_ids`, then the columns `sequences`,
    /// `num_tokens`, `finish_reasons` (0 = goes on), `stop_token_ids` (-1 = none), `num_cached_tokens`, one word per
    /// sequence each, then `token_ids`.
    pub fn write_words(&self, words: &mut Vec<i32>) {
        words.clear();
        words.push(self.sequences.len() as i32);
        words.push(self.token_ids.len() as i32);
        words.extend(self.sequences.iter().map(|id| id.as_word()));
        words.extend(self.num_tokens.iter().map(|count| *count as i32));
        words.extend(self.finish_reasons.iter().map(|reason| reason.map_or(0, |reason| reason as i32)));
        words.extend(self.stop_token_ids.iter().map(|token_id| token_id.unwrap_or(-1)));
        words.extend(self.num_cached_tokens.iter().map(|count| *count as i32));
        words.extend_from_slice(&self.token_ids);
    }

    pub(crate) fn clear(&mut self) {
        self.sequences.clear();
        self.num_tokens.clear();
        self.token_ids.clear();
        self.finish_reasons.clear();
        self.stop_token_ids.clear();
        self.num_cached_tokens.clear();
    }

    pub(crate) fn push(
        &mut self,
        id: SequenceId,
        token_ids: &[i32],
        finish: Option<(FinishReason, Option<i32>)>,
        num_cached_tokens: u32,
    ) {
        self.sequences.push(id);
        self.num_tokens.push(token_ids.len() as u32);
        self.token_ids.extend_from_slice(token_ids);
        self.finish_reasons.push(finish.map(|(reason, _)| reason));
        self.stop_token_ids.push(finish.and_then(|(_, stop_token_id)| stop_token_id));
        self.num_cached_tokens.push(num_cached_tokens);
    }
}
