//! GLM-4.7-Flash: DeepSeek-V3 of another size.

use quire_weights::ConfigClass;

use super::glm4_moe;
use super::llama_family::{KeysAndValues, LlamaFamily};
use super::mixture::Mixture;
use super::{deepseek2, deepseek3};
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `Glm4MoeLiteConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "glm4_moe_lite",
    vocab_size: 154_880,
    hidden_size: 2_048,
    intermediate_size: Some(10_240),
    num_hidden_layers: 47,
    num_attention_heads: 20,
    max_position_embeddings: 202_752,
    norm_epsilon: 1e-5,
    bos_token_id: Some(0),
    eos_token_id: Some(1),
    ..deepseek2::CLASS
};

const MIXTURE: Mixture =
    Mixture { num_experts: 64, experts_per_token: 4, expert_width: Some(1_536), scale: 1.8, ..glm4_moe::MIXTURE };

/// The family with latent attention and experts.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    LlamaFamily {
        keys_and_values: KeysAndValues::Latent,
        pairs: deepseek3::pairs(&loader.config.document)?,
        mixture: Some(MIXTURE),
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
