//! A feed-forward layer of many experts, of which a router picks a few for each token.
//!
//! Tokens are sorted by expert, so that each expert is one product over its tokens. A token's experts are added in
//! ascending order whoever else is in the step, and rows of a product do not depend on each other, so neither does the
//! result of a token. <https://arxiv.org/abs/1701.06538>

use crate::layers::routing::{Routing, logistic};
use crate::{Activation, Backend, Linear, ModelError};

/// A gated feed-forward layer of one expert.
pub(crate) struct Expert<B: Backend> {
    /// Gate and up projections, stacked.
    pub(crate) gate_up: Linear<B>,
    /// Back to the width of the hidden states.
    pub(crate) down: Linear<B>,
}

/// An expert that every token passes.
pub(crate) struct SharedExpert<B: Backend> {
    pub(crate) expert: Expert<B>,
    /// Weighs it, by its logistic function: `[1, hidden]`.
    pub(crate) gate: Option<Linear<B>>,
}

/// The layer.
pub(crate) struct Experts<B: Backend> {
    /// `[experts, hidden]`
    pub(crate) router: Linear<B>,
    pub(crate) routing: Routing,
    pub(crate) experts: Vec<Expert<B>>,
    pub(crate) shared: Option<SharedExpert<B>>,
    pub(crate) activation: Activation,
}

impl<B: Backend> Experts<B> {
    /// Adds the layer's output for `x` to `residual`; both are `[tokens, hidden]`.
    pub(crate) fn add_to(&self, backend: &B, residual: &mut B::Tensor, x: &B::Tensor) -> Result<(), ModelError> {
        let num_tokens = backend.num_rows(x);
        let mut scores = vec![0.0; num_tokens * self.experts.len()]; // [tokens, experts]
        backend.to_host(&backend.linear(x, &self.router)?, &mut scores)?;
        let assignments = self.routing.assign(&mut scores, self.experts.len());
        for of_expert in assignments.chunk_by(|one, next| one.expert == next.expert) {
            let tokens: Vec<i32> = of_expert.iter().map(|one| one.token).collect();
            let weights: Vec<f32> = of_expert.iter().map(|one| one.weight).collect();
            let rows = backend.select_rows(x, &tokens)?; // [tokens of the expert, hidden]
            let output = self.output(backend, &self.experts[of_expert[0].expert], &rows)?;
            backend.add_rows(residual, &output, &tokens, &weights)?;
        }
        if let Some(shared) = &self.shared {
            let output = self.output(backend, &shared.expert, x)?;
            let Some(gate) = &shared.gate else { return backend.add(residual, &output) };
            let mut weights = vec![0.0; num_tokens];
            backend.to_host(&backend.linear(x, gate)?, &mut weights)?;
            weights.iter_mut().for_each(|weight| *weight = logistic(*weight));
            let tokens: Vec<i32> = (0..num_tokens as i32).collect();
            backend.add_rows(residual, &output, &tokens, &weights)?;
        }
        Ok(())
    }

    fn output(&self, backend: &B, expert: &Expert<B>, x: &B::Tensor) -> Result<B::Tensor, ModelError> {
        let gate_up = backend.linear(x, &expert.gate_up)?; // [tokens, 2 * intermediate]
        let inner = backend.activate_mul(&gate_up, self.activation)?; // [tokens, intermediate]
        backend.linear(&inner, &expert.down) // [tokens, hidden]
    }
}
