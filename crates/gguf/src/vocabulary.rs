//! The tokens of a file and what kind each is.

use crate::{GgufProblem, Metadata};

const TOKENS_KEY: &str = "tokenizer.ggml.tokens";
const KINDS_KEY: &str = "tokenizer.ggml.token_type";

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A piece of text.
    Normal,
    /// Stands for what the vocabulary cannot say.
    Unknown,
    /// A mark that no text has: begin, end, turns.
    Control,
    /// A piece of text that is never split.
    UserDefined,
    /// Fills the vocabulary up.
    Unused,
    /// A byte.
    Byte,
}

/// The tokens by their ids.
pub(crate) struct Vocabulary<'a> {
    pub(crate) tokens: &'a [String],
    kinds: Option<&'a [i64]>,
}

impl<'a> Vocabulary<'a> {
    /// As many kinds as tokens.
    pub(crate) fn of(tokens: &'a [String], kinds: &'a [i64]) -> Vocabulary<'a> {
        Vocabulary { tokens, kinds: Some(kinds) }
    }

    /// `None` for a file without a tokenizer.
    pub(crate) fn read(metadata: &'a Metadata) -> Result<Option<Vocabulary<'a>>, GgufProblem> {
        let Some(tokens) = metadata.texts(TOKENS_KEY)? else { return Ok(None) };
        let kinds = metadata.integers(KINDS_KEY)?;
        match kinds {
            Some(kinds) if kinds.len() != tokens.len() => Err(GgufProblem::InvalidValue {
                key: KINDS_KEY.to_string(),
                found: format!("a list of {} kinds for {} tokens", kinds.len(), tokens.len()),
                expected: "a kind for each token",
            }),
            kinds => Ok(Some(Vocabulary { tokens, kinds })),
        }
    }

    pub(crate) fn kind(&self, id: usize) -> TokenKind {
        match self.kinds.map(|kinds| kinds[id]) {
            Some(2) => TokenKind::Unknown,
            Some(3) => TokenKind::Control,
            Some(4) => TokenKind::UserDefined,
            Some(5) => TokenKind::Unused,
            Some(6) => TokenKind::Byte,
            _ => TokenKind::Normal,
        }
    }

    /// The token of the id that `key` has, if it is one.
    pub(crate) fn named(&self, metadata: &Metadata, key: &str) -> Result<Option<&'a str>, GgufProblem> {
        Ok(metadata.count(key)?.and_then(|id| self.tokens.get(id)).map(String::as_str))
    }
}
