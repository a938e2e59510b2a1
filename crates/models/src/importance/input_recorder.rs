//! Sums of squares of what matrices are multiplied with. Knows names and rows of numbers; no file and no model.

use std::sync::{Arc, Mutex, PoisonError};

/// All matrices of a model, each with what came by.
#[derive(Debug, Default)]
pub(crate) struct InputRecorder {
    matrices: Mutex<Vec<Arc<RecordedInput>>>,
}

/// The inputs of one matrix.
#[derive(Debug)]
pub(crate) struct RecordedInput {
    /// The checkpoint's names of its parts.
    pub(crate) names: Vec<String>,
    sums: Mutex<(Vec<f64>, u64)>,
}

impl InputRecorder {
    /// A matrix of parts with these names, which share `num_inputs` inputs.
    pub(crate) fn matrix<'n>(&self, names: impl Iterator<Item = &'n str>, num_inputs: usize) -> Arc<RecordedInput> {
        let mut names: Vec<String> = names.map(str::to_string).collect();
        names.dedup();
        let recorded = Arc::new(RecordedInput { names, sums: Mutex::new((vec![0.0; num_inputs], 0)) });
        self.matrices.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&recorded));
        recorded
    }

    /// The matrices so far.
    pub(crate) fn matrices(&self) -> Vec<Arc<RecordedInput>> {
        self.matrices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl RecordedInput {
    /// Adds the squares of rows `[rows, inputs]`.
    pub(crate) fn add(&self, rows: &[f32]) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let (sums, count) = &mut *sums;
        for row in rows.chunks_exact(sums.len().max(1)) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += f64::from(*value) * f64::from(*value);
            }
            *count += 1;
        }
    }

    /// Sums by column, and how many rows were added.
    pub(crate) fn sums(&self) -> (Vec<f64>, u64) {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
