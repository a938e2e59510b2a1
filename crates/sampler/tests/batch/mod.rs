//! Batches for the tests of this crate, written by the same writer as in production.

use quire_core::{BatchRow, BlockId, InputBatchBuffer, SamplingColumns, SequenceId};

/// One row: a sequence of which the last `token_ids` are computed in this step.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) sequence_id: u32,
    pub(crate) token_ids: Vec<i32>,
    pub(crate) num_computed: u32,
    pub(crate) draft_token_ids: Vec<i32>,
    pub(crate) samples: bool,
    pub(crate) prompt_logits: (u32, u32),
    pub(crate) sampling: SamplingColumns,
}

impl Row {
    /// A row that computes one token at `position` and draws the next.
    pub(crate) fn decode(sequence_id: u32, position: u32, sampling: SamplingColumns) -> Self {
        Self {
            sequence_id,
            token_ids: vec![1],
            num_computed: position,
            draft_token_ids: Vec::new(),
            samples: true,
            prompt_logits: (0, 0),
            sampling,
        }
    }
}

pub(crate) fn write(rows: &[Row]) -> InputBatchBuffer {
    let blocks: Vec<BlockId> = (1..=64).map(BlockId).collect();
    let mut buffer = InputBatchBuffer::new();
    let rows = rows.iter().enumerate().map(|(index, row)| {
        let num_tokens = row.num_computed as usize + row.token_ids.len() + row.draft_token_ids.len();
        BatchRow {
            sequence_id: SequenceId(row.sequence_id),
            row: index as u32,
            token_ids: &row.token_ids,
            num_unknown_tokens: 0,
            draft_token_ids: &row.draft_token_ids,
            num_computed: row.num_computed,
            block_table: &blocks[..num_tokens.div_ceil(16)],
            samples: row.samples,
            prompt_logits: row.prompt_logits,
            host_sampling: true,
            sampling: row.sampling,
        }
    });
    buffer.write(7, 16, rows);
    buffer
}
