//! The crate's tests from outside: one program, so that it is linked once.

mod chat_template_golden;
mod detokenizer;
mod fixtures;
mod hostile_tokenizers;
mod shared;
mod templates;
mod tokenizer_vectors;
