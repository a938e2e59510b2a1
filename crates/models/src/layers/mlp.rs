//! The feed-forward layer: plain, gated, or of many experts.

use crate::layers::{Experts, Residual};
use crate::{Activation, Backend, Linear, ModelError};

/// A feed-forward layer.
pub(crate) enum Mlp<B: Backend> {
    /// `down(activation(gate(x)) * up(x))`.
    Gated {
        /// Gate and up projections, stacked.
        gate_up: Linear<B>,
        /// Of the gate.
        activation: Activation,
        /// Back to the width of the hidden states.
        down: Linear<B>,
        /// And into them.
        residual: Residual<B>,
    },
    /// `down(activation(up(x)))`.
    Plain {
        /// To the inner width.
        up: Linear<B>,
        /// Between.
        activation: Activation,
        /// Back to the width of the hidden states.
        down: Linear<B>,
    },
    /// A few gated layers of many.
    Experts(Experts<B>),
}

impl<B: Backend> Mlp<B> {
    /// Adds the layer's output for `x` to `residual`; both are `[tokens, hidden]`.
    pub(crate) fn add_to(&self, backend: &B, residual: &mut B::Tensor, x: &B::Tensor) -> Result<(), ModelError> {
        match self {
            Mlp::Gated { gate_up, activation, down, residual: rule } => {
                let gate_up = backend.linear(x, gate_up)?; // [tokens, 2 * intermediate]
                let inner = backend.activate_mul(&gate_up, *activation)?; // [tokens, intermediate]
                rule.add_linear(backend, residual, &inner, down)
            }
            Mlp::Plain { up, activation, down } => {
                let mut inner = backend.linear(x, up)?; // [tokens, intermediate]
                backend.activate(&mut inner, *activation)?;
                backend.add_linear(residual, &inner, down)
            }
            Mlp::Experts(experts) => experts.add_to(backend, residual, x),
        }
    }
}
