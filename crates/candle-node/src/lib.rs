//! The native door to the candle runner: convert, call, convert.
//!
//! A call that can fail gives its value or a tagged [`failure::Failure`], never an exception; a panic becomes such a failure
//! too. JavaScript allocates all memory that crosses, Rust copies into it: no external buffer is ever made.
#![forbid(clippy::mem_forget)]

mod cpu;
mod embed;
// Both doors give failures and arrays alike, so both compile the same two files.
#[path = "../../node/src/failure.rs"]
mod failure;
mod failure_of_error;
mod files;
mod gguf_quantization;
mod importance_collection;
mod kernel_measurement;
mod packed_weights;
mod runner;
mod runner_info;
mod step;
mod tensor;
#[path = "../../node/src/words.rs"]
mod words;
