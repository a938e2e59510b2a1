//! What one row asks of a draw: the numbers of the batch's sampling columns and the position drawn.

use quire_core::{InputBatchView, SamplingColumns};

/// Below this a temperature means greedy.
pub(crate) const GREEDY_BELOW: f32 = 1e-5;
/// A temperature between [`GREEDY_BELOW`] and this is raised to it.
pub(crate) const LEAST_TEMPERATURE: f32 = 0.01;

/// The parameters of one draw. `top_p` 1, `top_k` 0 and `min_p` 0 are off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowSampling {
    /// Divides the logits; below 1e-5 the draw is greedy (lowest id among equals).
    pub temperature: f32,
    /// Keeps an id iff the ids ahead of it hold less than this share of the probability.
    pub top_p: f32,
    /// Keeps the ids whose value reaches the k-th largest, ties included; 0 or at least the vocabulary: off.
    pub top_k: u32,
    /// Keeps the ids whose probability is at least this share of the greatest.
    pub min_p: f32,
    /// Key of the noise.
    pub seed: i64,
    /// Index in the sequence (prompt and outputs) of the token drawn.
    pub position: u32,
}

impl RowSampling {
    /// Takes the lowest id among the greatest logits.
    pub const GREEDY: Self = Self { temperature: 0.0, top_p: 1.0, top_k: 0, min_p: 0.0, seed: 0, position: 0 };

    /// The parameters of batch row `row`, which draws from logits row `logits_row`. Columns that the batch leaves out
    /// have their defaults: greedy, nothing truncated.
    pub fn of_row(batch: &InputBatchView<'_>, row: usize, logits_row: usize) -> Self {
        let float =
            |column: Option<&[i32]>, absent: f32| column.map_or(absent, |bits| f32::from_bits(bits[row] as u32));
        let token = batch.logits_indices()[logits_row] as usize;
        Self {
            temperature: float(batch.temperature(), 0.0),
            top_p: float(batch.top_p(), 1.0),
            top_k: batch.top_k().map_or(0, |column| column[row].max(0) as u32),
            min_p: float(batch.min_p(), 0.0),
            seed: batch.seed(row).unwrap_or(0),
            position: batch.positions()[token] as u32 + 1,
        }
    }

    /// The same from a request's columns.
    pub fn of_columns(columns: &SamplingColumns, position: u32) -> Self {
        Self {
            temperature: f32::from_bits(columns.temperature_bits),
            top_p: f32::from_bits(columns.top_p_bits),
            top_k: columns.top_k,
            min_p: f32::from_bits(columns.min_p_bits),
            seed: columns.seed,
            position,
        }
    }

    pub(crate) fn is_greedy(&self) -> bool {
        self.temperature.is_nan() || self.temperature < GREEDY_BELOW
    }
}
