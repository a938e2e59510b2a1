//! The activation functions, by the names that configurations give them.

use crate::ModelError;

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// `x * Phi(x)`, through the error function.
    Gelu,
    /// The approximation of GELU through tanh.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
}

/// Every accepted name; those after one another with the same function are synonyms.
const NAMES: &[(&str, Activation)] = &[
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("gelu", Activation::Gelu),
    ("gelu_python", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("gelu_accurate", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu_python_tanh", Activation::GeluTanh),
    ("relu", Activation::Relu),
    ("tanh", Activation::Tanh),
];

impl Activation {
    /// The function that a configuration calls `name`.
    ///
    /// # Errors
    /// [`ModelError::UnsupportedActivation`] with the names that are known.
    pub fn from_name(name: &str) -> Result<Activation, ModelError> {
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, activation)| *activation).ok_or_else(|| ModelError::UnsupportedActivation {
            activation: name.to_string(),
            supported: NAMES.iter().map(|(name, _)| *name).collect(),
        })
    }
}
