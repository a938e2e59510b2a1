//! What can go wrong in this crate, as values with stable codes.

use std::path::PathBuf;

use quire_gguf::GgufProblem;

/// Every error of the crate. `code` is stable; the text is for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A file of the model directory could not be read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// A file is larger than a file of its kind may be.
    #[error("{file} has {num_bytes} bytes, the limit is {limit_bytes}")]
    TooLarge {
        /// The file's name.
        file: String,
        /// Its size.
        num_bytes: u64,
        /// The largest allowed.
        limit_bytes: u64,
    },
    /// A configuration file is not JSON, or a field has the wrong type.
    #[error("{file} is not valid: {reason}")]
    InvalidConfig {
        /// The file's name.
        file: &'static str,
        /// Where and why.
        reason: String,
    },
    /// `tokenizer.json` is not one that the tokenizers library accepts, or breaks a limit.
    #[error("tokenizer.json is not valid: {reason}")]
    InvalidTokenizer {
        /// Where and why.
        reason: String,
    },
    /// A GGUF file is broken, or its tokenizer is of no kind that is known.
    #[error("{} is not a GGUF file that can be used: {problem}", path.display())]
    InvalidGguf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: GgufProblem,
    },
    /// Text could not be turned into token ids.
    #[error("the text cannot be tokenized: {reason}")]
    Encode {
        /// The tokenizer's reason.
        reason: String,
    },
    /// Token ids could not be turned into text.
    #[error("the token ids cannot be turned into text: {reason}")]
    Decode {
        /// The tokenizer's reason.
        reason: String,
    },
    /// A token id is negative or beyond the vocabulary.
    #[error("token id {token_id} is not in the vocabulary, whose ids lie in 0..{vocab_size}")]
    UnknownTokenId {
        /// The id given.
        token_id: i64,
        /// One past the largest id.
        vocab_size: usize,
    },
    /// A stop string or bad word is empty.
    #[error("{field} cannot contain an empty string")]
    EmptyString {
        /// `stop` or `bad_words`.
        field: &'static str,
    },
    /// `truncate_prompt_tokens` is below -1.
    #[error("truncate_prompt_tokens must be -1 or at least 0, got {given}")]
    InvalidTruncation {
        /// The value given.
        given: i64,
    },
    /// The model has no chat template of that name.
    #[error(
        "no chat template{}; templates found: {}",
        name.as_ref().map(|name| format!(" named {name:?}")).unwrap_or_default(),
        if available.is_empty() { "none".to_owned() } else { available.join(", ") }
    )]
    NoChatTemplate {
        /// The name asked for, if one was.
        name: Option<String>,
        /// The names there are.
        available: Vec<String>,
    },
    /// A chat template does not parse.
    #[error("the chat template does not parse: line {line}: {reason}")]
    TemplateSyntax {
        /// One-based.
        line: usize,
        /// What was expected.
        reason: String,
    },
    /// A chat template called `raise_exception`: it refuses these messages.
    #[error("the chat template refused the messages: {message}")]
    TemplateRaised {
        /// The template's own words.
        message: String,
    },
    /// A chat template failed while it was rendered.
    #[error("the chat template failed: {reason}")]
    TemplateRender {
        /// Where and why.
        reason: String,
    },
    /// A chat template ran past a limit (steps, recursion, size of a string).
    #[error("the chat template went past a limit: {limit}")]
    TemplateLimit {
        /// Which limit.
        limit: String,
    },
    /// `continue_final_message` cannot be done with these messages.
    #[error("continue_final_message: {reason}")]
    ContinueFinalMessage {
        /// Why.
        reason: &'static str,
    },
}

impl TextError {
    /// The stable code of this error, such as `ERR_CHAT_TEMPLATE`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "ERR_TOKENIZER_READ",
            Self::TooLarge { .. }
            | Self::InvalidConfig { .. }
            | Self::InvalidTokenizer { .. }
            | Self::InvalidGguf { .. } => "ERR_INVALID_TOKENIZER",
            Self::Encode { .. } => "ERR_ENCODE",
            Self::Decode { .. } => "ERR_DECODE",
            Self::UnknownTokenId { .. } => "ERR_UNKNOWN_TOKEN_ID",
            Self::EmptyString { .. } | Self::InvalidTruncation { .. } => "ERR_INVALID_PARAMS",
            Self::NoChatTemplate { .. } => "ERR_NO_CHAT_TEMPLATE",
            Self::TemplateSyntax { .. }
            | Self::TemplateRaised { .. }
            | Self::TemplateRender { .. }
            | Self::TemplateLimit { .. }
            | Self::ContinueFinalMessage { .. } => "ERR_CHAT_TEMPLATE",
        }
    }
}
