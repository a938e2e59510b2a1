//! A whole batch drawn without state: the path of a runner that samples on its device.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

use quire_core::InputBatchView;
use quire_kernels::ThreadPool;

use crate::draw::{DrawScratch, draw};
use crate::error::SamplingError;
use crate::row_sampling::RowSampling;
use crate::sampler_output::FAILED_TOKEN;

/// Draws one token for every row of `batch` that samples, rows in parallel, and puts them into `token_ids` in order of
/// rows; -1 for a row whose logits hold NaN. `logits` is `[num_logits][vocab_size]`.
///
/// # Errors
/// [`SamplingError::Shape`], [`SamplingError::EmptyVocabulary`].
pub fn draw_rows(
    pool: &ThreadPool,
    batch: &InputBatchView<'_>,
    logits: &[f32],
    vocab_size: usize,
    token_ids: &mut Vec<i32>,
) -> Result<(), SamplingError> {
    if vocab_size == 0 {
        return Err(SamplingError::EmptyVocabulary);
    }
    let expected = batch.num_logits() * vocab_size;
    if logits.len() != expected {
        return Err(SamplingError::Shape { array: "logits", expected, given: logits.len() });
    }
    let sampled = batch.sample_index().iter().enumerate().filter(|&(_, &logits_row)| logits_row >= 0);
    let rows: Vec<(usize, usize)> = sampled.map(|(row, &logits_row)| (row, logits_row as usize)).collect();
    let drawn: Vec<AtomicI32> = rows.iter().map(|_| AtomicI32::new(FAILED_TOKEN)).collect();
    let idle: Mutex<Vec<DrawScratch>> = Mutex::default();
    let lock = || idle.lock().unwrap_or_else(PoisonError::into_inner);
    pool.run(rows.len(), 1, &|range| {
        let mut scratch = lock().pop().unwrap_or_default();
        for (&(row, logits_row), token) in rows[range.clone()].iter().zip(&drawn[range]) {
            let logits = &logits[logits_row * vocab_size..(logits_row + 1) * vocab_size];
            let sampling = RowSampling::of_row(batch, row, logits_row);
            if let Ok(token_id) = draw(logits, &sampling, &mut scratch) {
                token.store(token_id as i32, Ordering::Relaxed);
            }
        }
        lock().push(scratch);
    });
    token_ids.clear();
    token_ids.extend(drawn.into_iter().map(AtomicI32::into_inner));
    Ok(())
}
