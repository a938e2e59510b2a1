//! Qwen2 and Qwen2.5: Llama with biases on queries, keys and values, windows in some layers if asked for.
//! <https://arxiv.org/abs/2407.10671>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::LlamaFamily;
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `Qwen2Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "qwen2",
    names: FieldNames::LLAMA,
    vocab_size: 151_936,
    hidden_size: 4_096,
    intermediate_size: Some(22_016),
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: Some(32),
    head_dim: None,
    max_position_embeddings: 32_768,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-6,
    tie_word_embeddings: false,
    bos_token_id: None,
    eos_token_id: None,
    pad_token_id: None,
    rotary: Some(RotaryFields::LLAMA),
    sliding_window: SlidingWindowRule::PerLayer,
};

/// The family with biases on the projections into attention only.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    LlamaFamily { qkv_bias: true, ..LlamaFamily::PLAIN }.build(loader)
}
