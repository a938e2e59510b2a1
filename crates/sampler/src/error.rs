//! What can be wrong with sampling parameters, a batch or a row of logits.

use thiserror::Error;

/// An error of this crate.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum SamplingError {
    /// A number is outside what its field takes; NaN always is.
    #[error("{field} must be {allowed}, got {value}")]
    OutOfRange {
        /// Name of the field of `SamplingParams`.
        field: &'static str,
        /// What was given.
        value: f64,
        /// What the field takes.
        allowed: &'static str,
    },
    /// More tokens are asked for at least than at most.
    #[error("min_tokens must be less than or equal to max_tokens={max_tokens}, got {min_tokens}")]
    MinTokensAboveMaxTokens {
        /// `min_tokens` as given.
        min_tokens: i32,
        /// `max_tokens` as given.
        max_tokens: i32,
    },
    /// Several greedy continuations of one prompt would be the same.
    #[error("n must be 1 when using greedy sampling, got {n}")]
    GreedyChildren {
        /// `n` as given.
        n: i32,
    },
    /// A list that must hold something is empty.
    #[error("{field} must not be empty")]
    Empty {
        /// Name of the field of `SamplingParams`.
        field: &'static str,
    },
    /// More is asked for than the engine allows.
    #[error("{field} asks for {count}, at most {limit} allowed")]
    TooMany {
        /// Name of the field of `SamplingParams`.
        field: &'static str,
        /// What was asked for.
        count: usize,
        /// What is allowed.
        limit: usize,
    },
    /// `logprobs` and `logprob_token_ids` disagree.
    #[error("logprob_token_ids has {num_ids} ids, but logprobs is {logprobs}")]
    LogprobCountMismatch {
        /// Length of `logprob_token_ids`.
        num_ids: usize,
        /// `logprobs` as given.
        logprobs: i32,
    },
    /// A token id that the model does not have.
    #[error("{field} holds token id {token_id}, which is not in the vocabulary of {vocab_size}")]
    OutOfVocabulary {
        /// Name of the field of `SamplingParams`.
        field: &'static str,
        /// The id.
        token_id: i32,
        /// Size of the vocabulary.
        vocab_size: usize,
    },
    /// There are no ids to choose from.
    #[error("a vocabulary must have at least one token id")]
    EmptyVocabulary,
    /// A sequence is already known.
    #[error("sequence {sequence_id} has been added before")]
    DuplicateSequence {
        /// Its id.
        sequence_id: u32,
    },
    /// A sequence is not known.
    #[error("sequence {sequence_id} is not known")]
    UnknownSequence {
        /// Its id.
        sequence_id: u32,
    },
    /// An array that belongs to a batch has another length than the batch says.
    #[error("{array} must have {expected} elements for this batch, got {given}")]
    Shape {
        /// Which array.
        array: &'static str,
        /// Elements expected.
        expected: usize,
        /// Elements given.
        given: usize,
    },
    /// A logits processor refused or panicked.
    #[error("a logits processor failed: {reason}")]
    ProcessorFailed {
        /// What it said.
        reason: String,
    },
    /// A logits processor wrote NaN; the first such id.
    #[error("a logits processor wrote NaN as the logit of token id {token_id}")]
    ProcessorWroteNan {
        /// The first id whose logit is NaN.
        token_id: u32,
    },
    /// Ids were possible before the logits processors of a row, and none is after them.
    #[error("the logits processors left no token that may be drawn")]
    ProcessorLeftNothing,
    /// The model returned NaN for a row; the first such id.
    #[error("the model returned NaN as the logit of token id {token_id}")]
    InvalidLogits {
        /// The first id whose logit is NaN.
        token_id: u32,
    },
}

impl SamplingError {
    /// Stable code, for callers that cannot match on the type.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. }
            | Self::MinTokensAboveMaxTokens { .. }
            | Self::GreedyChildren { .. }
            | Self::Empty { .. }
            | Self::TooMany { .. }
            | Self::LogprobCountMismatch { .. }
            | Self::OutOfVocabulary { .. } => "ERR_SAMPLING_PARAMS",
            Self::EmptyVocabulary
            | Self::DuplicateSequence { .. }
            | Self::UnknownSequence { .. }
            | Self::Shape { .. } => "ERR_INTERNAL",
            Self::ProcessorFailed { .. } | Self::ProcessorWroteNan { .. } | Self::ProcessorLeftNothing => {
                "ERR_LOGITS_PROCESSOR"
            }
            Self::InvalidLogits { .. } => "ERR_INVALID_LOGITS",
        }
    }

    /// Name of the field of `SamplingParams` that is at fault, if one is.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::OutOfRange { field, .. }
            | Self::Empty { field }
            | Self::TooMany { field, .. }
            | Self::OutOfVocabulary { field, .. } => Some(field),
            Self::MinTokensAboveMaxTokens { .. } => Some("min_tokens"),
            Self::GreedyChildren { .. } => Some("n"),
            Self::LogprobCountMismatch { .. } => Some("logprob_token_ids"),
            _ => None,
        }
    }
}
