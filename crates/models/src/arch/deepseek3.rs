//! DeepSeek-V3 and R1, Kimi K2, Moonlight: DeepSeek-V2 with experts that are picked by logistic scores and a bias.
//! <https://arxiv.org/abs/2412.19437>
//!
//! Layers that predict several tokens at once come after the last one that counts, and are left where they are.

use quire_weights::{ConfigClass, ConfigDocument};

use super::deepseek2;
use super::llama_family::{KeysAndValues, LlamaFamily};
use super::mixture::{Mixture, Normalised, Router, Shared};
use super::rotated_pairs::RotatedPairs;
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `DeepseekV3Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "deepseek_v3",
    vocab_size: 129_280,
    hidden_size: 7_168,
    intermediate_size: Some(18_432),
    num_hidden_layers: 61,
    num_attention_heads: 128,
    max_position_embeddings: 4_096,
    bos_token_id: Some(0),
    eos_token_id: Some(1),
    ..deepseek2::CLASS
};

const MIXTURE: Mixture = Mixture {
    num_experts: 256,
    experts_per_token: 8,
    expert_width: Some(2_048),
    shared: Shared::Plain(1),
    router: Router::BiasedGroups(8, 4),
    normalised: Normalised::WhenAsked(true),
    scale: 2.5,
    first_dense: 3,
    ..Mixture::QWEN
};

/// The family with latent attention and experts.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let pairs = pairs(&loader.config.document)?;
    LlamaFamily { keys_and_values: KeysAndValues::Latent, pairs, mixture: Some(MIXTURE), ..LlamaFamily::PLAIN }
        .build(loader)
}

/// What `rope_interleave` says.
pub(super) fn pairs(document: &ConfigDocument) -> Result<RotatedPairs, ModelError> {
    Ok(match document.flag("rope_interleave", true)? {
        true => RotatedPairs::Neighbours,
        false => RotatedPairs::Halves,
    })
}
