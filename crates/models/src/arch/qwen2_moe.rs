//! Qwen1.5-MoE and Qwen2-MoE: Qwen2 with many small experts, and one that every token passes.
//! <https://arxiv.org/abs/2407.10671>

use quire_weights::{ConfigClass, SlidingWindowRule};

use super::llama_family::LlamaFamily;
use super::mixture::{Mixture, Shared};
use super::qwen2;
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `Qwen2MoeConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "qwen2_moe",
    hidden_size: 2_048,
    intermediate_size: Some(5_632),
    num_hidden_layers: 24,
    num_attention_heads: 16,
    num_key_value_heads: Some(16),
    sliding_window: SlidingWindowRule::PerLayer,
    ..qwen2::CLASS
};

const MIXTURE: Mixture = Mixture { shared: Shared::Gated(5_632), ..Mixture::QWEN };

/// The family with experts and, mostly, biases on the projections into attention.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let document = &loader.config.document;
    if document.flag("use_sliding_window", false)? && document.get("layer_types").is_none() {
        return Err(ModelError::UnsupportedConfig {
            field: "use_sliding_window",
            found: "true".to_string(),
            expected: "with `layer_types`, which say in which layers, it is",
        });
    }
    let qkv_bias = document.flag("qkv_bias", true)?;
    LlamaFamily { qkv_bias, mixture: Some(MIXTURE), ..LlamaFamily::PLAIN }.build(loader)
}
