//! Command R7B and Command A: Command R with a window in three layers of four, which alone are rotated.
//! <https://arxiv.org/abs/2504.00698>

use quire_weights::{ConfigClass, RotaryFields, SlidingWindowRule};

use super::cohere;
use super::llama_family::{LlamaFamily, RotatedLayers};
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `Cohere2Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "cohere2",
    rotary: Some(RotaryFields::LLAMA),
    sliding_window: SlidingWindowRule::Alternating { period: 4, period_field: Some("sliding_window_pattern") },
    ..cohere::CLASS
};

/// The family with layers that know no positions.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    LlamaFamily { rotated_layers: RotatedLayers::Windowed, ..cohere::family(loader)? }.build(loader)
}
