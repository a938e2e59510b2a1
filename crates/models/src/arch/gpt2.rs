//! GPT-2: learned positions, layer norms, a plain feed-forward layer, linear maps stored transposed.

use quire_weights::{ConfigClass, FieldNames, SlidingWindowRule};

use crate::layers::{Attention, BlockOrder, DecoderBlock, DecoderStack, Mlp, OutputHead, Residual, SelfAttention};
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `GPT2Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "gpt2",
    names: FieldNames {
        hidden_size: "n_embd",
        intermediate_size: "n_inner",
        num_hidden_layers: "n_layer",
        num_attention_heads: "n_head",
        num_key_value_heads: None,
        head_dim: None,
        max_position_embeddings: "n_positions",
        activation: "activation_function",
        norm_epsilon: Some("layer_norm_epsilon"),
        latent: None,
    },
    vocab_size: 50_257,
    hidden_size: 768,
    intermediate_size: None,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    num_key_value_heads: None,
    head_dim: None,
    max_position_embeddings: 1_024,
    positions_after_pad: false,
    activation: "gelu_new",
    norm_epsilon: 1e-5,
    tie_word_embeddings: true,
    bos_token_id: Some(50_256),
    eos_token_id: Some(50_256),
    pad_token_id: None,
    rotary: None,
    sliding_window: SlidingWindowRule::Never,
};

/// Puts the tensors together; their names may or may not begin with `transformer.`.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let config = loader.config;
    if config.document.flag("add_cross_attention", false)? {
        return Err(ModelError::UnsupportedConfig {
            field: "add_cross_attention",
            found: "true".to_string(),
            expected: "only decoders without an encoder are",
        });
    }
    let base = loader.base("transformer");
    let (vocab, hidden) = (config.vocab_size, config.hidden_size);
    let embedding = format!("{base}wte.weight");
    let head = OutputHead::load(loader, &embedding, "lm_head.weight", [vocab, hidden], config.tie_word_embeddings)?;
    let positions = loader.embedding(&format!("{base}wpe.weight"), [config.max_position_embeddings, hidden])?;
    let blocks = (0..config.num_hidden_layers)
        .map(|layer| block(loader, &format!("{base}h.{layer}"), layer))
        .collect::<Result<_, _>>()?;
    let norm = loader.layer_norm(&format!("{base}ln_f"))?;
    Ok(Box::new(DecoderStack {
        head,
        positions: Some(positions),
        embedding_scale: None,
        blocks,
        norm,
        length_rope: None,
    }))
}

fn block<B: Backend>(loader: &WeightLoader<'_, B>, name: &str, layer: usize) -> Result<DecoderBlock<B>, ModelError> {
    let config = loader.config;
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    Ok(DecoderBlock {
        order: BlockOrder::InTurn,
        attention_norm: Some(loader.layer_norm(&format!("{name}.ln_1"))?),
        attention: SelfAttention::Heads(Attention {
            heads: loader.heads(),
            scale: attention_scale(loader, layer)?,
            score_cap: None,
            causal: true,
            sliding_window: None,
            qkv: loader.conv1d(&format!("{name}.attn.c_attn"), 3 * hidden, hidden)?,
            output: loader.conv1d(&format!("{name}.attn.c_proj"), hidden, hidden)?,
            residual: Residual::Plain,
            head_norms: None,
            rope: None,
        }),
        mlp_norm: Some(loader.layer_norm(&format!("{name}.ln_2"))?),
        mlp: Mlp::Plain {
            up: loader.conv1d(&format!("{name}.mlp.c_fc"), inner, hidden)?,
            activation: loader.activation()?,
            down: loader.conv1d(&format!("{name}.mlp.c_proj"), hidden, inner)?,
        },
    })
}

fn attention_scale<B: Backend>(loader: &WeightLoader<'_, B>, layer: usize) -> Result<f32, ModelError> {
    let document = &loader.config.document;
    let scale = if document.flag("scale_attn_weights", true)? { loader.heads().inverse_root() } else { 1.0 };
    let by_layer = document.flag("scale_attn_by_inverse_layer_idx", false)?;
    Ok(if by_layer { scale / (layer + 1) as f32 } else { scale })
}
