//! What one step tells a model: which tokens, where they stand, where their keys and values go. Knows no request.

/// One step's tokens and attention metadata: rows of consecutive tokens, prompt chunks and single tokens alike.
///
/// The caller vouches for the numbers: ids below the vocabulary, slots and blocks inside the caches, `logits_indices`
/// below the number of tokens. The runner checks them before a model sees them.
#[derive(Clone, Copy, Debug)]
pub struct ForwardInput<'a> {
    /// Token ids. `[tokens]`
    pub input_ids: &'a [i32],
    /// Position of each token in its sequence. `[tokens]`
    pub positions: &'a [i32],
    /// Cache slot (block x block size + offset) that each token's key and value go to; -1 = nowhere. `[tokens]`
    pub slot_mapping: &'a [i32],
    /// Where each row's tokens begin, and the end of the last. `[rows + 1]`
    pub query_start_loc: &'a [i32],
    /// Tokens of each row whose keys are in the cache after this step. `[rows]`
    pub seq_lens: &'a [i32],
    /// Block ids of each row. `[rows, block_table_stride]`
    pub block_tables: &'a [i32],
    /// Block ids per row.
    pub block_table_stride: usize,
    /// Tokens whose logits are wanted. `[logits]`
    pub logits_indices: &'a [i32],
}

impl ForwardInput<'_> {
    /// Number of tokens.
    pub fn num_tokens(&self) -> usize {
        self.input_ids.len()
    }

    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.seq_lens.len()
    }
}
