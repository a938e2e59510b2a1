//! What one step of sampling gives back: flat columns, reused from step to step.

use crate::error::SamplingError;
use crate::logprobs::LogprobColumns;

/// Stands for the token of a row whose logits were invalid.
pub const FAILED_TOKEN: i32 = -1;

/// Tokens and logprobs of one step.
#[derive(Clone, Debug, Default)]
pub struct SamplerOutput {
    /// `[num_rows]`: tokens drawn for each row of the batch; 0 for a row that does not sample.
    pub counts: Vec<i32>,
    /// The tokens drawn, row after row; -1 for a row that failed.
    pub token_ids: Vec<i32>,
    /// One group per entry of `token_ids`, empty where no logprobs were asked for.
    pub logprobs: LogprobColumns,
    /// Prompt ids that this step could describe.
    pub prompt_logprobs: PromptLogprobs,
    /// Rows whose logits were invalid, in order; each row once.
    pub failures: Vec<RowFailure>,
}

/// Logprobs of prompt ids; the first id of a prompt has none.
#[derive(Clone, Debug, Default)]
pub struct PromptLogprobs {
    /// `[num_groups]`: row of the batch.
    pub rows: Vec<i32>,
    /// `[num_groups]`: index in the prompt of the id described, at least 1.
    pub positions: Vec<i32>,
    /// The groups.
    pub columns: LogprobColumns,
}

/// A row that cannot go on.
#[derive(Clone, Debug, PartialEq)]
pub struct RowFailure {
    /// Row of the batch.
    pub row: usize,
    /// Why.
    pub error: SamplingError,
}

/// What becomes of one row's tokens after they were drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// Tokens that follow without being drawn; they have no logprobs.
    Append(Vec<i32>),
    /// The row has failed: what it drew goes.
    Fail,
}

impl SamplerOutput {
    /// Changes rows of the batch, each at most once and in ascending order.
    pub fn change_rows(&mut self, changes: &[(usize, RowChange)]) {
        let (mut token_ids, mut logprobs) = (Vec::with_capacity(self.token_ids.len()), LogprobColumns::default());
        let mut changes = changes.iter().peekable();
        let mut start = 0;
        for (row, count) in self.counts.iter_mut().enumerate() {
            let drawn = start..start + *count as usize;
            start = drawn.end;
            let change = changes.next_if(|(changed, _)| *changed == row).map(|(_, change)| change);
            if change == Some(&RowChange::Fail) {
                token_ids.push(FAILED_TOKEN);
                logprobs.end_group();
                *count = 1;
                continue;
            }
            token_ids.extend_from_slice(&self.token_ids[drawn.clone()]);
            drawn.for_each(|group| logprobs.copy_group(&self.logprobs, group));
            if let Some(RowChange::Append(appended)) = change {
                token_ids.extend_from_slice(appended);
                appended.iter().for_each(|_| logprobs.end_group());
                *count += appended.len() as i32;
            }
        }
        self.token_ids = token_ids;
        self.logprobs = logprobs;
    }

    /// Forgets the step, keeps the memory.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.token_ids.clear();
        self.logprobs.clear();
        self.prompt_logprobs.rows.clear();
        self.prompt_logprobs.positions.clear();
        self.prompt_logprobs.columns.clear();
        self.failures.clear();
    }
}
