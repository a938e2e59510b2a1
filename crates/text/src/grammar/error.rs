//! What can be wrong with a grammar, or go wrong while it is followed.

/// An error of a grammar. The source is at fault, but for `Stuck` and `Internal`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrammarError {
    /// The source is not what its kind says, or nothing could ever match it.
    #[error("the {kind} is not valid{}: {reason}", at(place))]
    Invalid {
        /// What it should be: "JSON schema", "regular expression", ...
        kind: &'static str,
        /// Where: a JSON pointer, a position; empty if it is the whole.
        place: String,
        /// Why.
        reason: String,
    },
    /// The source asks for something that is not supported. It is refused, because passing over it could give outputs that
    /// the source does not allow.
    #[error("the {kind} uses {keyword}, which is not supported{}{}", at(place), because(reason))]
    Unsupported {
        /// What it is: "JSON schema", "regular expression", ...
        kind: &'static str,
        /// The keyword or construct.
        keyword: String,
        /// Where: a JSON pointer, a position; empty if it is the whole.
        place: String,
        /// What exactly is not supported about it; empty if all of it.
        reason: String,
    },
    /// The source goes past a limit on size, depth or work.
    #[error("the {kind} is too complex: {limit}")]
    TooComplex {
        /// What it is: "JSON schema", "regular expression", ...
        kind: &'static str,
        /// Which limit.
        limit: String,
    },
    /// No id is left that grammar and sampling parameters both allow, or one was given that the grammar does not allow.
    #[error("the output cannot go on: {reason}")]
    Stuck {
        /// Why.
        reason: String,
    },
    /// The tokenizer cannot be used with grammars.
    #[error("structured outputs do not work with this tokenizer: {reason}")]
    Tokenizer {
        /// Why.
        reason: String,
    },
    /// A broken invariant of this crate or of llguidance.
    #[error("a grammar failed: {reason} (this is a bug)")]
    Internal {
        /// What was seen.
        reason: String,
    },
}

impl GrammarError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "ERR_GRAMMAR_INVALID",
            Self::Unsupported { .. } | Self::Tokenizer { .. } => "ERR_GRAMMAR_UNSUPPORTED",
            Self::TooComplex { .. } => "ERR_GRAMMAR_TOO_COMPLEX",
            Self::Stuck { .. } => "ERR_GRAMMAR_STUCK",
            Self::Internal { .. } => "ERR_INTERNAL",
        }
    }

    /// The keyword or construct that is not supported.
    #[must_use]
    pub fn keyword(&self) -> Option<&str> {
        match self {
            Self::Unsupported { keyword, .. } => Some(keyword),
            _ => None,
        }
    }

    /// Where in the source.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        match self {
            Self::Invalid { place, .. } | Self::Unsupported { place, .. } if !place.is_empty() => Some(place),
            _ => None,
        }
    }
}

fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" (at {place})") }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
