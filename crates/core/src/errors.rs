//! Everything that can be refused, with the numbers that explain it. Whoever shows an error to a person words it.

use crate::ids::SequenceId;
use thiserror::Error;

/// A configuration that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number outside of its range.
    #[error("{field} is {given}, it must be between {least} and {most}")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
        /// What was given.
        given: u64,
        /// The smallest value allowed.
        least: u64,
        /// The largest value allowed.
        most: u64,
    },
    /// Without chunked prefill a step must hold the longest prompt.
    #[error(
        "max_num_batched_tokens is {max_num_batched_tokens}, below max_model_len {max_model_len}, without chunked prefill"
    )]
    StepTooSmall {
        /// Tokens per step.
        max_num_batched_tokens: u32,
        /// Tokens of the longest sequence.
        max_model_len: u32,
    },
    /// The blocks do not hold one sequence of the model's length.
    #[error(
        "one sequence of max_model_len {max_model_len} needs {needed} blocks, {available} are usable, enough for {fits}"
    )]
    TooFewBlocks {
        /// Tokens of the longest sequence.
        max_model_len: u32,
        /// Blocks it needs.
        needed: u64,
        /// Blocks there are, without the null block.
        available: u64,
        /// The longest `max_model_len` that the blocks hold.
        fits: u32,
    },
}

/// A request that can never be served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AdmissionError {
    /// There is nothing to compute.
    #[error("the prompt has no tokens")]
    PromptEmpty,
    /// The prompt leaves no room for one generated token.
    #[error("the prompt has {given} tokens, at most {allowed} fit")]
    PromptTooLong {
        /// Tokens of the prompt.
        given: u64,
        /// The longest prompt allowed: one less than the model's length.
        allowed: u32,
    },
    /// Token ids are not negative.
    #[error("token {index} of the prompt is {token_id}")]
    NegativeTokenId {
        /// Index in the prompt.
        index: usize,
        /// The id.
        token_id: i32,
    },
    /// A request must ask for a token.
    #[error("max_tokens is 0")]
    MaxTokensZero,
    /// More tokens demanded than allowed.
    #[error("min_tokens is {min_tokens}, above max_tokens {max_tokens}")]
    MinTokensAboveMaxTokens {
        /// Tokens demanded.
        min_tokens: u32,
        /// Tokens allowed.
        max_tokens: u32,
    },
    /// A request must ask for a sequence, and not for more than can be told apart.
    #[error("n is {given}, it must be between 1 and {most}")]
    NumSequencesOutOfRange {
        /// Sequences asked for.
        given: u32,
        /// The most that one request may have.
        most: u32,
    },
    /// One sequence of this prompt does not fit, even alone.
    #[error("the prompt needs {needed} blocks, {available} are usable")]
    TooFewBlocks {
        /// Blocks needed.
        needed: u64,
        /// Blocks there are, without the null block.
        available: u64,
    },
    /// A range of extra keys that ends before it starts.
    #[error("extra key {index} covers tokens {start} to {end}")]
    ExtraKeyRange {
        /// Index of the key.
        index: usize,
        /// First token.
        start: u32,
        /// One past the last token.
        end: u32,
    },
    /// Limits of repetition detection that contradict each other.
    #[error("repetition patterns of {min_pattern_size} to {max_pattern_size} tokens, {min_count} times")]
    RepetitionDetection {
        /// Shortest pattern.
        min_pattern_size: u32,
        /// Longest pattern; must not be below the shortest.
        max_pattern_size: u32,
        /// Times it must occur; at least 2.
        min_count: u32,
    },
}

/// A result of a step that does not belong to the step. Nothing has changed; the step is still in flight.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The step is not the one whose result is due.
    #[error("step {given} was returned, {expected:?} is due")]
    WrongStep {
        /// Step given, low 31 bits.
        given: u32,
        /// The oldest step in flight, if there is one.
        expected: Option<u32>,
    },
    /// Not one count per row.
    #[error("{given} counts for {expected} rows")]
    WrongNumRows {
        /// Counts given.
        given: usize,
        /// Rows of the step.
        expected: usize,
    },
    /// A row that samples returns 1 to `allowed` tokens; one that does not returns none.
    #[error("row {row}, sequence {}, returned {given} tokens, {allowed} allowed", sequence_id.0)]
    WrongTokenCount {
        /// Row of the step.
        row: usize,
        /// Its sequence.
        sequence_id: SequenceId,
        /// Tokens given.
        given: i32,
        /// Most tokens allowed.
        allowed: u32,
    },
    /// Tokens can be forced upon a sequence only where no later step computes it already.
    #[error("row {row} (sequence {}) has {given} forced tokens while another step computes it", sequence_id.0)]
    ForcedTokens {
        /// Row of the batch.
        row: usize,
        /// Its sequence.
        sequence_id: SequenceId,
        /// Forced tokens given.
        given: i32,
    },
    /// The counts and the tokens do not agree.
    #[error("{given} tokens, the counts add up to {expected}")]
    WrongNumTokens {
        /// Tokens given.
        given: usize,
        /// Sum of the counts.
        expected: usize,
    },
    /// Token ids are not negative, but for [`FAILED_TOKEN`](crate::FAILED_TOKEN).
    #[error("token {index} is {token_id}")]
    NegativeTokenId {
        /// Index in the flat tokens.
        index: usize,
        /// The id.
        token_id: i32,
    },
}

impl ConfigError {
    /// A stable code to match on.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. } | Self::StepTooSmall { .. } => "ERR_INVALID_CONFIG",
            Self::TooFewBlocks { .. } => "ERR_KV_CACHE_TOO_SMALL",
        }
    }
}

impl AdmissionError {
    /// A stable code to match on.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::PromptEmpty => "ERR_PROMPT_EMPTY",
            Self::PromptTooLong { .. } => "ERR_PROMPT_TOO_LONG",
            Self::NegativeTokenId { .. } => "ERR_TOKEN_OUT_OF_RANGE",
            Self::TooFewBlocks { .. } => "ERR_KV_CACHE_TOO_SMALL",
            Self::MaxTokensZero
            | Self::MinTokensAboveMaxTokens { .. }
            | Self::NumSequencesOutOfRange { .. }
            | Self::ExtraKeyRange { .. }
            | Self::RepetitionDetection { .. } => "ERR_INVALID_PARAMETER",
        }
    }
}

impl UpdateError {
    /// A stable code to match on.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "ERR_INVALID_MODEL_OUTPUT"
    }
}
