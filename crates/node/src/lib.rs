//! The native door to core, sampler and text: convert, call, convert.
//!
//! A call that can fail gives its value or a tagged [`failure::Failure`], never an exception, because codes are lost on
//! the way of an exception through a promise; TypeScript makes the typed error. A panic becomes such a failure too.
//! JavaScript allocates all memory that crosses, Rust copies into it: no external buffer is made, as Electron asks, but in
//! [`shared_memory`].
#![forbid(clippy::mem_forget)]
#![expect(unreachable_pub, reason = "Node-API exports public items of private modules")]

mod batch_layout;
mod chat_template;
mod core_request;
mod detokenizer_pool;
mod engine_core;
mod failure;
mod failure_of_error;
mod files;
mod gguf;
mod grammar_pool;
mod grammar_rows;
mod pooled_texts;
mod sampler;
mod sampling;
mod script_row;
mod sequence_failure;
mod shared_memory;
mod tokenizer;
mod words;

use napi_derive::napi;

/// Version of this build.
#[napi]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
