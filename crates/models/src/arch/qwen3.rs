//! Qwen3: Llama with RMS norms on query and key heads and a head size of its own. <https://arxiv.org/abs/2505.09388>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::LlamaFamily;
use crate::{Backend, CausalModel, ModelError, NormSpan, WeightLoader};

/// `Qwen3Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "qwen3",
    names: FieldNames::LLAMA,
    vocab_size: 151_936,
    hidden_size: 4_096,
    intermediate_size: Some(22_016),
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: Some(32),
    head_dim: Some(128),
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

/// The family with head norms; biases, if any, on all four attention projections.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let attention_bias = loader.config.document.flag("attention_bias", false)?;
    LlamaFamily {
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        head_norms: Some(NormSpan::Head),
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
