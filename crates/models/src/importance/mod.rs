//! How large the inputs of a model's matrices are, column by column, over texts: what rounding can be weighed by.

mod collect;
mod error_weights;
mod input_recorder;

pub use collect::{CollectError, CollectJob, collect_importance};
pub use error_weights::ErrorWeights;
pub(crate) use input_recorder::{InputRecorder, RecordedInput};
