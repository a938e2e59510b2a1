//! Structural tags, vLLM's and XGrammar's way to say "free text, but what follows this tag is JSON of that schema".

mod builder;
mod fields;
mod free_text;

pub(super) use builder::convert;
