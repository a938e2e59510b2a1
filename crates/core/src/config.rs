//! The numbers an engine is made with, checked once. It reads no environment and no memory sizes.

use crate::draft_model::DraftModel;
use crate::errors::ConfigError;
use crate::prompt_lookup::PromptLookup;

/// Which waiting sequence comes first, and which running one yields its blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchedulingPolicy {
    /// In the order of arrival; the sequence that started last yields.
    #[default]
    FirstComeFirstServed,
    /// By (priority, arrival), lower first; the largest yields.
    Priority,
}

/// The configuration of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// KV slots per block.
    pub block_size: u32,
    /// Blocks of the KV cache, including the null block 0.
    pub num_blocks: u32,
    /// Sequences that run at the same time.
    pub max_num_seqs: u32,
    /// Tokens computed per step.
    pub max_num_batched_tokens: u32,
    /// Tokens of a sequence, prompt and output together.
    pub max_model_len: u32,
    /// Whether equal prefixes share blocks.
    pub enable_prefix_caching: bool,
    /// Whether a prompt may be computed in several steps.
    pub enable_chunked_prefill: bool,
    /// Whether a sequence is admitted only if all of its tokens fit now, not only its first chunk.
    pub reserve_full_prompt: bool,
    /// Tokens of one sequence per step at most; 0 = no such limit.
    pub long_prefill_token_threshold: u32,
    /// Blocks kept free when a sequence is admitted while others run.
    pub watermark_blocks: u32,
    /// Who comes first.
    pub policy: SchedulingPolicy,
    /// Tokens that attention looks back, the current one included; `None` = all.
    pub sliding_window: Option<u32>,
    /// Positions per step whose logits are wanted, at most. Chunks of sequences with prompt logprobs, and drafts, are
    /// cut so that every running sequence keeps one.
    pub max_logits_rows: u32,
    /// Whether drafts are looked up in what a sequence has said before, and how. `None` = the caller sets them, or nobody.
    pub prompt_lookup: Option<PromptLookup>,
    /// The model that drafts, if there is one; not beside `prompt_lookup`. It needs `num_lookahead_tokens` as large as its
    /// `max_draft_tokens`, and no sliding window.
    pub draft_model: Option<DraftModel>,
    /// Slots behind the last token that a proposer of drafts needs.
    pub num_lookahead_tokens: u32,
    /// Steps scheduled and not yet updated, 1 or 2.
    pub max_steps_in_flight: u32,
    /// Key of the block hashes; the caller draws it, once per process.
    pub hash_secret: [u8; 16],
    /// Whether stored and removed blocks are reported by `take_events`.
    pub enable_events: bool,
}

impl EngineConfig {
    /// A configuration with the usual defaults: 128 sequences, 2,048 tokens per step (4,096 logits rows), first come
    /// first served, caching, chunking and whole-prompt reservation on.
    #[must_use]
    pub fn new(block_size: u32, num_blocks: u32, max_model_len: u32, hash_secret: [u8; 16]) -> Self {
        Self {
            block_size,
            num_blocks,
            max_num_seqs: 128,
            max_num_batched_tokens: 2048,
            max_model_len,
            enable_prefix_caching: true,
            enable_chunked_prefill: true,
            reserve_full_prompt: true,
            long_prefill_token_threshold: 0,
            watermark_blocks: 0,
            policy: SchedulingPolicy::FirstComeFirstServed,
            sliding_window: None,
            max_logits_rows: 4096,
            prompt_lookup: None,
            draft_model: None,
            num_lookahead_tokens: 0,
            max_steps_in_flight: 1,
            hash_secret,
            enable_events: false,
        }
    }

    /// Drafts of a row at most; 0 without a proposer in the core.
    pub(crate) fn max_draft_tokens(&self) -> u32 {
        let looked_up = self.prompt_lookup.map(|how| how.max_draft_tokens);
        looked_up.or(self.draft_model.map(|model| model.max_draft_tokens)).unwrap_or(0)
    }

    /// Checks everything that a caller should refuse to start with, capacity included.
    ///
    /// # Errors
    /// [`ConfigError`]; `TooFewBlocks` if the blocks do not hold one sequence of `max_model_len` tokens. An engine can
    /// be made in spite of that: its sequences then end with `length` where the blocks end.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.check_ranges()?;
        let needed = self.blocks_for_sequence(self.max_model_len - 1);
        let available = self.num_usable_blocks();
        if needed > available {
            let fits = self.longest_sequence();
            return Err(ConfigError::TooFewBlocks { max_model_len: self.max_model_len, needed, available, fits });
        }
        Ok(())
    }

    pub(crate) fn check_ranges(&self) -> Result<(), ConfigError> {
        let most = i32::MAX as u64;
        let in_range = |field, given: u32, least: u64, most: u64| {
            let given = u64::from(given);
            if (least..=most).contains(&given) {
                Ok(())
            } else {
                Err(ConfigError::OutOfRange { field, given, least, most })
            }
        };
        in_range("block_size", self.block_size, 1, 1 << 16)?;
        // Slot numbers are words.
        in_range("num_blocks", self.num_blocks, 2, most / u64::from(self.block_size))?;
        in_range("max_num_seqs", self.max_num_seqs, 1, 1 << 20)?;
        in_range("max_model_len", self.max_model_len, 2, most / 4)?;
        in_range("max_num_batched_tokens", self.max_num_batched_tokens, u64::from(self.max_num_seqs), 1 << 24)?;
        in_range("watermark_blocks", self.watermark_blocks, 0, self.num_usable_blocks() - 1)?;
        in_range("max_logits_rows", self.max_logits_rows, u64::from(self.max_num_seqs), most)?;
        in_range("num_lookahead_tokens", self.num_lookahead_tokens, 0, 1024)?;
        in_range("max_steps_in_flight", self.max_steps_in_flight, 1, 2)?;
        if let Some(lookup) = &self.prompt_lookup {
            lookup.validate()?;
        }
        if let Some(model) = &self.draft_model {
            model.validate()?;
            in_range("num_lookahead_tokens", self.num_lookahead_tokens, u64::from(model.max_draft_tokens), 1024)?;
            // Blocks that have left the window are not there for a model that comes late.
            in_range("sliding_window", self.sliding_window.unwrap_or(0), 0, 0)?;
            in_range("draft proposers", u32::from(self.prompt_lookup.is_some()) + 1, 0, 1)?;
        }
        if let Some(window) = self.sliding_window {
            in_range("sliding_window", window, 1, most)?;
        }
        if !self.enable_chunked_prefill && self.max_num_batched_tokens < self.max_model_len {
            return Err(ConfigError::StepTooSmall {
                max_num_batched_tokens: self.max_num_batched_tokens,
                max_model_len: self.max_model_len,
            });
        }
        Ok(())
    }

    /// Blocks that can be handed out: all but the null block.
    #[must_use]
    pub fn num_usable_blocks(&self) -> u64 {
        u64::from(self.num_blocks.saturating_sub(1))
    }

    /// Blocks that one sequence holds while its first `num_tokens` tokens are computed, lookahead included: with a
    /// sliding window never more than [`window_blocks`](Self::window_blocks).
    #[must_use]
    pub fn blocks_for_sequence(&self, num_tokens: u32) -> u64 {
        let slots = u64::from(num_tokens) + u64::from(self.num_lookahead_tokens);
        slots.div_ceil(u64::from(self.block_size)).min(self.window_blocks())
    }

    /// The most blocks that a sequence holds with the sliding window: the window behind the first of the tokens in
    /// flight, those tokens, the lookahead, and one block more because neither end is aligned.
    #[must_use]
    pub fn window_blocks(&self) -> u64 {
        let Some(window) = self.sliding_window else { return u64::MAX };
        let mut chunk = self.max_num_batched_tokens;
        if self.long_prefill_token_threshold > 0 {
            chunk = chunk.min(self.long_prefill_token_threshold);
        }
        let in_flight = u64::from(chunk) * u64::from(self.max_steps_in_flight);
        let slots = u64::from(window - 1) + in_flight + u64::from(self.num_lookahead_tokens);
        slots.div_ceil(u64::from(self.block_size)) + 1
    }

    /// The longest sequence, in tokens, that this engine can bring to its end: `max_model_len`, or less if the blocks
    /// end before. The last token is never computed and needs no slot.
    #[must_use]
    pub fn longest_sequence(&self) -> u32 {
        let usable = self.num_usable_blocks();
        if self.window_blocks() <= usable {
            return self.max_model_len;
        }
        let slots = usable * u64::from(self.block_size);
        let tokens = (slots + 1).saturating_sub(u64::from(self.num_lookahead_tokens));
        self.max_model_len.min(u32::try_from(tokens).unwrap_or(u32::MAX))
    }
}
