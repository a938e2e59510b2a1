//! GPT-NeoX and Pythia: layer norms, rotary positions on a part of each head, attention and feed-forward layer side by side
//! on the same input. <https://arxiv.org/abs/2204.06745>

use std::sync::Arc;

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use crate::layers::{Attention, BlockOrder, DecoderBlock, DecoderStack, Mlp, OutputHead, Residual, SelfAttention};
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `GPTNeoXConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "gpt_neox",
    names: FieldNames {
        num_key_value_heads: None,
        head_dim: None,
        norm_epsilon: Some("layer_norm_eps"),
        ..FieldNames::LLAMA
    },
    vocab_size: 50_432,
    hidden_size: 6_144,
    intermediate_size: Some(24_576),
    num_hidden_layers: 44,
    num_attention_heads: 64,
    num_key_value_heads: None,
    head_dim: None,
    max_position_embeddings: 2_048,
    positions_after_pad: false,
    activation: "gelu",
    norm_epsilon: 1e-5,
    tie_word_embeddings: false,
    bos_token_id: Some(0),
    eos_token_id: Some(2),
    pad_token_id: None,
    rotary: Some(RotaryFields {
        theta: "rotary_emb_base",
        partial_rotary_factor: "rotary_pct",
        default_share: 0.25,
        ..RotaryFields::LLAMA
    }),
    sliding_window: SlidingWindowRule::Never,
};

/// Puts the tensors together; the output matrix is `embed_out` in files, `lm_head` in what transformers 5 has in memory.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let config = loader.config;
    let base = loader.base("gpt_neox");
    let rope = loader.partial_rope()?.map(Arc::new);
    let embedding = format!("{base}embed_in.weight");
    let output = if loader.contains("lm_head.weight") { "lm_head.weight" } else { "embed_out.weight" };
    let shape = [config.vocab_size, config.hidden_size];
    let order = match config.document.flag("use_parallel_residual", true)? {
        true => BlockOrder::SideBySide,
        false => BlockOrder::InTurn,
    };
    Ok(Box::new(DecoderStack {
        head: OutputHead::load(loader, &embedding, output, shape, config.tie_word_embeddings)?,
        positions: None,
        embedding_scale: None,
        blocks: (0..config.num_hidden_layers)
            .map(|layer| block(loader, &format!("{base}layers.{layer}"), order, rope.clone()))
            .collect::<Result<_, _>>()?,
        norm: loader.layer_norm(&format!("{base}final_layer_norm"))?,
        length_rope: None,
    }))
}

fn block<B: Backend>(
    loader: &WeightLoader<'_, B>,
    name: &str,
    order: BlockOrder,
    rope: Option<Arc<B::Rope>>,
) -> Result<DecoderBlock<B>, ModelError> {
    let config = loader.config;
    let heads = loader.heads();
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let bias = config.document.flag("attention_bias", true)?;
    Ok(DecoderBlock {
        order,
        attention_norm: Some(loader.layer_norm(&format!("{name}.input_layernorm"))?),
        attention: SelfAttention::Heads(Attention {
            heads,
            scale: heads.inverse_root(),
            score_cap: None,
            causal: true,
            sliding_window: None,
            qkv: loader.qkv_by_head(&format!("{name}.attention.query_key_value"), heads, hidden, bias)?,
            output: loader.linear(&format!("{name}.attention.dense"), hidden, hidden, bias)?,
            residual: Residual::Plain,
            head_norms: None,
            rope,
        }),
        mlp_norm: Some(loader.layer_norm(&format!("{name}.post_attention_layernorm"))?),
        mlp: Mlp::Plain {
            up: loader.linear(&format!("{name}.mlp.dense_h_to_4h"), inner, hidden, true)?,
            activation: loader.activation()?,
            down: loader.linear(&format!("{name}.mlp.dense_4h_to_h"), hidden, inner, true)?,
        },
    })
}
