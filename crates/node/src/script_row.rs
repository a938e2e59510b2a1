//! A sequence whose logits processors are JavaScript: they ran before the step was sampled, and what they made of the
//! sequence's row is handed to the sampler at their place in its order.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use quire_sampler::{LogitsProcessor, RowContext};

#[derive(Debug, Default)]
struct Row {
    logits: Vec<f32>,
    is_fresh: bool,
}

/// One sequence's row; its memory is reused from step to step.
#[derive(Debug, Default)]
pub(crate) struct ScriptRow(Mutex<Row>);

impl ScriptRow {
    /// What the processors made of this step's row.
    pub(crate) fn put(&self, logits: &[f32]) {
        let mut row = self.lock();
        row.logits.clear();
        row.logits.extend_from_slice(logits);
        row.is_fresh = true;
    }

    fn lock(&self) -> MutexGuard<'_, Row> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogitsProcessor for ScriptRow {
    fn process(&self, logits: &mut [f32], _: &RowContext<'_>) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut row = self.lock();
        if !std::mem::take(&mut row.is_fresh) || row.logits.len() != logits.len() {
            return Err("it gave no row for this step".into());
        }
        logits.copy_from_slice(&row.logits);
        Ok(())
    }
}
