//! Command R and Aya 23: attention and feed-forward layer side by side behind one layer norm, neighbours rotated together.
//! <https://arxiv.org/abs/2405.15032>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::{LlamaFamily, NormKind, NormPlace};
use super::rotated_pairs::RotatedPairs;
use crate::{Backend, CausalModel, LogitsRule, ModelError, WeightLoader};

/// `CohereConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "cohere",
    names: FieldNames { norm_epsilon: Some("layer_norm_eps"), ..FieldNames::LLAMA },
    vocab_size: 256_000,
    hidden_size: 8_192,
    intermediate_size: Some(22_528),
    num_hidden_layers: 40,
    num_attention_heads: 64,
    num_key_value_heads: None,
    head_dim: None,
    max_position_embeddings: 8_192,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-5,
    tie_word_embeddings: true,
    bos_token_id: Some(5),
    eos_token_id: Some(255_001),
    pad_token_id: Some(0),
    rotary: Some(RotaryFields { default_theta: 500_000.0, ..RotaryFields::LLAMA }),
    sliding_window: SlidingWindowRule::Never,
};

/// The family without norms of heads, which the largest model alone has.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    if loader.config.document.flag("use_qk_norm", false)? {
        return Err(ModelError::UnsupportedConfig {
            field: "use_qk_norm",
            found: "true".to_string(),
            expected: "queries and keys without norms are, in this architecture",
        });
    }
    family(loader)?.build(loader)
}

/// What this and the next have in common; logits are multiplied by `logit_scale`.
pub(super) fn family<B: Backend>(loader: &WeightLoader<'_, B>) -> Result<LlamaFamily, ModelError> {
    let document = &loader.config.document;
    let bias = document.flag("attention_bias", false)?;
    let factor = document.number("logit_scale")?.unwrap_or(0.0625) as f32;
    Ok(LlamaFamily {
        qkv_bias: bias,
        output_bias: bias,
        norm_kind: NormKind::LayerWithoutBias,
        norm_place: NormPlace::BeforeBoth,
        pairs: RotatedPairs::Neighbours,
        logits_rule: Some(LogitsRule { factor, soft_cap: None }),
        ..LlamaFamily::PLAIN
    })
}
