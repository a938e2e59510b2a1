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

impl SamplerOutput {
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
