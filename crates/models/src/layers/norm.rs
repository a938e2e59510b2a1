//! The two normalisations of rows.

use crate::Backend;

/// A normalisation with its weights, each `[features]`.
pub enum Norm<B: Backend> {
    /// `x / rms(x) * weight`, <https://arxiv.org/abs/1910.07467>.
    Rms {
        /// The gain.
        weight: B::Vector,
        /// Added to the mean square.
        epsilon: f32,
    },
    /// `(x - mean) / deviation * weight + bias`, <https://arxiv.org/abs/1607.06450>.
    Layer {
        /// The gain.
        weight: B::Vector,
        /// The offset.
        bias: B::Vector,
        /// Added to the variance.
        epsilon: f32,
    },
}
