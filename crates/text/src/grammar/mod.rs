//! Structured output: which ids a grammar allows next, over llguidance. Sources (JSON schemas, regular expressions,
//! choices, Lark, GBNF, structural tags) are checked and rewritten here, so that what llguidance would pass over or read
//! differently is refused or made exact. Knows nothing of requests, logits or steps.

mod compiler;
mod error;
mod gbnf;
mod gbnf_recursion;
mod json_schema;
mod lark_text;
mod limits;
mod matcher;
mod regex;
mod source;
mod stand_ins;
mod state_elimination;
mod string_language;
mod structural_tag;
mod token_environment;

pub use compiler::{CompiledGrammar, GrammarCompiler};
pub use error::GrammarError;
pub use matcher::GrammarMatcher;
pub use source::{GrammarKind, GrammarSource, JsonOptions};
