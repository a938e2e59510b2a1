//! A file's metadata as `config.json` and `generation_config.json` would have it.

use serde_json::{Map, Value, json};

use crate::config_fields::ConfigFields;
use crate::end_tokens::end_token_ids;
use crate::{Architecture, GgufProblem, Metadata};

/// What a configuration is made of.
pub struct ConfigSource<'a> {
    /// The metadata of the file, or of the first part.
    pub metadata: &'a Metadata,
    /// Sizes of the tensor of this name, outermost first; `None` if no part has it.
    pub shape_of: &'a dyn Fn(&str) -> Option<Vec<usize>>,
    /// Factors of rotary frequencies that are stored as tensors.
    pub rope_factors: RopeFactors,
}

/// What each rotary frequency is divided by, where files store it.
#[derive(Clone, Debug, Default)]
pub struct RopeFactors {
    /// The numbers of `rope_freqs.weight`: of every sequence.
    pub all: Option<Vec<f32>>,
    /// The numbers of `rope_factors_short.weight`: of sequences within the trained length.
    pub short: Option<Vec<f32>>,
    /// The numbers of `rope_factors_long.weight`: of longer ones.
    pub long: Option<Vec<f32>>,
}

/// The configuration as `config.json` would have it.
///
/// # Errors
/// The architecture is not supported, or a value is missing or not what it has to be.
pub fn config(source: &ConfigSource<'_>) -> Result<Map<String, Value>, GgufProblem> {
    let architecture = Architecture::of(source.metadata)?;
    let mut fields = ConfigFields::new(source, architecture.name());
    fields.set("architectures", json!([architecture.class()]));
    fields.set("model_type", json!(architecture.model_type()));
    fields.set("vocab_size", json!(fields.vocab_size()?));
    fields.set("tie_word_embeddings", json!(!fields.has("output.weight")));
    for (field, key) in [("bos_token_id", "bos"), ("pad_token_id", "padding")] {
        fields.set(field, json!(source.metadata.count(&format!("tokenizer.ggml.{key}_token_id"))?));
    }
    fields.set("eos_token_id", json!(end_token_ids(source.metadata)?.first()));
    fields.set_architecture(architecture)?;
    Ok(fields.config)
}

/// What `generation_config.json` would have: the tokens that end an answer, and recommended sampling where the file has it.
///
/// # Errors
/// A value is not what it has to be.
pub fn generation_config(metadata: &Metadata) -> Result<Map<String, Value>, GgufProblem> {
    let mut config = Map::new();
    let ids = end_token_ids(metadata)?;
    if !ids.is_empty() {
        config.insert("eos_token_id".to_string(), json!(ids));
    }
    let numbers =
        [("temperature", "temp"), ("top_p", "top_p"), ("min_p", "min_p"), ("repetition_penalty", "penalty_repeat")];
    for (field, key) in numbers {
        if let Some(number) = metadata.number(&format!("general.sampling.{key}"))? {
            config.insert(field.to_string(), json!(number));
        }
    }
    if let Some(count) = metadata.count("general.sampling.top_k")? {
        config.insert("top_k".to_string(), json!(count));
    }
    if let Some(temperature) = config.get("temperature").and_then(Value::as_f64) {
        config.insert("do_sample".to_string(), json!(temperature > 0.0));
    }
    Ok(config)
}
