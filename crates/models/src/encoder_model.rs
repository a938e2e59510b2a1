//! What every encoder is to its caller: whole sequences in, hidden states or the logits of a classifier out.

use crate::{Backend, ForwardInput, ModelError};

/// A bidirectional encoder on backend `B`.
pub trait EncoderModel<B: Backend>: Send + Sync {
    /// The last hidden states of all tokens, `[tokens, width]`. Every row of `input` is a whole sequence. `token_types` is
    /// `[tokens]`, or empty where all are 0. The layers use `cache` one after the other.
    ///
    /// # Errors
    /// Memory or the backend's framework gave out.
    fn hidden_states(
        &self,
        backend: &B,
        input: &ForwardInput<'_>,
        token_types: &[i32],
        cache: &B::KvCache,
    ) -> Result<B::Tensor, ModelError>;

    /// The classifier's logits for the hidden states of first tokens: `[rows, width]` -> `[rows, labels]`. `None` where the
    /// checkpoint is one without a classifier.
    ///
    /// # Errors
    /// As `hidden_states`.
    fn classify(&self, backend: &B, first_tokens: &B::Tensor) -> Result<Option<B::Tensor>, ModelError>;
}
