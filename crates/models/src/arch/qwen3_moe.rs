//! Qwen3-MoE: Qwen3 with many small experts. <https://arxiv.org/abs/2505.09388>

use quire_weights::{ConfigClass, SlidingWindowRule};

use super::llama_family::LlamaFamily;
use super::mixture::Mixture;
use super::qwen3;
use crate::{Backend, CausalModel, ModelError, NormSpan, WeightLoader};

/// `Qwen3MoeConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "qwen3_moe",
    hidden_size: 2_048,
    intermediate_size: Some(6_144),
    num_hidden_layers: 24,
    num_attention_heads: 32,
    num_key_value_heads: Some(4),
    head_dim: None,
    sliding_window: SlidingWindowRule::WhenUsed,
    ..qwen3::CLASS
};

const MIXTURE: Mixture = Mixture { num_experts: 128, experts_per_token: 8, expert_width: Some(768), ..Mixture::QWEN };

/// The family with head norms and experts.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let attention_bias = loader.config.document.flag("attention_bias", false)?;
    LlamaFamily {
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        head_norms: Some(NormSpan::Head),
        mixture: Some(MIXTURE),
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
