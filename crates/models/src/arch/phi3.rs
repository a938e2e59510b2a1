//! Phi-3 and Phi-4: Llama with fused projections, LongRoPE, in Phi-4-mini a part of each head unrotated.
//! <https://arxiv.org/abs/2404.14219>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::{LlamaFamily, MlpProjections, Projections};
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `Phi3Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "phi3",
    names: FieldNames::LLAMA,
    vocab_size: 32_064,
    hidden_size: 3_072,
    intermediate_size: Some(8_192),
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: None,
    head_dim: None,
    max_position_embeddings: 4_096,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-5,
    tie_word_embeddings: false,
    bos_token_id: Some(1),
    eos_token_id: Some(32_000),
    pad_token_id: Some(32_000),
    rotary: Some(RotaryFields { trained_length: Some(4_096), ..RotaryFields::LLAMA }),
    sliding_window: SlidingWindowRule::EveryLayer(None),
};

/// The family with fused projections.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    LlamaFamily {
        projections: Projections::Fused,
        mlp_projections: MlpProjections::Fused,
        partial_rotary: true,
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
