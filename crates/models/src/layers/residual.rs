//! How the output of a layer joins the hidden states that it was computed from.

use crate::{Backend, Linear, ModelError, Norm};

/// What happens to a layer's output on its way back.
pub(crate) enum Residual<B: Backend> {
    /// It is added.
    Plain,
    /// It is normalised, then added.
    Normed(Norm<B>),
    /// It is multiplied, then added.
    Scaled(f32),
}

impl<B: Backend> Residual<B> {
    /// Adds the layer's last linear map of `x` to `residual` `[tokens, hidden]`.
    pub(crate) fn add_linear(
        &self,
        backend: &B,
        residual: &mut B::Tensor,
        x: &B::Tensor,
        weight: &Linear<B>,
    ) -> Result<(), ModelError> {
        match self {
            Residual::Plain => backend.add_linear(residual, x, weight),
            Residual::Normed(norm) => {
                let output = backend.linear(x, weight)?; // [tokens, hidden]
                backend.add(residual, &backend.norm(&output, norm)?)
            }
            Residual::Scaled(factor) => {
                let mut output = backend.linear(x, weight)?; // [tokens, hidden]
                backend.scale(&mut output, *factor)?;
                backend.add(residual, &output)
            }
        }
    }
}
