//! The crate's tests from outside: one program, so that it is linked once.

mod chat_template_golden;
mod decoder_tables;
mod detokenizer;
mod fixtures;
mod gguf_tokenizers;
mod grammars;
mod hostile_tokenizers;
mod pooled_inputs;
mod shared;
mod templates;
mod tokenizer_vectors;
