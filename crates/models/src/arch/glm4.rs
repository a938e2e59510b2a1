//! GLM-4-0414 and GLM-Z1: GLM-4 with norms after both halves of a block too. <https://arxiv.org/abs/2406.12793>

use quire_weights::ConfigClass;

use super::glm;
use super::llama_family::{LlamaFamily, NormPlace};
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `Glm4Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass { model_type: "glm4", ..glm::CLASS };

/// The family with more norms.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    LlamaFamily { norm_place: NormPlace::AroundEach, ..glm::family(loader)? }.build(loader)
}
