//! Gemma 2: norms before and after both halves of a block, soft caps on scores and logits, a window in every second layer.
//! <https://arxiv.org/abs/2408.00118>

use quire_weights::{ConfigClass, FieldNames, SlidingWindowRule};

use super::gemma;
use super::llama_family::{LlamaFamily, NormPlace};
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `Gemma2Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "gemma2",
    names: FieldNames { activation: "hidden_activation", ..FieldNames::LLAMA },
    hidden_size: 2_304,
    intermediate_size: Some(9_216),
    num_hidden_layers: 26,
    num_attention_heads: 8,
    num_key_value_heads: Some(4),
    sliding_window: SlidingWindowRule::Alternating { period: 2, period_field: None },
    ..gemma::CLASS
};

/// Gemma with caps, more norms and a scale of its own.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let document = &loader.config.document;
    LlamaFamily {
        norm_place: NormPlace::Around,
        score_scale: Some(gemma::score_scale(document)?),
        score_cap: gemma::soft_cap(document, "attn_logit_softcapping", Some(50.0))?,
        logits_rule: gemma::capped_logits(document, Some(30.0))?,
        ..gemma::family(loader.config)?
    }
    .build(loader)
}
