//! GLM-4 9B: Llama with neighbours rotated together in one half of each head, and a fused feed-forward projection.
//! <https://arxiv.org/abs/2406.12793>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::{LlamaFamily, MlpProjections};
use super::rotated_pairs::RotatedPairs;
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `GlmConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "glm",
    names: FieldNames::LLAMA,
    vocab_size: 151_552,
    hidden_size: 4_096,
    intermediate_size: Some(13_696),
    num_hidden_layers: 40,
    num_attention_heads: 32,
    num_key_value_heads: Some(2),
    head_dim: Some(128),
    max_position_embeddings: 131_072,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1.5625e-7,
    tie_word_embeddings: false,
    bos_token_id: None,
    eos_token_id: Some(151_329),
    pad_token_id: Some(151_329),
    rotary: Some(RotaryFields { default_share: 0.5, ..RotaryFields::LLAMA }),
    sliding_window: SlidingWindowRule::Never,
};

/// The family.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    family(loader)?.build(loader)
}

/// What this and the next have in common: biases, if any, on the projections into attention.
pub(super) fn family<B: Backend>(loader: &WeightLoader<'_, B>) -> Result<LlamaFamily, ModelError> {
    Ok(LlamaFamily {
        qkv_bias: loader.config.document.flag("attention_bias", true)?,
        mlp_projections: MlpProjections::Fused,
        pairs: RotatedPairs::Neighbours,
        partial_rotary: true,
        ..LlamaFamily::PLAIN
    })
}
