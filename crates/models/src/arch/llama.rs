//! Llama 1 to 3 and everything saved as `LlamaForCausalLM`: <https://arxiv.org/abs/2302.13971>.

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::LlamaFamily;
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `LlamaConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "llama",
    names: FieldNames::LLAMA,
    vocab_size: 32_000,
    hidden_size: 4_096,
    intermediate_size: Some(11_008),
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: None,
    head_dim: None,
    max_position_embeddings: 2_048,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-6,
    tie_word_embeddings: false,
    bos_token_id: Some(1),
    eos_token_id: Some(2),
    pad_token_id: None,
    rotary: Some(RotaryFields::LLAMA),
    sliding_window: SlidingWindowRule::Never,
};

/// Biases are switched by the configuration, for attention and feed-forward layer apart.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let document = &loader.config.document;
    let attention_bias = document.flag("attention_bias", false)?;
    LlamaFamily {
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        mlp_bias: document.flag("mlp_bias", false)?,
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
