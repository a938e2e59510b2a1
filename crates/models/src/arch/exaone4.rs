//! EXAONE 4: norms after both halves of a block instead of before, norms of query and key heads; in the larger model a window
//! in three layers of four, which alone are rotated. <https://arxiv.org/abs/2507.11407>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::{LlamaFamily, NormPlace, RotatedLayers};
use crate::{Backend, CausalModel, ModelError, NormSpan, WeightLoader};

/// `Exaone4Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "exaone4",
    names: FieldNames::LLAMA,
    vocab_size: 102_400,
    hidden_size: 4_096,
    intermediate_size: Some(16_384),
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: Some(32),
    head_dim: None,
    max_position_embeddings: 2_048,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-5,
    tie_word_embeddings: false,
    bos_token_id: Some(0),
    eos_token_id: Some(2),
    pad_token_id: None,
    rotary: Some(RotaryFields::LLAMA),
    sliding_window: SlidingWindowRule::Alternating { period: 4, period_field: Some("sliding_window_pattern") },
};

/// The family with other norms; without a window, all layers are rotated.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    LlamaFamily {
        head_norms: Some(NormSpan::Head),
        norm_place: NormPlace::After,
        rotated_layers: match loader.config.document.is_null("sliding_window") {
            true => RotatedLayers::All,
            false => RotatedLayers::Windowed,
        },
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
