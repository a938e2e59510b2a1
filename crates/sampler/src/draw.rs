//! One row of logits to one token id, without state: what a runner that samples on its device and the stateful
//! [`crate::Sampler`] share. Knows nothing of sequences.

use crate::error::SamplingError;
use crate::noise::Noise;
use crate::race;
use crate::row_sampling::RowSampling;
use crate::row_scan::RowScan;
use crate::truncation::{Cut, Truncation};

/// Buffers of [`draw`], reused from row to row; one per thread.
#[derive(Debug, Default)]
pub struct DrawScratch {
    pub(crate) scan: RowScan,
    truncation: Truncation,
}

/// What a draw found out.
pub(crate) struct Drawn {
    pub(crate) token_id: u32,
    /// Which ids survived min-p, top-k and top-p; `None` when nothing was filtered (a greedy row).
    pub(crate) cut: Option<Cut>,
}

/// Draws a token id from `logits` (`[vocabulary]`, -infinity = impossible): temperature, min-p, top-k, top-p, then the
/// Gumbel race. The result depends on the arguments alone, bit for bit, on every platform. A greedy row, a row of
/// -infinity only and a row that holds +infinity take the lowest id of the greatest logit.
///
/// # Errors
/// [`SamplingError::InvalidLogits`] when a logit is NaN, [`SamplingError::EmptyVocabulary`] when there is none.
pub fn draw(logits: &[f32], sampling: &RowSampling, scratch: &mut DrawScratch) -> Result<u32, SamplingError> {
    if logits.is_empty() {
        return Err(SamplingError::EmptyVocabulary);
    }
    scratch.scan.scan(logits).map_err(|id| SamplingError::InvalidLogits { token_id: id as u32 })?;
    Ok(draw_scanned(logits, sampling, scratch).token_id)
}

/// [`draw`] of a row that `scratch.scan` has scanned.
pub(crate) fn draw_scanned(logits: &[f32], sampling: &RowSampling, scratch: &mut DrawScratch) -> Drawn {
    let DrawScratch { scan, truncation } = scratch;
    if sampling.is_greedy() || !(scan.maximum() / sampling.temperature).is_finite() {
        return Drawn { token_id: scan.argmax(logits), cut: None };
    }
    let cut = truncation.find(logits, scan, sampling);
    let noise = Noise::new(sampling.seed, sampling.position);
    let token_id = match truncation.list() {
        Some(candidates) => race::among(candidates, &noise),
        None => race::along(logits, scan, sampling.temperature, &cut, &noise),
    };
    Drawn { token_id, cut: Some(cut) }
}
