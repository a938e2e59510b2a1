//! Seed-OSS: Llama with a head size of its own and biases on the projections into attention.
//! <https://github.com/ByteDance-Seed/seed-oss>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::LlamaFamily;
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `SeedOssConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "seed_oss",
    names: FieldNames::LLAMA,
    vocab_size: 155_136,
    hidden_size: 4_096,
    intermediate_size: Some(27_648),
    num_hidden_layers: 64,
    num_attention_heads: 80,
    num_key_value_heads: Some(8),
    head_dim: Some(128),
    max_position_embeddings: 524_288,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-6,
    tie_word_embeddings: false,
    bos_token_id: Some(0),
    eos_token_id: Some(2),
    pad_token_id: Some(1),
    rotary: Some(RotaryFields::LLAMA),
    sliding_window: SlidingWindowRule::Never,
};

/// The family with biases that the configuration switches one by one.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let document = &loader.config.document;
    LlamaFamily {
        qkv_bias: document.flag("attention_bias", true)?,
        output_bias: document.flag("attention_out_bias", false)?,
        mlp_bias: document.flag("mlp_bias", false)?,
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
