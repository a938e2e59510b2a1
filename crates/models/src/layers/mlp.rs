//! The feed-forward layer, plain or gated.

use crate::{Activation, Backend, Linear, ModelError};

/// A feed-forward layer.
pub(crate) enum Mlp<B: Backend> {
    /// `down(silu(gate(x)) * up(x))`.
    Gated {
        /// Gate and up projections, stacked.
        gate_up: Linear<B>,
        /// Back to the width of the hidden states.
        down: Linear<B>,
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
}

impl<B: Backend> Mlp<B> {
    /// Adds the layer's output for `x` to `residual`; both are `[tokens, hidden]`.
    pub(crate) fn add_to(&self, backend: &B, residual: &mut B::Tensor, x: &B::Tensor) -> Result<(), ModelError> {
        match self {
            Mlp::Gated { gate_up, down } => {
                let gate_up = backend.linear(x, gate_up)?; // [tokens, 2 * intermediate]
                let inner = backend.silu_mul(&gate_up)?; // [tokens, intermediate]
                backend.add_linear(residual, &inner, down)
            }
            Mlp::Plain { up, activation, down } => {
                let mut inner = backend.linear(x, up)?; // [tokens, intermediate]
                backend.activate(&mut inner, *activation)?;
                backend.add_linear(residual, &inner, down)
            }
        }
    }
}
