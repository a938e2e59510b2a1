//! Scheduling and KV-block allocation as a state machine over integers.
//!
//! [`EngineCore`] takes requests, decides step by step which sequences compute which tokens, hands the decision out as
//! one flat [`InputBatchBuffer`], and takes the sampled tokens back. It knows no tensor, no text, no clock, no file, no
//! thread and no randomness: whoever owns a device runs what it decides.
//!
//! The rules are those of vLLM's V1 scheduler and block manager: a token budget per step, running sequences before
//! waiting ones, prompts in chunks, strict order, preemption by computing again, and blocks that are shared through
//! a chain of hashes. Where two steps are in flight this crate is stricter: a block that a step in flight reads or
//! writes is handed out to nobody until that step has returned.
//!
//! A runner's duty: within a step every layer writes all new keys and values before its attention reads any, because
//! blocks are found in the cache from the moment their tokens are scheduled; and steps run in the order in which they
//! were scheduled.
#![forbid(unsafe_code)]

mod block;
mod block_hash;
mod block_pool;
mod block_table;
mod config;
mod draft_model;
mod draft_pace;
mod engine_core;
mod errors;
mod events;
mod free_list;
mod ids;
mod input_batch;
mod kv_cache_manager;
mod prefix_map;
mod prompt_lookup;
mod request;
mod sampling_columns;
mod scheduler;
mod scheduler_output;
mod sequence;
mod sequences;
mod stats;
mod step_output;
mod waiting_queue;

pub use block_hash::BlockHash;
pub use config::{EngineConfig, SchedulingPolicy};
pub use draft_model::DraftModel;
pub use engine_core::{Admitted, EngineCore, SampledTokens};
pub use errors::{AdmissionError, ConfigError, UpdateError};
pub use events::KvCacheEvent;
pub use ids::{BlockId, RequestId, SequenceId};
pub use input_batch::buffer::{BatchRow, InputBatchBuffer};
pub use input_batch::error::InputBatchError;
pub use input_batch::layout;
pub use input_batch::view::InputBatchView;
pub use prompt_lookup::PromptLookup;
pub use request::{ExtraKey, RepetitionDetection, Request};
pub use sampling_columns::SamplingColumns;
pub use scheduler::PauseState;
pub use scheduler_output::{ScheduledSequence, SchedulerOutput};
pub use stats::Stats;
pub use step_output::{COMPLETE_TOKEN, FAILED_TOKEN, FinishReason, StepOutput};
