//! Mixtral: Mistral with eight experts in every layer, two of them for each token. <https://arxiv.org/abs/2401.04088>

use quire_weights::{ConfigClass, RotaryFields, SlidingWindowRule};

use super::llama_family::LlamaFamily;
use super::mistral;
use super::mixture::{Mixture, Normalised};
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `MixtralConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "mixtral",
    norm_epsilon: 1e-5,
    rotary: Some(RotaryFields { default_theta: 1_000_000.0, ..RotaryFields::LLAMA }),
    sliding_window: SlidingWindowRule::EveryLayer(None),
    ..mistral::CLASS
};

const MIXTURE: Mixture = Mixture {
    num_experts: 8,
    experts_per_token: 2,
    expert_width: None,
    normalised: Normalised::Always,
    name: "block_sparse_moe",
    projections: ["w1", "w3", "w2"],
    ..Mixture::QWEN
};

/// The family with experts.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    LlamaFamily { mixture: Some(MIXTURE), ..LlamaFamily::PLAIN }.build(loader)
}
