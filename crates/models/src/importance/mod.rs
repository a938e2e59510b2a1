//! How large the inputs of a model's matrices are, column by column, over texts: what rounding can be weighed by.

mod collect;
mod input_recorder;

pub use collect::{CollectError, CollectJob, collect_importance};
pub(crate) use input_recorder::{InputRecorder, RecordedInput};
