//! What Llama, Mistral, Qwen2 and Qwen3 share: RMS norms, rotary positions, grouped attention, a gated feed-forward layer,
//! and the names of their tensors. Their differences are the fields of [`LlamaFamily`].

use std::sync::Arc;

use crate::layers::{Attention, DecoderBlock, DecoderStack, Mlp, OutputHead};
use crate::{Activation, Backend, CausalModel, HeadNorms, ModelError, WeightLoader};

/// Where the members of the family differ.
pub(super) struct LlamaFamily {
    /// Biases of the query, key and value projections.
    pub(super) qkv_bias: bool,
    /// Bias of the attention's output projection.
    pub(super) output_bias: bool,
    /// Biases of the feed-forward layer.
    pub(super) mlp_bias: bool,
    /// RMS norms of query and key heads.
    pub(super) head_norms: bool,
}

impl LlamaFamily {
    pub(super) fn build<B: Backend + 'static>(
        &self,
        loader: &WeightLoader<'_, B>,
    ) -> Result<Box<dyn CausalModel<B>>, ModelError> {
        let config = loader.config;
        Activation::expect_silu(&config.activation)?;
        let base = loader.base("model");
        let rope = loader.rope()?.map(Arc::new);
        let shape = [config.vocab_size, config.hidden_size];
        let embedding = format!("{base}embed_tokens.weight");
        let head = OutputHead::load(loader, &embedding, "lm_head.weight", shape, config.tie_word_embeddings)?;
        let blocks = (0..config.num_hidden_layers)
            .map(|layer| self.block(loader, &format!("{base}layers.{layer}"), layer, rope.clone()))
            .collect::<Result<_, _>>()?;
        let norm = loader.rms_norm(&format!("{base}norm"))?;
        Ok(Box::new(DecoderStack { head, positions: None, blocks, norm }))
    }

    fn block<B: Backend>(
        &self,
        loader: &WeightLoader<'_, B>,
        name: &str,
        layer: usize,
        rope: Option<Arc<B::Rope>>,
    ) -> Result<DecoderBlock<B>, ModelError> {
        let config = loader.config;
        let heads = loader.heads();
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (queries, keys) = (heads.num_heads * heads.head_dim, heads.num_kv_heads * heads.head_dim);
        let attention = |projection: &str| format!("{name}.self_attn.{projection}");
        let mlp = |projection: &str| format!("{name}.mlp.{projection}");
        let qkv = [(attention("q_proj"), queries), (attention("k_proj"), keys), (attention("v_proj"), keys)];
        let gate_up = [(mlp("gate_proj"), inner), (mlp("up_proj"), inner)];
        let head_norms = match self.head_norms {
            false => None,
            true => Some(HeadNorms {
                query: loader.vector(&attention("q_norm.weight"), heads.head_dim)?,
                key: loader.vector(&attention("k_norm.weight"), heads.head_dim)?,
                epsilon: config.norm_epsilon,
            }),
        };
        Ok(DecoderBlock {
            attention_norm: loader.rms_norm(&format!("{name}.input_layernorm"))?,
            attention: Attention {
                heads,
                scale: heads.inverse_root(),
                causal: true,
                sliding_window: config.sliding_windows[layer],
                qkv: loader.stacked(&qkv, hidden, self.qkv_bias)?,
                output: loader.linear(&attention("o_proj"), hidden, queries, self.output_bias)?,
                head_norms,
                rope,
            },
            mlp_norm: loader.rms_norm(&format!("{name}.post_attention_layernorm"))?,
            mlp: Mlp::Gated {
                gate_up: loader.stacked(&gate_up, hidden, self.mlp_bias)?,
                down: loader.linear(&mlp("down_proj"), hidden, inner, self.mlp_bias)?,
            },
        })
    }
}
