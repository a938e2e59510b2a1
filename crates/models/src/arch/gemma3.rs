//! Gemma 3, its decoder of text: norms of query and key heads, one layer in six that sees everything, with rotary positions
//! of its own. <https://arxiv.org/abs/2503.19786>
//!
//! Of checkpoints that see images too, the decoder is used and the rest is left where it is.

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::gemma;
use super::llama_family::{LlamaFamily, NormPlace};
use crate::{Backend, CausalModel, ModelError, NormSpan, WeightLoader};

/// `Gemma3TextConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "gemma3_text",
    names: FieldNames { activation: "hidden_activation", ..FieldNames::LLAMA },
    vocab_size: 262_208,
    hidden_size: 2_304,
    intermediate_size: Some(9_216),
    num_hidden_layers: 26,
    num_attention_heads: 8,
    num_key_value_heads: Some(4),
    max_position_embeddings: 131_072,
    rotary: Some(RotaryFields {
        default_theta: 1_000_000.0,
        windowed_theta: Some(("rope_local_base_freq", 10_000.0)),
        ..RotaryFields::LLAMA
    }),
    sliding_window: SlidingWindowRule::Alternating { period: 6, period_field: Some("sliding_window_pattern") },
    ..gemma::CLASS
};

/// `Gemma3Config`: the decoder of texts inside of a model that sees images.
pub(crate) const CLASS_OF_GEMMA3: ConfigClass = ConfigClass { model_type: "gemma3", ..CLASS };

/// Gemma 2 without caps on the scores, with head norms.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let document = &loader.config.document;
    let family = gemma::family(loader.config)?;
    LlamaFamily {
        base: LlamaFamily::base_in(loader),
        head_norms: Some(NormSpan::Head),
        norm_place: NormPlace::Around,
        score_scale: Some(gemma::score_scale(document)?),
        logits_rule: gemma::capped_logits(document, None)?,
        ..family
    }
    .build(loader)
}
