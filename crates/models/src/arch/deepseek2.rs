//! DeepSeek-V2 and V2-Lite: latent attention, many small experts and some that every token passes.
//! <https://arxiv.org/abs/2405.04434>

use quire_weights::{ConfigClass, FieldNames, LatentFields, RotaryFields, SlidingWindowRule};

use super::llama_family::{KeysAndValues, LlamaFamily};
use super::mixture::{Mixture, Router, Shared};
use super::rotated_pairs::RotatedPairs;
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `DeepseekV2Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "deepseek_v2",
    names: FieldNames {
        latent: Some(LatentFields { rank: ("kv_lora_rank", 512), rotated: ("qk_rope_head_dim", 64) }),
        ..FieldNames::LLAMA
    },
    vocab_size: 102_400,
    hidden_size: 4_096,
    intermediate_size: Some(11_008),
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: None,
    head_dim: None,
    max_position_embeddings: 2_048,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-6,
    tie_word_embeddings: false,
    bos_token_id: Some(1),
    eos_token_id: Some(2),
    pad_token_id: None,
    rotary: Some(RotaryFields::LLAMA),
    sliding_window: SlidingWindowRule::Never,
};

const MIXTURE: Mixture = Mixture {
    num_experts: 64,
    experts_per_token: 6,
    expert_width: Some(1_407),
    shared: Shared::Plain(2),
    router: Router::ByMethod,
    ..Mixture::QWEN
};

/// The family with latent attention and experts.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    if loader.config.document.flag("mlp_bias", false)? {
        return Err(ModelError::UnsupportedConfig {
            field: "mlp_bias",
            found: "true".to_string(),
            expected: "feed-forward layers without biases are, in this architecture",
        });
    }
    LlamaFamily {
        keys_and_values: KeysAndValues::Latent,
        pairs: RotatedPairs::Neighbours,
        mixture: Some(MIXTURE),
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
