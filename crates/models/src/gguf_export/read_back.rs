//! What a checkpoint's configuration becomes in a GGUF file, compared with what it was.

use std::path::Path;

use quire_gguf::{Architecture, ConfigSource, Metadata, RopeFactors};
use quire_weights::{ConfigDocument, ModelConfig};

use super::error::{ExportError, no_form};
use super::metadata::context_length;
use crate::read_config;

/// The first Gemmas say `gelu` and mean its approximation.
fn meant_activation(config: &ModelConfig) -> &str {
    match config.activation.as_str() {
        "gelu" if config.architecture == "GemmaForCausalLM" => "gelu_pytorch_tanh",
        activation => activation,
    }
}

/// Reads the configuration back from what is written: `shape_of` tells the shape of a tensor of the file by its name, `factors` what
/// tensors of rotary factors hold.
///
/// # Errors
/// [`ExportError::NoForm`] names the field that the file would say otherwise, or what cannot be read back.
pub(super) fn check_same(
    config: &ModelConfig,
    architecture: Architecture,
    metadata: &Metadata,
    shape_of: &dyn Fn(&str) -> Option<Vec<usize>>,
    factors: &[(&'static str, Vec<f32>)],
    path: &Path,
) -> Result<(), ExportError> {
    let of = |name: &str| factors.iter().find(|(found, _)| *found == name).map(|(_, factors)| factors.clone());
    let rope_factors = RopeFactors {
        all: of("rope_freqs.weight"),
        short: of("rope_factors_short.weight"),
        long: of("rope_factors_long.weight"),
    };
    let source = ConfigSource { metadata, shape_of, rope_factors };
    let object = quire_gguf::config(&source).map_err(|problem| no_form(&problem.to_string()))?;
    let text = serde_json::Value::Object(object).to_string();
    let found = read_config(&ConfigDocument::parse(path, text.as_bytes())?)?;
    let sizes = |config: &ModelConfig| {
        [
            ("vocab_size", config.vocab_size),
            ("hidden_size", config.hidden_size),
            ("intermediate_size", config.intermediate_size),
            ("num_hidden_layers", config.num_hidden_layers),
            ("num_attention_heads", config.num_attention_heads),
            ("num_key_value_heads", config.num_key_value_heads),
            ("head_dim", config.head_dim),
        ]
    };
    let rotated = |config: &ModelConfig| {
        config.rope.as_ref().map(|rope| (config.head_dim as f64 * rope.partial_rotary_factor) as usize)
    };
    let differing = sizes(config).into_iter().zip(sizes(&found)).find(|(own, found)| own != found);
    let is_clipped = context_length(architecture, config) < config.max_position_embeddings;
    let field = match differing {
        Some(((field, _), _)) => Some(field),
        None if meant_activation(config) != meant_activation(&found) => Some("activation"),
        None if config.norm_epsilon != found.norm_epsilon => Some("norm_epsilon"),
        None if rotated(config) != rotated(&found) => Some("partial_rotary_factor"),
        None if !is_clipped && config.sliding_windows != found.sliding_windows => Some("sliding_window"),
        None => None,
    };
    match field {
        Some(field) => Err(no_form(&format!("the `{field}` of this model, in files of its architecture"))),
        None => Ok(()),
    }
}
