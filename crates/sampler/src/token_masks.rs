//! Grammar masks: which ids structured output allows at each row of logits. Applied to raw logits before all else, so
//! that raw logprobs see them.

use crate::error::SamplingError;

/// Bit masks for some rows of logits. Bit `id % 32` of word `id / 32` is set where the id is allowed.
#[derive(Clone, Copy, Debug)]
pub struct TokenMasks<'a> {
    /// `[num_logits]`: which mask each row of logits has, -1 = none.
    pub mask_index: &'a [i32],
    /// `[num_masks][ceil(vocab_size / 32)]`.
    pub words: &'a [u32],
}

impl<'a> TokenMasks<'a> {
    pub(crate) fn validate(&self, num_logits: usize, vocab_size: usize) -> Result<(), SamplingError> {
        if self.mask_index.len() != num_logits {
            let given = self.mask_index.len();
            return Err(SamplingError::Shape { array: "mask_index", expected: num_logits, given });
        }
        let num_masks = 1 + self.mask_index.iter().copied().max().unwrap_or(-1).max(-1);
        let expected = num_masks as usize * vocab_size.div_ceil(32);
        if self.words.len() < expected {
            return Err(SamplingError::Shape { array: "mask words", expected, given: self.words.len() });
        }
        Ok(())
    }

    /// Makes impossible in `row` (`[vocabulary]`) what the mask of logits row `logits_row` does not allow.
    ///
    /// # Panics
    /// If the masks were made for fewer rows or a smaller vocabulary.
    pub fn apply_to(&self, logits_row: usize, row: &mut [f32]) {
        if let Some(words) = self.of_row(logits_row, row.len()) {
            apply(words, row);
        }
    }

    /// The words of logits row `logits_row`.
    pub(crate) fn of_row(&self, logits_row: usize, vocab_size: usize) -> Option<&'a [u32]> {
        let index = usize::try_from(self.mask_index[logits_row]).ok()?;
        let stride = vocab_size.div_ceil(32);
        Some(&self.words[index * stride..(index + 1) * stride])
    }
}

/// Makes impossible what `words` does not allow.
pub(crate) fn apply(words: &[u32], logits: &mut [f32]) {
    for (chunk, &word) in logits.chunks_mut(32).zip(words) {
        if word == u32::MAX {
            continue;
        }
        for (bit, logit) in chunk.iter_mut().enumerate() {
            if word >> bit & 1 == 0 {
                *logit = f32::NEG_INFINITY;
            }
        }
    }
}
