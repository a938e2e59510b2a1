//! OLMo 3: OLMo 2 with a window in three layers of four, which keep their rotary positions where the others are stretched.
//! <https://arxiv.org/abs/2512.13961>

use quire_weights::{ConfigClass, RotaryFields, SlidingWindowRule};

use super::olmo2;
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// Of all layers, unless the configuration says otherwise.
const THETA: f64 = 500_000.0;

/// `Olmo3Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "olmo3",
    rotary: Some(RotaryFields {
        default_theta: THETA,
        windowed_theta: Some(("rope_theta", THETA)),
        ..RotaryFields::LLAMA
    }),
    sliding_window: SlidingWindowRule::Alternating { period: 4, period_field: None },
    ..olmo2::CLASS
};

/// OLMo 2's layers.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    olmo2::build(loader)
}
