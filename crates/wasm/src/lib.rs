//! The WebAssembly door to everything: convert, call, convert.
//!
//! It is the native doors' own sources, compiled again: [`node_api`], [`arrays`], [`either`], [`callback`] and
//! [`class_instance`] are what those use of napi-rs, and `#[napi]` is ours (`crates/wasm-macros`). So JavaScript finds the same
//! classes here as there. What is different: files are those that JavaScript brought ([`files`]), threads are those that it lends
//! ([`threads`]), and a panic is a trap, which ends the module ([`panic`]).
#![cfg(target_family = "wasm")]
#![expect(unreachable_pub, reason = "wasm-bindgen exports public items of private modules")]

extern crate self as napi;

mod arrays;
mod callback;
mod class_instance;
mod convert;
mod either;
mod files;
mod gguf;
mod node_api;
mod panic;
mod shared_memory;
mod threads;

#[path = "../../node/src/batch_layout.rs"]
mod batch_layout;
#[path = "../../node/src/chat_template.rs"]
mod chat_template;
#[path = "../../node/src/core_request.rs"]
mod core_request;
#[path = "../../candle-node/src/cpu.rs"]
mod cpu;
#[path = "../../node/src/detokenizer_pool.rs"]
mod detokenizer_pool;
#[path = "../../candle-node/src/embed.rs"]
mod embed;
#[path = "../../node/src/engine_core.rs"]
mod engine_core;
#[path = "../../node/src/failure.rs"]
mod failure;
#[path = "../../node/src/failure_of_error.rs"]
mod failure_of_error;
#[path = "../../candle-node/src/failure_of_error.rs"]
mod failure_of_runner_error;
#[path = "../../node/src/grammar_pool.rs"]
mod grammar_pool;
#[path = "../../node/src/grammar_rows.rs"]
mod grammar_rows;
#[path = "../../node/src/pooled_texts.rs"]
mod pooled_texts;
#[path = "../../candle-node/src/runner.rs"]
mod runner;
#[path = "../../candle-node/src/runner_info.rs"]
mod runner_info;
#[path = "../../node/src/sampler.rs"]
mod sampler;
#[path = "../../node/src/sampling.rs"]
mod sampling;
#[path = "../../node/src/script_row.rs"]
mod script_row;
#[path = "../../node/src/sequence_failure.rs"]
mod sequence_failure;
#[path = "../../candle-node/src/step.rs"]
mod step;
#[path = "../../candle-node/src/tensor.rs"]
mod tensor;
#[path = "../../node/src/tokenizer.rs"]
mod tokenizer;
#[path = "../../node/src/words.rs"]
mod words;

use napi_derive::napi;
pub(crate) use node_api::{Env, Result, Status, Task, bindgen_prelude, threadsafe_function};

/// Version of this build.
#[napi]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
