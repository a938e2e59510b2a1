//! SmolLM3: Llama with every fourth layer unrotated. <https://huggingface.co/blog/smollm3>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::{LlamaFamily, RotatedLayers};
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `SmolLM3Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "smollm3",
    names: FieldNames::LLAMA,
    vocab_size: 128_256,
    hidden_size: 2_048,
    intermediate_size: Some(11_008),
    num_hidden_layers: 36,
    num_attention_heads: 16,
    num_key_value_heads: Some(4),
    head_dim: None,
    max_position_embeddings: 32_768,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-6,
    tie_word_embeddings: true,
    bos_token_id: Some(128_000),
    eos_token_id: Some(128_001),
    pad_token_id: Some(128_004),
    rotary: Some(RotaryFields { default_theta: 2_000_000.0, ..RotaryFields::LLAMA }),
    sliding_window: SlidingWindowRule::PerLayer,
};

/// The family with layers that know no positions, and biases switched by the configuration.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let document = &loader.config.document;
    if document.flag("use_sliding_window", false)? && document.get("layer_types").is_none() {
        return Err(ModelError::UnsupportedConfig {
            field: "use_sliding_window",
            found: "true".to_string(),
            expected: "with `layer_types`, which say in which layers, it is",
        });
    }
    let attention_bias = document.flag("attention_bias", false)?;
    LlamaFamily {
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        mlp_bias: document.flag("mlp_bias", false)?,
        rotated_layers: RotatedLayers::Listed,
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
