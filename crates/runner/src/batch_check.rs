//! Compares a batch with the model and cache that it is meant for. The view has checked the batch against itself already.

use quire_core::{InputBatchView, layout};

use crate::RunnerError;

/// What a batch must stay below.
pub(crate) struct StepBounds {
    pub(crate) vocab_size: usize,
    pub(crate) max_sequence_tokens: usize,
    pub(crate) num_blocks: usize,
    pub(crate) block_size: usize,
}

/// Checks every id, length and block.
pub(crate) fn check_batch(batch: &InputBatchView<'_>, bounds: &StepBounds) -> Result<(), RunnerError> {
    if batch.block_size() != bounds.block_size {
        return Err(RunnerError::BlockSizeMismatch { expected: bounds.block_size, given: batch.block_size() });
    }
    if batch.max_block_id() as usize >= bounds.num_blocks {
        let given = batch.max_block_id() as i32;
        let index = batch.block_tables().iter().position(|&block| block == given).unwrap_or(0);
        let given = i64::from(batch.max_block_id());
        return Err(RunnerError::BatchOutOfRange { field: "block_tables", index, given, limit: bounds.num_blocks });
    }
    let unknown = layout::TOKEN_OF_PREVIOUS_STEP;
    below("input_ids", batch.input_ids(), bounds.vocab_size, |id| id == unknown)?;
    below("seq_lens", batch.seq_lens(), bounds.max_sequence_tokens + 1, |_| false)
}

fn below(field: &'static str, values: &[i32], limit: usize, allowed: impl Fn(i32) -> bool) -> Result<(), RunnerError> {
    let outside = |value: i32| usize::try_from(value).map_or(true, |value| value >= limit) && !allowed(value);
    match values.iter().position(|&value| outside(value)) {
        None => Ok(()),
        Some(index) => Err(RunnerError::BatchOutOfRange { field, index, given: i64::from(values[index]), limit }),
    }
}
