//! The pre-norm transformer block and the stack of them that most architectures are.

use crate::layers::{Attention, Mlp, OutputHead};
use crate::{Backend, CausalModel, ForwardInput, ModelError, Norm};

/// `x += attention(norm(x)); x += mlp(norm(x))`.
pub(crate) struct DecoderBlock<B: Backend> {
    pub(crate) attention_norm: Norm<B>,
    pub(crate) attention: Attention<B>,
    pub(crate) mlp_norm: Norm<B>,
    pub(crate) mlp: Mlp<B>,
}

impl<B: Backend> DecoderBlock<B> {
    pub(crate) fn forward(
        &self,
        backend: &B,
        hidden: &mut B::Tensor,
        input: &ForwardInput<'_>,
        cache: &B::KvCache,
    ) -> Result<(), ModelError> {
        let normed = backend.norm(hidden, &self.attention_norm)?;
        self.attention.add_to(backend, hidden, &normed, input, cache)?;
        let normed = backend.norm(hidden, &self.mlp_norm)?;
        self.mlp.add_to(backend, hidden, &normed)
    }
}

/// Embedding, pre-norm blocks, norm, output matrix.
pub(crate) struct DecoderStack<B: Backend> {
    pub(crate) head: OutputHead<B>,
    /// Learned positions `[positions, hidden]`; rotary models have none.
    pub(crate) positions: Option<B::Matrix>,
    pub(crate) blocks: Vec<DecoderBlock<B>>,
    pub(crate) norm: Norm<B>,
}

impl<B: Backend> CausalModel<B> for DecoderStack<B> {
    fn hidden_states(
        &self,
        backend: &B,
        input: &ForwardInput<'_>,
        caches: &[B::KvCache],
    ) -> Result<Option<B::Tensor>, ModelError> {
        let mut hidden = backend.embed(self.head.embedding(), input.input_ids, 0)?; // [tokens, hidden]
        if let Some(positions) = &self.positions {
            backend.add(&mut hidden, &backend.embed(positions, input.positions, 0)?)?;
        }
        for (block, cache) in self.blocks.iter().zip(caches) {
            block.forward(backend, &mut hidden, input, cache)?;
        }
        if input.logits_indices.is_empty() {
            return Ok(None);
        }
        let wanted = backend.select_rows(&hidden, input.logits_indices)?; // [logits, hidden]
        backend.norm(&wanted, &self.norm).map(Some)
    }

    fn head(&self) -> &OutputHead<B> {
        &self.head
    }
}
