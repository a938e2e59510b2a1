//! Code of a caller that changes a row of logits: what it is, what it is told, and how a sequence's processors are run.
//! Knows nothing of masks, penalties or the draw.

use std::any::Any;
use std::error::Error;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use quire_core::SequenceId;

use crate::error::SamplingError;

/// What a processor is told of the row that it is given.
#[derive(Clone, Copy, Debug)]
pub struct RowContext<'a> {
    /// The sequence whose next token is drawn from the row.
    pub sequence_id: SequenceId,
    /// Ids of its prompt.
    pub prompt_token_ids: &'a [i32],
    /// Ids generated so far; with drafts, those before the row's place included.
    pub output_token_ids: &'a [i32],
}

/// Changes rows of logits. An instance belongs to one request and holds that request's arguments; it runs on a thread of
/// the sampler's pool, rows of a step side by side.
///
/// It sees the row as the grammar, `allowed_token_ids`, `logit_bias` and `min_tokens` left it; penalties, bad words,
/// temperature and truncation follow. What those masks forbid stays forbidden whatever it writes. Raw logprobs are those
/// before it. It is called again for the same row after a preemption, so it must be a function of what it is given.
pub trait LogitsProcessor: Debug + Send + Sync {
    /// Changes `row` (`[vocabulary]`) in place: -infinity makes an id impossible, +infinity certain, NaN is an error.
    ///
    /// # Errors
    /// Ends the sequence with [`SamplingError::ProcessorFailed`], and so does a panic; other rows go on.
    fn process(&self, row: &mut [f32], context: &RowContext<'_>) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// Runs `processors` over `row` in their order.
pub(crate) fn run(
    processors: &[Arc<dyn LogitsProcessor>],
    row: &mut [f32],
    context: &RowContext<'_>,
) -> Result<(), SamplingError> {
    for processor in processors {
        let failure = match catch_unwind(AssertUnwindSafe(|| processor.process(row, context))) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(payload) => Some(text_of_panic(payload.as_ref())),
        };
        if let Some(reason) = failure {
            return Err(SamplingError::ProcessorFailed { reason });
        }
        if let Some(id) = row.iter().position(|logit| logit.is_nan()) {
            return Err(SamplingError::ProcessorWroteNan { token_id: id as u32 });
        }
    }
    Ok(())
}

fn text_of_panic(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}
