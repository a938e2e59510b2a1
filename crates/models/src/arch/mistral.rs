//! Mistral: Llama without biases, every layer with a sliding window. <https://arxiv.org/abs/2310.06825>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::LlamaFamily;
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `MistralConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "mistral",
    names: FieldNames::LLAMA,
    vocab_size: 32_000,
    hidden_size: 4_096,
    intermediate_size: Some(14_336),
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: Some(8),
    head_dim: None,
    max_position_embeddings: 131_072,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-6,
    tie_word_embeddings: false,
    bos_token_id: Some(1),
    eos_token_id: Some(2),
    pad_token_id: None,
    rotary: Some(RotaryFields::LLAMA),
    sliding_window: SlidingWindowRule::EveryLayer(Some(4_096)),
};

/// `Mistral3Config`: the decoder of texts inside of a model that sees images.
pub(crate) const CLASS_OF_MISTRAL3: ConfigClass =
    ConfigClass { model_type: "mistral3", tie_word_embeddings: true, ..CLASS };

/// The family without any bias.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    if let Some(rope) = loader.config.document.object("rope_parameters")?
        && let Some(beta) = rope.number("llama_4_scaling_beta")?.filter(|&beta| beta != 0.0)
    {
        return Err(ModelError::UnsupportedConfig {
            field: "llama_4_scaling_beta",
            found: beta.to_string(),
            expected: "queries that do not grow with their position are, in this architecture",
        });
    }
    LlamaFamily { base: LlamaFamily::base_in(loader), ..LlamaFamily::PLAIN }.build(loader)
}
