//! One sequence on its way through a grammar.

use llguidance::Matcher;
use llguidance::api::StopReason;
use std::fmt;

use super::compiler::guarded;
use super::error::GrammarError;

/// Knows which ids may come next. After an error it is of no use any more.
pub struct GrammarMatcher {
    matcher: Matcher,
    vocab_size: usize,
}

impl fmt::Debug for GrammarMatcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GrammarMatcher").field("is_complete", &self.is_complete()).finish_non_exhaustive()
    }
}

impl GrammarMatcher {
    pub(super) fn new(matcher: Matcher, vocab_size: usize) -> Self {
        Self { matcher, vocab_size }
    }

    /// Words of a mask.
    #[must_use]
    pub fn mask_words(vocab_size: usize) -> usize {
        vocab_size.div_ceil(32)
    }

    /// Sets the bits of the ids that may come next, and clears the others: bit `id % 32` of word `id / 32`. An end id is
    /// among them exactly if the output may end here.
    ///
    /// # Errors
    /// [`GrammarError::TooComplex`], [`GrammarError::Stuck`], [`GrammarError::Internal`].
    pub fn fill_mask(&mut self, mask: &mut [u32]) -> Result<(), GrammarError> {
        mask.fill(0);
        guarded(|| {
            let allowed = self.matcher.compute_mask_or_eos().map_err(|error| self.failure(&error.to_string()))?;
            let words = allowed.as_slice();
            let num_words = words.len().min(mask.len());
            mask[..num_words].copy_from_slice(&words[..num_words]);
            // The id that stands for an end that the model does not have lies beyond the vocabulary.
            if !self.vocab_size.is_multiple_of(32)
                && let Some(last) = mask.get_mut(self.vocab_size / 32)
            {
                *last &= (1 << (self.vocab_size % 32)) - 1;
            }
            Ok(())
        })
    }

    /// Takes ids that were drawn.
    ///
    /// # Errors
    /// [`GrammarError::Stuck`] for an id that may not come here.
    pub fn accept(&mut self, token_ids: &[i32]) -> Result<(), GrammarError> {
        guarded(|| {
            for &token_id in token_ids {
                if self.is_complete() {
                    return Err(GrammarError::Stuck { reason: "it was complete".to_owned() });
                }
                let id = u32::try_from(token_id).unwrap_or(u32::MAX);
                let num_taken =
                    self.matcher.try_consume_tokens(&[id]).map_err(|error| self.failure(&error.to_string()))?;
                if num_taken == 0 {
                    // An end where the grammar may end is no token of its own.
                    self.matcher.consume_token(id).map_err(|_| GrammarError::Stuck {
                        reason: format!("token {token_id} is not allowed by the grammar; no other token was left"),
                    })?;
                }
            }
            Ok(())
        })
    }

    /// Takes the ids that are certain to come next, whatever the model says, and appends them to `token_ids`: exactly those
    /// that masks would have forced one by one.
    ///
    /// # Errors
    /// Those of [`Self::fill_mask`].
    pub fn take_forced(&mut self, token_ids: &mut Vec<i32>) -> Result<(), GrammarError> {
        guarded(|| {
            if self.is_complete() {
                return Ok(());
            }
            let forced = self.matcher.consume_ff_tokens();
            if self.matcher.is_error() {
                let reason = self.matcher.get_error().unwrap_or_default();
                return Err(self.failure(&reason));
            }
            token_ids.extend(forced.into_iter().map(|id| id as i32));
            Ok(())
        })
    }

    /// Whether nothing can be added any more.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.matcher.is_stopped() && !self.matcher.is_error()
    }

    /// Whether the output may end here.
    pub fn may_end(&mut self) -> bool {
        self.is_complete() || self.matcher.is_accepting().unwrap_or(false)
    }

    fn failure(&self, message: &str) -> GrammarError {
        let message = message.split("<non-verbose/>").next().unwrap_or_default().trim();
        let is_limit = ["TooComplex", "too complex", "limit", "too many", "max is", "fuel"];
        if is_limit.iter().any(|part| message.contains(part)) {
            let limit = "following it took more work than a step may take".to_owned();
            return GrammarError::TooComplex { kind: "grammar", limit };
        }
        match self.matcher.stop_reason() {
            StopReason::NoExtensionBias => GrammarError::Stuck { reason: "no token of the vocabulary fits".to_owned() },
            _ => GrammarError::Internal { reason: message.to_owned() },
        }
    }
}
