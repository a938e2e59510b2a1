//! What every architecture is to its caller: tokens in, logits out.

use crate::{Backend, ForwardInput, ModelError};

/// A decoder-only language model on backend `B`.
pub trait CausalModel<B: Backend>: Send + Sync {
    /// Computes one step: writes the tokens' keys and values into `caches` (one per layer) and the logits of
    /// `input.logits_indices` into `logits`, `[logits, vocab_size]`, row-major.
    ///
    /// # Errors
    /// Memory or the backend's framework gave out.
    fn forward(
        &self,
        backend: &B,
        input: &ForwardInput<'_>,
        caches: &[B::KvCache],
        logits: &mut [f32],
    ) -> Result<(), ModelError>;
}
