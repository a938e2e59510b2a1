//! What one call of [`embed`](crate::CandleRunner::embed) brings, and the checks that it has to pass.

use quire_weights::PoolingKind;

use crate::RunnerError;

/// What becomes of each sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedOutput {
    /// One vector of the model's embedding size, as it is pooled: not normalised.
    Vector(PoolingKind),
    /// One number: the classifier's, after its activation.
    Score,
}

/// The place of a part in a sequence that comes in several calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbedPart {
    /// Tokens that earlier calls brought.
    pub num_computed: usize,
    /// Tokens of the whole sequence.
    pub num_tokens: usize,
}

/// Sequences without padding, laid end to end.
#[derive(Clone, Copy, Debug)]
pub struct EmbedBatch<'a> {
    /// Token ids. `[tokens]`
    pub token_ids: &'a [i32],
    /// Types of the tokens, `[tokens]`; empty = all 0.
    pub token_types: &'a [i32],
    /// Where each sequence begins, and the end of the last. `[sequences + 1]`
    pub start_loc: &'a [i32],
    /// What becomes of each sequence.
    pub output: EmbedOutput,
    /// `Some` for a part of one sequence of a decoder; the vector comes with the last part.
    pub part: Option<EmbedPart>,
}

/// What a batch must stay below.
pub(crate) struct EmbedBounds {
    pub(crate) vocab_size: usize,
    pub(crate) num_token_types: usize,
    pub(crate) max_tokens: usize,
}

impl EmbedBatch<'_> {
    /// Sequences.
    pub fn num_sequences(&self) -> usize {
        self.start_loc.len().saturating_sub(1)
    }

    pub(crate) fn check(&self, bounds: &EmbedBounds) -> Result<(), RunnerError> {
        let bad = |field, expected: String, given: String| Err(RunnerError::BadEmbedBatch { field, expected, given });
        let num_tokens = self.token_ids.len();
        let ends = [self.start_loc.first().copied(), self.start_loc.last().copied()];
        if self.start_loc.len() < 2 || ends != [Some(0), i32::try_from(num_tokens).ok()] {
            return bad("start_loc", format!("0 to {num_tokens}"), format!("{ends:?}"));
        }
        for bounds_of in self.start_loc.windows(2) {
            let length = i64::from(bounds_of[1]) - i64::from(bounds_of[0]);
            if length < 1 || length > bounds.max_tokens as i64 {
                return bad(
                    "start_loc",
                    format!("1 to {} tokens for each sequence", bounds.max_tokens),
                    length.to_string(),
                );
            }
        }
        if !self.token_types.is_empty() && self.token_types.len() != num_tokens {
            return bad("token_types", format!("none or {num_tokens}"), self.token_types.len().to_string());
        }
        for (field, values, limit) in [
            ("token_ids", self.token_ids, bounds.vocab_size),
            ("token_types", self.token_types, bounds.num_token_types),
        ] {
            let outside = |&&value: &&i32| usize::try_from(value).map_or(true, |value| value >= limit);
            if let Some(value) = values.iter().find(outside) {
                return bad(field, format!("0 to {}", limit - 1), value.to_string());
            }
        }
        match self.part {
            Some(EmbedPart { num_computed, num_tokens: whole })
                if self.num_sequences() != 1 || whole > bounds.max_tokens || num_computed + num_tokens > whole =>
            {
                let expected = format!("a part of one sequence of at most {} tokens", bounds.max_tokens);
                bad("part", expected, format!("{num_computed} + {num_tokens} of {whole}"))
            }
            _ => Ok(()),
        }
    }
}
