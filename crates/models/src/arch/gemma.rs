//! Gemma: Llama with GELU, gains stored as their distance from 1, and scaled embeddings. <https://arxiv.org/abs/2403.08295>

use quire_weights::{ConfigClass, ConfigDocument, FieldNames, ModelConfig, RotaryFields, SlidingWindowRule};

use super::llama_family::{LlamaFamily, NormGain};
use crate::{Activation, Backend, CausalModel, LogitsRule, ModelError, WeightLoader};

/// `GemmaConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "gemma",
    names: FieldNames::LLAMA,
    vocab_size: 256_000,
    hidden_size: 3_072,
    intermediate_size: Some(24_576),
    num_hidden_layers: 28,
    num_attention_heads: 16,
    num_key_value_heads: Some(16),
    head_dim: Some(256),
    max_position_embeddings: 8_192,
    positions_after_pad: false,
    activation: "gelu_pytorch_tanh",
    norm_epsilon: 1e-6,
    tie_word_embeddings: true,
    bos_token_id: Some(2),
    eos_token_id: Some(1),
    pad_token_id: Some(0),
    rotary: Some(RotaryFields::LLAMA),
    sliding_window: SlidingWindowRule::Never,
};

/// The first configurations say `gelu` and mean its approximation.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let activation = match loader.activation()? {
        Activation::Gelu => Activation::GeluTanh,
        other => other,
    };
    LlamaFamily { activation: Some(activation), ..family(loader.config)? }.build(loader)
}

/// What all Gemmas have in common.
pub(super) fn family(config: &ModelConfig) -> Result<LlamaFamily, ModelError> {
    if config.document.flag("use_bidirectional_attention", false)? {
        return Err(ModelError::UnsupportedConfig {
            field: "use_bidirectional_attention",
            found: "true".to_string(),
            expected: "only decoders that look back are, in this architecture",
        });
    }
    let bias = config.document.flag("attention_bias", false)?;
    Ok(LlamaFamily {
        qkv_bias: bias,
        output_bias: bias,
        norm_gain: NormGain::OnePlus,
        embedding_scale: Some((config.hidden_size as f64).sqrt() as f32),
        ..LlamaFamily::PLAIN
    })
}

/// The factor of the scores that `query_pre_attn_scalar` stands for.
pub(super) fn score_scale(document: &ConfigDocument) -> Result<f32, ModelError> {
    let field = "query_pre_attn_scalar";
    let scalar = document.number(field)?.unwrap_or(256.0);
    if scalar <= 0.0 {
        return Err(document.invalid_text(field, scalar.to_string(), "a number above 0").into());
    }
    Ok(scalar.powf(-0.5) as f32)
}

/// A soft cap; null means none, absent `default`.
pub(super) fn soft_cap(
    document: &ConfigDocument,
    field: &'static str,
    default: Option<f64>,
) -> Result<Option<f32>, ModelError> {
    let cap = if document.is_null(field) { None } else { document.number(field)?.or(default) };
    match cap {
        Some(cap) if cap as f32 <= 0.0 => {
            Err(document.invalid_text(field, cap.to_string(), "a number above 0, or null").into())
        }
        cap => Ok(cap.map(|cap| cap as f32)),
    }
}

/// Logits that cannot pass `final_logit_softcapping`.
pub(super) fn capped_logits(document: &ConfigDocument, default: Option<f64>) -> Result<Option<LogitsRule>, ModelError> {
    let cap = soft_cap(document, "final_logit_softcapping", default)?;
    Ok(cap.map(|cap| LogitsRule { factor: 1.0, soft_cap: Some(cap) }))
}
