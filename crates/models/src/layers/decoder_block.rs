//! The transformer block and the stack of them that most architectures are.

use crate::layers::{LengthRope, Mlp, OutputHead, SelfAttention};
use crate::{Backend, CausalModel, ForwardInput, ModelError, Norm};

/// How the two halves of a block follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockOrder {
    /// `x += attention(norm(x)); x += mlp(norm(x))`.
    InTurn,
    /// `x += attention(norm(x)) + mlp(norm(x))`; without a norm of its own, the feed-forward layer has attention's.
    SideBySide,
}

/// Attention and a feed-forward layer, where a norm may be missing.
pub(crate) struct DecoderBlock<B: Backend> {
    pub(crate) order: BlockOrder,
    pub(crate) attention_norm: Option<Norm<B>>,
    pub(crate) attention: SelfAttention<B>,
    pub(crate) mlp_norm: Option<Norm<B>>,
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
        let for_attention = normed(backend, hidden, self.attention_norm.as_ref())?;
        if self.order == BlockOrder::SideBySide {
            let for_mlp = self.mlp_norm.as_ref().map(|norm| backend.norm(hidden, norm)).transpose()?;
            self.attention.add_to(backend, hidden, &for_attention, input, cache)?;
            return self.mlp.add_to(backend, hidden, for_mlp.as_ref().unwrap_or(&for_attention));
        }
        self.attention.add_to(backend, hidden, &for_attention, input, cache)?;
        let for_mlp = normed(backend, hidden, self.mlp_norm.as_ref())?;
        self.mlp.add_to(backend, hidden, &for_mlp)
    }
}

/// The norm of each row of `x`, or `x` where there is none.
fn normed<B: Backend>(backend: &B, x: &B::Tensor, norm: Option<&Norm<B>>) -> Result<B::Tensor, ModelError> {
    match norm {
        Some(norm) => backend.norm(x, norm),
        None => backend.copy(x),
    }
}

/// Embedding, blocks, norm, output matrix.
pub(crate) struct DecoderStack<B: Backend> {
    pub(crate) head: OutputHead<B>,
    /// Learned positions `[positions, hidden]`; rotary models have none.
    pub(crate) positions: Option<B::Matrix>,
    /// What embeddings are multiplied by.
    pub(crate) embedding_scale: Option<f32>,
    pub(crate) blocks: Vec<DecoderBlock<B>>,
    pub(crate) norm: Norm<B>,
    /// Rotary positions that depend on how long sequences may be.
    pub(crate) length_rope: Option<LengthRope<B>>,
}

impl<B: Backend> CausalModel<B> for DecoderStack<B> {
    fn hidden_states(
        &self,
        backend: &B,
        input: &ForwardInput<'_>,
        caches: &[B::KvCache],
    ) -> Result<Option<B::Tensor>, ModelError> {
        let mut hidden = backend.embed(self.head.embedding(), input.input_ids, 0)?; // [tokens, hidden]
        if let Some(scale) = self.embedding_scale {
            backend.scale(&mut hidden, scale)?;
        }
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

    fn limit_sequences(&mut self, max_tokens: usize) {
        if let Some(ropes) = &self.length_rope {
            self.blocks.iter_mut().for_each(|block| ropes.choose(block.attention.rope_mut(), max_tokens));
        }
    }
}
