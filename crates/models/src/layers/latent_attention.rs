//! Multi-head latent attention: one short vector stands for the keys and values of all heads of a token, so that a cache of
//! it is small. <https://arxiv.org/abs/2405.04434>, section 2.1.
//!
//! Keys and values are never made of it: `q (W_k c) = (q W_k) c`, so the maps to keys go into the queries, those to values
//! into what was attended. What remains is attention of all query heads to one head, whose key is the rotated part and the
//! vector, `[rotated + rank]`, and whose value is the same but for the rotation. In the cache it takes twice the rank instead
//! of twice the size of all heads.

use std::sync::Arc;

use crate::{AttentionSpec, Backend, ForwardInput, Linear, ModelError, Norm};

/// Sizes of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LatentSizes {
    pub(crate) num_heads: usize,
    /// Of the vector that stands for keys and values.
    pub(crate) rank: usize,
    /// Elements of a query head, and of the key that all heads share, that are rotated.
    pub(crate) rotated: usize,
    /// Elements of a query head that are not.
    pub(crate) unrotated: usize,
    /// Size of a value.
    pub(crate) value_dim: usize,
}

impl LatentSizes {
    pub(crate) fn query_dim(&self) -> usize {
        self.rotated + self.unrotated
    }

    fn head_dim(&self) -> usize {
        self.rotated + self.rank
    }
}

/// How queries are computed; each head is its rotated elements, then the others.
pub(crate) enum LatentQueries<B: Backend> {
    /// At once.
    Direct(Linear<B>),
    /// Through a vector of their own.
    Compressed {
        /// To the vector.
        down: Linear<B>,
        /// Of the vector.
        norm: Norm<B>,
        /// To the heads.
        up: Linear<B>,
    },
}

/// One layer's attention.
pub(crate) struct LatentAttention<B: Backend> {
    pub(crate) sizes: LatentSizes,
    pub(crate) scale: f32,
    pub(crate) queries: LatentQueries<B>,
    /// To the rotated part of the key, then the vector: `[rotated + rank, hidden]`.
    pub(crate) compress: Linear<B>,
    /// Of the vector.
    pub(crate) norm: Norm<B>,
    /// For each head, from the unrotated part of a query to what the vector is multiplied by: `[rank, unrotated]`.
    pub(crate) keys: Vec<Linear<B>>,
    /// For each head, from the vector to values: `[value_dim, rank]`.
    pub(crate) values: Vec<Linear<B>>,
    pub(crate) output: Linear<B>,
    pub(crate) rope: Option<Arc<B::Rope>>,
}

impl<B: Backend> LatentAttention<B> {
    /// Adds the layer's output for `x` to `residual`; both are `[tokens, hidden]`.
    pub(crate) fn add_to(
        &self,
        backend: &B,
        residual: &mut B::Tensor,
        x: &B::Tensor,
        input: &ForwardInput<'_>,
        cache: &B::KvCache,
    ) -> Result<(), ModelError> {
        let sizes = &self.sizes;
        let spec = AttentionSpec {
            num_heads: sizes.num_heads,
            num_kv_heads: 1,
            head_dim: sizes.head_dim(),
            scale: self.scale,
            score_cap: None,
            causal: true,
            sliding_window: None,
            head_norms: None,
            rope: self.rope.as_deref(),
        };
        let qkv = self.qkv(backend, x)?; // [tokens, (heads + 2) * (rotated + rank)]
        let attended = backend.attention(qkv, &spec, input, cache)?; // [tokens, heads * (rotated + rank)]
        let values = self.values.iter().enumerate().map(|(head, map)| {
            let first = head * sizes.head_dim() + sizes.rotated;
            let of_head = backend.columns(&[(&attended, first..first + sizes.rank)])?; // [tokens, rank]
            backend.linear(&of_head, map)
        });
        let values = values.collect::<Result<Vec<_>, ModelError>>()?; // of each head [tokens, value_dim]
        let values = values.iter().map(|value| (value, 0..sizes.value_dim)).collect::<Vec<_>>();
        backend.add_linear(residual, &backend.columns(&values)?, &self.output)
    }

    /// Queries, the key and the value.
    fn qkv(&self, backend: &B, x: &B::Tensor) -> Result<B::Tensor, ModelError> {
        let sizes = &self.sizes;
        let queries = match &self.queries {
            LatentQueries::Direct(map) => backend.linear(x, map)?,
            LatentQueries::Compressed { down, norm, up } => {
                backend.linear(&backend.norm(&backend.linear(x, down)?, norm)?, up)?
            }
        }; // [tokens, heads * (rotated + unrotated)]
        let compressed = backend.linear(x, &self.compress)?; // [tokens, rotated + rank]
        let latent = backend.columns(&[(&compressed, sizes.rotated..sizes.head_dim())])?;
        let latent = backend.norm(&latent, &self.norm)?; // [tokens, rank]
        let unrotated = self.keys.iter().enumerate().map(|(head, map)| {
            let end = (head + 1) * sizes.query_dim();
            let of_head = backend.columns(&[(&queries, end - sizes.unrotated..end)])?; // [tokens, unrotated]
            backend.linear(&of_head, map)
        });
        let unrotated = unrotated.collect::<Result<Vec<_>, ModelError>>()?; // of each head [tokens, rank]
        let mut parts = Vec::with_capacity(2 * sizes.num_heads + 4);
        for (head, unrotated) in unrotated.iter().enumerate() {
            let first = head * sizes.query_dim();
            parts.extend([(&queries, first..first + sizes.rotated), (unrotated, 0..sizes.rank)]);
        }
        for _key_and_value in 0..2 {
            parts.extend([(&compressed, 0..sizes.rotated), (&latent, 0..sizes.rank)]);
        }
        backend.columns(&parts)
    }
}
