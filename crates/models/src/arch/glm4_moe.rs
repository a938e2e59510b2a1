//! GLM-4.5 to 4.7: one half of each head rotated, many experts that are picked as DeepSeek-V3 does.
//! <https://arxiv.org/abs/2508.06471>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::LlamaFamily;
use super::mixture::{Mixture, Normalised, Router, Shared};
use crate::{Backend, CausalModel, ModelError, NormSpan, WeightLoader};

/// `Glm4MoeConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "glm4_moe",
    names: FieldNames::LLAMA,
    vocab_size: 151_552,
    hidden_size: 4_096,
    intermediate_size: Some(10_944),
    num_hidden_layers: 46,
    num_attention_heads: 96,
    num_key_value_heads: Some(8),
    head_dim: None,
    max_position_embeddings: 131_072,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-5,
    tie_word_embeddings: false,
    bos_token_id: None,
    eos_token_id: None,
    pad_token_id: None,
    rotary: Some(RotaryFields { default_share: 0.5, ..RotaryFields::LLAMA }),
    sliding_window: SlidingWindowRule::Never,
};

/// What GLM's mixtures have in common.
pub(super) const MIXTURE: Mixture = Mixture {
    num_experts: 128,
    experts_per_token: 8,
    expert_width: Some(1_408),
    shared: Shared::Plain(1),
    router: Router::BiasedGroups(1, 1),
    normalised: Normalised::WhenAsked(true),
    first_dense: 1,
    ..Mixture::QWEN
};

/// The family with experts; biases, if any, on the projections into attention, and norms of heads if asked for.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let document = &loader.config.document;
    LlamaFamily {
        qkv_bias: document.flag("attention_bias", false)?,
        head_norms: document.flag("use_qk_norm", false)?.then_some(NormSpan::Head),
        partial_rotary: true,
        mixture: Some(MIXTURE),
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
