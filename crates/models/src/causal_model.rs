//! What every decoder is to its caller: tokens in, hidden states or logits out.

use crate::{Backend, ForwardInput, ModelError, OutputHead};

/// A decoder-only language model on backend `B`.
pub trait CausalModel<B: Backend>: Send + Sync {
    /// Computes one step: writes the tokens' keys and values into `caches` (one per layer) and gives the last hidden states
    /// of `input.logits_indices`, which are what the output matrix multiplies: `[logits, width]`. `None` without any.
    ///
    /// # Errors
    /// Memory or the backend's framework gave out.
    fn hidden_states(
        &self,
        backend: &B,
        input: &ForwardInput<'_>,
        caches: &[B::KvCache],
    ) -> Result<Option<B::Tensor>, ModelError>;

    /// The embedding and the output matrix.
    fn head(&self) -> &OutputHead<B>;

    /// As `hidden_states`, and then the logits of `input.logits_indices` into `logits`, `[logits, vocab_size]`, row-major.
    ///
    /// # Errors
    /// As `hidden_states`.
    fn forward(
        &self,
        backend: &B,
        input: &ForwardInput<'_>,
        caches: &[B::KvCache],
        logits: &mut [f32],
    ) -> Result<(), ModelError> {
        match self.hidden_states(backend, input, caches)? {
            Some(hidden) => {
                backend.logits(&hidden, self.head().matrix(), logits)?;
                if let Some(bias) = self.head().bias() {
                    for row in logits.chunks_exact_mut(bias.len()) {
                        row.iter_mut().zip(bias).for_each(|(logit, bias)| *logit += bias);
                    }
                }
                if let Some(rule) = self.head().logits_rule() {
                    backend.finish_logits(rule, logits);
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Says how many tokens a sequence will ever have, before the first step: LongRoPE turns by other angles where
    /// sequences may pass the trained length. Without a call they may.
    fn limit_sequences(&mut self, _max_tokens: usize) {}
}
