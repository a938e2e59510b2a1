//! Granite 3: Llama with factors on embeddings, scores, what a layer adds, and logits. <https://arxiv.org/abs/2408.13359>

use quire_weights::ConfigClass;

use super::llama_family::LlamaFamily;
use crate::{Backend, CausalModel, LogitsRule, ModelError, WeightLoader};

/// `GraniteConfig`, whose defaults are Llama's.
pub(crate) const CLASS: ConfigClass = ConfigClass { model_type: "granite", ..super::llama::CLASS };

/// The family with the factors of Granite.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let document = &loader.config.document;
    LlamaFamily { mlp_bias: document.flag("mlp_bias", false)?, ..family(loader)? }.build(loader)
}

/// Its four factors, of which logits are divided by theirs, and the biases of attention.
pub(super) fn family<B: Backend>(loader: &WeightLoader<'_, B>) -> Result<LlamaFamily, ModelError> {
    let document = &loader.config.document;
    let factor = |field: &'static str| -> Result<f32, ModelError> { Ok(document.number(field)?.unwrap_or(1.0) as f32) };
    let unless_one = |field: &'static str| Ok::<_, ModelError>(Some(factor(field)?).filter(|&factor| factor != 1.0));
    let logits_scaling = factor("logits_scaling")?;
    if logits_scaling == 0.0 {
        return Err(document.invalid_text("logits_scaling", "0".to_string(), "a number that is not 0").into());
    }
    let attention_bias = document.flag("attention_bias", false)?;
    Ok(LlamaFamily {
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        score_scale: Some(factor("attention_multiplier")?),
        embedding_scale: unless_one("embedding_multiplier")?,
        residual_scale: unless_one("residual_multiplier")?,
        logits_rule: Some(LogitsRule { factor: 1.0 / logits_scaling, soft_cap: None }),
        ..LlamaFamily::PLAIN
    })
}
