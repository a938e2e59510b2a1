//! StableLM 2 and StableLM 3B: Llama with layer norms and a quarter of each head rotated. <https://arxiv.org/abs/2402.17834>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::{LlamaFamily, NormKind, NormPlace};
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `StableLmConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "stablelm",
    names: FieldNames { norm_epsilon: Some("layer_norm_eps"), ..FieldNames::LLAMA },
    vocab_size: 50_304,
    hidden_size: 2_560,
    intermediate_size: Some(6_912),
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: Some(32),
    head_dim: None,
    max_position_embeddings: 4_096,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-5,
    tie_word_embeddings: false,
    bos_token_id: Some(0),
    eos_token_id: Some(0),
    pad_token_id: None,
    rotary: Some(RotaryFields { default_share: 0.25, ..RotaryFields::LLAMA }),
    sliding_window: SlidingWindowRule::Never,
};

/// The family with other norms; both halves of a block side by side if the configuration says so.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let document = &loader.config.document;
    if document.flag("qk_layernorm", false)? {
        return Err(ModelError::UnsupportedConfig {
            field: "qk_layernorm",
            found: "true".to_string(),
            expected: "queries and keys without norms are, in this architecture",
        });
    }
    LlamaFamily {
        qkv_bias: document.flag("use_qkv_bias", false)?,
        norm_kind: NormKind::Layer,
        norm_place: match document.flag("use_parallel_residual", false)? {
            true => NormPlace::BeforeBoth,
            false => NormPlace::Before,
        },
        partial_rotary: true,
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
