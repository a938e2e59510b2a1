//! Starcoder2: layer norms, biases, a plain feed-forward layer, rotary positions, few key heads.
//! <https://arxiv.org/abs/2402.19173>

use std::sync::Arc;

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use crate::layers::{Attention, BlockOrder, DecoderBlock, DecoderStack, Mlp, OutputHead, Residual, SelfAttention};
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `Starcoder2Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "starcoder2",
    names: FieldNames { norm_epsilon: Some("norm_epsilon"), ..FieldNames::LLAMA },
    vocab_size: 49_152,
    hidden_size: 3_072,
    intermediate_size: Some(12_288),
    num_hidden_layers: 30,
    num_attention_heads: 24,
    num_key_value_heads: Some(2),
    head_dim: None,
    max_position_embeddings: 4_096,
    positions_after_pad: false,
    activation: "gelu_pytorch_tanh",
    norm_epsilon: 1e-5,
    tie_word_embeddings: true,
    bos_token_id: Some(50_256),
    eos_token_id: Some(50_256),
    pad_token_id: None,
    rotary: Some(RotaryFields::LLAMA),
    sliding_window: SlidingWindowRule::EveryLayer(None),
};

/// Puts the tensors together; `use_bias` switches the biases of all linear maps at once.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let config = loader.config;
    let bias = config.document.flag("use_bias", true)?;
    let base = loader.base("model");
    loader.expect_whole_heads_rotated()?;
    let rope = loader.partial_rope()?.map(Arc::new);
    let embedding = format!("{base}embed_tokens.weight");
    let shape = [config.vocab_size, config.hidden_size];
    let head = OutputHead::load(loader, &embedding, "lm_head.weight", shape, config.tie_word_embeddings)?;
    let blocks = (0..config.num_hidden_layers)
        .map(|layer| block(loader, &format!("{base}layers.{layer}"), layer, bias, rope.clone()))
        .collect::<Result<_, _>>()?;
    let norm = loader.layer_norm(&format!("{base}norm"))?;
    Ok(Box::new(DecoderStack { head, positions: None, embedding_scale: None, blocks, norm, length_rope: None }))
}

fn block<B: Backend>(
    loader: &WeightLoader<'_, B>,
    name: &str,
    layer: usize,
    bias: bool,
    rope: Option<Arc<B::Rope>>,
) -> Result<DecoderBlock<B>, ModelError> {
    let config = loader.config;
    let heads = loader.heads();
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let (queries, keys) = (heads.num_heads * heads.head_dim, heads.num_kv_heads * heads.head_dim);
    let attention = |projection: &str| format!("{name}.self_attn.{projection}");
    let qkv = [(attention("q_proj"), queries), (attention("k_proj"), keys), (attention("v_proj"), keys)];
    Ok(DecoderBlock {
        order: BlockOrder::InTurn,
        attention_norm: Some(loader.layer_norm(&format!("{name}.input_layernorm"))?),
        attention: SelfAttention::Heads(Attention {
            heads,
            scale: heads.inverse_root(),
            score_cap: None,
            causal: true,
            sliding_window: config.sliding_windows[layer],
            qkv: loader.stacked(&qkv, hidden, bias)?,
            output: loader.linear(&attention("o_proj"), hidden, queries, bias)?,
            residual: Residual::Plain,
            head_norms: None,
            rope,
        }),
        mlp_norm: Some(loader.layer_norm(&format!("{name}.post_attention_layernorm"))?),
        mlp: Mlp::Plain {
            up: loader.linear(&format!("{name}.mlp.c_fc"), inner, hidden, bias)?,
            activation: loader.activation()?,
            down: loader.linear(&format!("{name}.mlp.c_proj"), hidden, inner, bias)?,
        },
    })
}
