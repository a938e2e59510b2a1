//! Phi-1, 1.5 and 2: layer norms, biases, a part of each head rotated, attention and a plain feed-forward layer side by side
//! behind one norm. <https://arxiv.org/abs/2309.05463>

use std::sync::Arc;

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use crate::layers::{Attention, BlockOrder, DecoderBlock, DecoderStack, Mlp, OutputHead, Residual, SelfAttention};
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `PhiConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "phi",
    names: FieldNames { norm_epsilon: Some("layer_norm_eps"), ..FieldNames::LLAMA },
    vocab_size: 51_200,
    hidden_size: 2_048,
    intermediate_size: Some(8_192),
    num_hidden_layers: 24,
    num_attention_heads: 32,
    num_key_value_heads: None,
    head_dim: None,
    max_position_embeddings: 2_048,
    positions_after_pad: false,
    activation: "gelu_new",
    norm_epsilon: 1e-5,
    tie_word_embeddings: false,
    bos_token_id: Some(1),
    eos_token_id: Some(2),
    pad_token_id: None,
    rotary: Some(RotaryFields { default_share: 0.5, ..RotaryFields::LLAMA }),
    sliding_window: SlidingWindowRule::Never,
};

/// Puts the tensors together; logits have a bias.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let config = loader.config;
    if config.document.flag("qk_layernorm", false)? {
        return Err(ModelError::UnsupportedConfig {
            field: "qk_layernorm",
            found: "true".to_string(),
            expected: "queries and keys without norms are, in this architecture",
        });
    }
    let base = loader.base("model");
    let rope = loader.partial_rope()?.map(Arc::new);
    let embedding = format!("{base}embed_tokens.weight");
    let shape = [config.vocab_size, config.hidden_size];
    let head = OutputHead::load(loader, &embedding, "lm_head.weight", shape, config.tie_word_embeddings)?;
    // The class without an output matrix has no bias either.
    let bias = match loader.contains("lm_head.bias") || !config.tie_word_embeddings {
        true => Some(loader.host_vector("lm_head.bias", config.vocab_size)?),
        false => None,
    };
    let blocks = (0..config.num_hidden_layers)
        .map(|layer| block(loader, &format!("{base}layers.{layer}"), rope.clone()))
        .collect::<Result<_, _>>()?;
    let norm = loader.layer_norm(&format!("{base}final_layernorm"))?;
    let head = head.with_bias(bias);
    Ok(Box::new(DecoderStack { head, positions: None, embedding_scale: None, blocks, norm, length_rope: None }))
}

fn block<B: Backend>(
    loader: &WeightLoader<'_, B>,
    name: &str,
    rope: Option<Arc<B::Rope>>,
) -> Result<DecoderBlock<B>, ModelError> {
    let config = loader.config;
    let heads = loader.heads();
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let (queries, keys) = (heads.num_heads * heads.head_dim, heads.num_kv_heads * heads.head_dim);
    let attention = |projection: &str| format!("{name}.self_attn.{projection}");
    let qkv = [(attention("q_proj"), queries), (attention("k_proj"), keys), (attention("v_proj"), keys)];
    Ok(DecoderBlock {
        order: BlockOrder::SideBySide,
        attention_norm: Some(loader.layer_norm(&format!("{name}.input_layernorm"))?),
        attention: SelfAttention::Heads(Attention {
            heads,
            scale: heads.inverse_root(),
            score_cap: None,
            causal: true,
            sliding_window: None,
            // Files of other formats have them fused.
            qkv: match loader.contains(&attention("qkv_proj.weight")) {
                true => loader.linear(&attention("qkv_proj"), queries + 2 * keys, hidden, true)?,
                false => loader.stacked(&qkv, hidden, true)?,
            },
            output: loader.linear(&attention("dense"), hidden, queries, true)?,
            residual: Residual::Plain,
            head_norms: None,
            rope,
        }),
        mlp_norm: None,
        mlp: Mlp::Plain {
            up: loader.linear(&format!("{name}.mlp.fc1"), inner, hidden, true)?,
            activation: loader.activation()?,
            down: loader.linear(&format!("{name}.mlp.fc2"), hidden, inner, true)?,
        },
    })
}
