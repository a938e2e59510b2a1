//! The attention layer: fused projections around the backend's paged attention.

use std::sync::Arc;

use crate::layers::{LatentAttention, Residual};
use crate::{AttentionSpec, Backend, ForwardInput, Linear, ModelError};

/// What a norm of queries or keys is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormSpan {
    /// Each head by itself: `head_dim` weights.
    Head,
    /// All heads of a token together: `heads * head_dim` weights.
    AllHeads,
}

/// RMS norms of queries and keys.
pub struct HeadNorms<B: Backend> {
    /// What each is taken over.
    pub span: NormSpan,
    /// Of queries, as long as the span.
    pub query: B::Vector,
    /// Of keys, as long as the span.
    pub key: B::Vector,
    /// Added to the mean square.
    pub epsilon: f32,
}

/// Numbers and size of the heads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLayout {
    pub(crate) num_heads: usize,
    pub(crate) num_kv_heads: usize,
    pub(crate) head_dim: usize,
}

impl HeadLayout {
    /// The usual factor of the dot products.
    pub(crate) fn inverse_root(&self) -> f32 {
        (self.head_dim as f64).powf(-0.5) as f32
    }
}

/// One layer's attention.
pub(crate) struct Attention<B: Backend> {
    pub(crate) heads: HeadLayout,
    pub(crate) scale: f32,
    /// Scores become `cap * tanh(score / cap)`.
    pub(crate) score_cap: Option<f32>,
    /// False in encoders: every token sees its whole sequence.
    pub(crate) causal: bool,
    pub(crate) sliding_window: Option<usize>,
    /// Query, key and value projections, stacked.
    pub(crate) qkv: Linear<B>,
    pub(crate) output: Linear<B>,
    pub(crate) residual: Residual<B>,
    pub(crate) head_norms: Option<HeadNorms<B>>,
    /// One table serves all layers of a kind.
    pub(crate) rope: Option<Arc<B::Rope>>,
}

impl<B: Backend> Attention<B> {
    /// Adds the layer's output for `x` to `residual`; both are `[tokens, hidden]`.
    pub(crate) fn add_to(
        &self,
        backend: &B,
        residual: &mut B::Tensor,
        x: &B::Tensor,
        input: &ForwardInput<'_>,
        cache: &B::KvCache,
    ) -> Result<(), ModelError> {
        let spec = AttentionSpec {
            num_heads: self.heads.num_heads,
            num_kv_heads: self.heads.num_kv_heads,
            head_dim: self.heads.head_dim,
            scale: self.scale,
            score_cap: self.score_cap,
            causal: self.causal,
            sliding_window: self.sliding_window,
            head_norms: self.head_norms.as_ref(),
            rope: self.rope.as_deref(),
        };
        let qkv = backend.linear(x, &self.qkv)?; // [tokens, (heads + 2 kv_heads) * head_dim]
        let attended = backend.attention(qkv, &spec, input, cache)?; // [tokens, heads * head_dim]
        self.residual.add_linear(backend, residual, &attended, &self.output)
    }
}

/// The attention of a decoder's block.
pub(crate) enum SelfAttention<B: Backend> {
    /// With keys and values of its own for each head, or each group of heads.
    Heads(Attention<B>),
    /// With one vector for the keys and values of all heads.
    Latent(LatentAttention<B>),
}

impl<B: Backend> SelfAttention<B> {
    /// Adds the layer's output for `x` to `residual`; both are `[tokens, hidden]`.
    pub(crate) fn add_to(
        &self,
        backend: &B,
        residual: &mut B::Tensor,
        x: &B::Tensor,
        input: &ForwardInput<'_>,
        cache: &B::KvCache,
    ) -> Result<(), ModelError> {
        match self {
            SelfAttention::Heads(attention) => attention.add_to(backend, residual, x, input, cache),
            SelfAttention::Latent(attention) => attention.add_to(backend, residual, x, input, cache),
        }
    }

    /// The angles that it rotates by.
    pub(crate) fn rope_mut(&mut self) -> &mut Option<Arc<B::Rope>> {
        match self {
            SelfAttention::Heads(attention) => &mut attention.rope,
            SelfAttention::Latent(attention) => &mut attention.rope,
        }
    }
}
