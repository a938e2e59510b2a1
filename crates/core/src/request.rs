//! What one caller asks for. Immutable once added, validated once; it has no progress.

use crate::config::EngineConfig;
use crate::errors::AdmissionError;
use crate::sampling_columns::SamplingColumns;

/// Bytes that make the KV of some tokens different although the ids are equal: a LoRA adapter, an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraKey {
    /// What identifies it.
    pub bytes: Vec<u8>,
    /// First token that it touches.
    pub start: u32,
    /// One past the last token that it touches; `u32::MAX` covers outputs too (an adapter).
    pub end: u32,
}

/// Ends a sequence whose output ends in a pattern said again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepetitionDetection {
    /// Shortest pattern in tokens; 0 counts as 1.
    pub min_pattern_size: u32,
    /// Longest pattern in tokens; 0 switches detection off.
    pub max_pattern_size: u32,
    /// How often the pattern must stand in a row, at least 2.
    pub min_count: u32,
}

/// One request: a prompt, how long to go on, and how its sequences are sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The prompt, not empty.
    pub prompt_token_ids: Vec<i32>,
    /// Sequences to generate (`n`), each scheduled by itself; they share the prompt's blocks through prefix caching.
    pub num_sequences: u32,
    /// Output tokens at most; `None` = up to the model's length.
    pub max_tokens: Option<u32>,
    /// Output tokens before any stop is looked at. The model's length ends a sequence all the same.
    pub min_tokens: u32,
    /// The token that ends a sequence without being named as the reason.
    pub eos_token_id: Option<i32>,
    /// Tokens that end a sequence and are named as the reason.
    pub stop_token_ids: Vec<i32>,
    /// Whether `eos_token_id` is a token like any other.
    pub ignore_eos: bool,
    /// Lower comes first under the priority policy.
    pub priority: i32,
    /// Order of arrival in the caller's own unit; breaks ties of priority.
    pub arrival: u64,
    /// Only requests with the same salt share blocks.
    pub cache_salt: Option<Vec<u8>>,
    /// What else makes blocks different, in the order in which it enters the hash: adapters, then media.
    pub extra_keys: Vec<ExtraKey>,
    /// Whether logits of every prompt position are wanted. Switches reading of the prefix cache off.
    pub prompt_logprobs: bool,
    /// Whether blocks in the cache are not to be used (they are stored all the same).
    pub skip_reading_prefix_cache: bool,
    /// How tokens are drawn.
    pub sampling: SamplingColumns,
    /// Whether the logits need the stateful sampler.
    pub host_sampling: bool,
    /// Whether the output's tail is searched for repetitions.
    pub repetition_detection: Option<RepetitionDetection>,
    /// Whether drafts are looked up, where the engine does so. Not for who must know each token before the next is drawn.
    pub speculates: bool,
    /// Whether the sequences wait for [`unblock`](crate::EngineCore::unblock), for a grammar to compile, say; others
    /// pass them meanwhile.
    pub blocked: bool,
}

impl Request {
    /// The most sequences that one request may ask for.
    pub const MAX_NUM_SEQUENCES: u32 = 16_384;

    /// One greedy sequence of at most 16 tokens.
    #[must_use]
    pub fn new(prompt_token_ids: Vec<i32>) -> Self {
        Self {
            prompt_token_ids,
            num_sequences: 1,
            max_tokens: Some(16),
            min_tokens: 0,
            eos_token_id: None,
            stop_token_ids: Vec::new(),
            ignore_eos: false,
            priority: 0,
            arrival: 0,
            cache_salt: None,
            extra_keys: Vec::new(),
            prompt_logprobs: false,
            skip_reading_prefix_cache: false,
            sampling: SamplingColumns::GREEDY,
            host_sampling: false,
            repetition_detection: None,
            speculates: true,
            blocked: false,
        }
    }

    pub(crate) fn validate(&self, config: &EngineConfig) -> Result<(), AdmissionError> {
        let length = self.prompt_token_ids.len();
        if length == 0 {
            return Err(AdmissionError::PromptEmpty);
        }
        let allowed = config.max_model_len - 1;
        if length as u64 > u64::from(allowed) {
            return Err(AdmissionError::PromptTooLong { given: length as u64, allowed });
        }
        if let Some(index) = self.prompt_token_ids.iter().position(|token_id| *token_id < 0) {
            return Err(AdmissionError::NegativeTokenId { index, token_id: self.prompt_token_ids[index] });
        }
        if let Some(max_tokens) = self.max_tokens {
            if max_tokens == 0 {
                return Err(AdmissionError::MaxTokensZero);
            }
            if self.min_tokens > max_tokens {
                return Err(AdmissionError::MinTokensAboveMaxTokens { min_tokens: self.min_tokens, max_tokens });
            }
        }
        if self.num_sequences == 0 || self.num_sequences > Self::MAX_NUM_SEQUENCES {
            let most = Self::MAX_NUM_SEQUENCES;
            return Err(AdmissionError::NumSequencesOutOfRange { given: self.num_sequences, most });
        }
        for (index, key) in self.extra_keys.iter().enumerate() {
            if key.start > key.end {
                return Err(AdmissionError::ExtraKeyRange { index, start: key.start, end: key.end });
            }
        }
        if let Some(RepetitionDetection { min_pattern_size, max_pattern_size, min_count }) = self.repetition_detection
            && (min_pattern_size > max_pattern_size || (max_pattern_size > 0 && min_count < 2))
        {
            return Err(AdmissionError::RepetitionDetection { min_pattern_size, max_pattern_size, min_count });
        }
        let (needed, available) = (config.blocks_for_sequence(length as u32), config.num_usable_blocks());
        if needed > available {
            return Err(AdmissionError::TooFewBlocks { needed, available });
        }
        Ok(())
    }
}
