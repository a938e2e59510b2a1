//! Why a checkpoint can't become a model, or a step can't be computed, as fields.

use quire_gguf::ImportanceError;
use quire_kernels::KernelsError;
use quire_weights::WeightsError;

/// A model could not be built or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The files are wrong, or lack a tensor.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The kernels refused: memory, instruction set.
    #[error(transparent)]
    Kernels(#[from] KernelsError),
    /// The importance matrix is none, or of another model.
    #[error(transparent)]
    Importance(#[from] ImportanceError),
    /// The reference backend's framework failed.
    #[cfg(not(target_family = "wasm"))]
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
    /// No architecture of this name is built in.
    #[error("architecture `{architecture}` is not supported; supported are {}", supported.join(", "))]
    UnsupportedArchitecture {
        /// The name in `config.json`, or its `model_type`.
        architecture: String,
        /// The names that are.
        supported: Vec<&'static str>,
    },
    /// A tensor has another shape than the configuration says.
    #[error("tensor `{tensor}` has shape {found:?}; the configuration gives {expected:?}")]
    WrongShape {
        /// The tensor.
        tensor: String,
        /// Shape that follows from the configuration.
        expected: Vec<usize>,
        /// Shape in the checkpoint.
        found: Vec<usize>,
    },
    /// The activation function is not built in, or not for this place.
    #[error("activation `{activation}` is not supported here; supported are {}", supported.join(", "))]
    UnsupportedActivation {
        /// The name in `config.json`.
        activation: String,
        /// The names that are.
        supported: Vec<&'static str>,
    },
    /// A configuration asks for something that its architecture can't do here.
    #[error("`{field}` = {found} is not supported; {expected}")]
    UnsupportedConfig {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is.
        expected: &'static str,
    },
}
