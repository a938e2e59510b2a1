//! Scheduling and KV-block allocation as a state machine over integers.
//!
//! [`EngineCore`](crate::EngineCore) takes requests, decides step by step which sequences compute which tokens, hands
//! the decision out as one flat [`InputBatchBuffer`], and takes the sampled tokens back. It knows no tensor, no text,
//! no clock, no file, no thread and no randomness: whoever owns a device runs what it decides.
#![forbid(unsafe_code)]

mod ids;
mod input_batch;
mod sampling_columns;

pub use ids::{BlockId, RequestId, SequenceId};
pub use input_batch::buffer::{BatchRow, InputBatchBuffer};
pub use input_batch::error::InputBatchError;
pub use input_batch::layout;
pub use input_batch::view::InputBatchView;
pub use sampling_columns::SamplingColumns;
