//! Text on its way to token ids and back: tokenizers, chat templates and incremental detokenization.
//! Knows nothing of models, devices, requests or sockets; reads files only through `TextFiles`.
#![forbid(unsafe_code)]

mod bad_words;
mod chat_template;
mod decoded_token;
mod decoder_plan;
mod decoder_tables;
mod detokenizer;
mod error;
mod gguf_texts;
mod grammar;
mod llama_spaces;
mod piece_table;
mod pooled_input;
mod special_tokens;
mod stop_matcher;
mod template;
mod template_source;
mod text_files;
mod text_stream;
mod tokenizer;
mod tokenizer_limits;
mod truncation;

pub use bad_words::bad_word_ids;
pub use chat_template::{ChatTemplate, RenderOptions, Timestamp};
pub use decoded_token::decoded_token;
pub use detokenizer::{Delta, Detokenizer, DetokenizerOptions, FinishKind};
pub use error::TextError;
pub use grammar::{
    CompiledGrammar, GrammarCompiler, GrammarError, GrammarKind, GrammarMatcher, GrammarSource, JsonOptions,
};
pub use pooled_input::{InputLimit, PooledInput, PooledText};
pub use special_tokens::SpecialTokens;
pub use template_source::TemplateSources;
pub use text_files::{FileSystem, TextFiles};
pub use tokenizer::Tokenizer;
pub use truncation::{TruncationSide, truncate};
