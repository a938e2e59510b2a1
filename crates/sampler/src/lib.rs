//! Logits rows to tokens; the caller passes the randomness.
//!
//! ```text
//! [Sampler]  grammar mask -> allowed ids -> logit bias -> min_tokens                           (per sequence, on the host)
//!            -> logits processors, under the same masks -> penalties -> bad words
//! [draw]     -> temperature -> min-p -> top-k -> top-p -> Gumbel race                          (stateless, anywhere)
//! ```
//!
//! A draw depends on (seed, position, token id, logits) and on nothing else, bit for bit, on every platform. Knows
//! nothing of scheduling, devices or text.
#![forbid(unsafe_code)]

mod arithmetic;
mod draw;
mod draw_rows;
mod error;
mod logits_processor;
mod logprobs;
mod noise;
mod philox;
mod race;
mod row_sampling;
mod row_scan;
mod row_work;
mod sampler;
mod sampler_output;
mod sampling_params;
mod sequence_state;
mod token_counts;
mod token_masks;
mod truncation;

pub use quire_kernels::ThreadPool;

pub use draw::{DrawScratch, draw};
pub use draw_rows::draw_rows;
pub use error::SamplingError;
pub use logits_processor::{LogitsProcessor, RowContext};
pub use logprobs::LogprobColumns;
pub use row_sampling::RowSampling;
pub use sampler::{LogprobsMode, Sampler, SamplerOptions};
pub use sampler_output::{FAILED_TOKEN, PromptLogprobs, RowChange, RowFailure, SamplerOutput};
pub use sampling_params::SamplingParams;
pub use token_masks::TokenMasks;
