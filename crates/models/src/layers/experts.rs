//! A feed-forward layer of many experts, of which a router picks a few for each token.
//!
//! Tokens are sorted by expert, so that each expert is one product over its tokens. A token's experts are added in
//! ascending order whoever else is in the step, and rows of a product do not depend on each other, so neither does the
//! result of a token. <https://arxiv.org/abs/1701.06538>

use crate::{Activation, Backend, Linear, ModelError};

/// A gated feed-forward layer of one expert.
pub(crate) struct Expert<B: Backend> {
    /// Gate and up projections, stacked.
    pub(crate) gate_up: Linear<B>,
    /// Back to the width of the hidden states.
    pub(crate) down: Linear<B>,
}

/// An expert that every token passes, weighted by the logistic function of a gate.
pub(crate) struct SharedExpert<B: Backend> {
    pub(crate) expert: Expert<B>,
    /// `[1, hidden]`
    pub(crate) gate: Linear<B>,
}

/// The router's rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routing {
    /// Experts of each token.
    pub(crate) experts_per_token: usize,
    /// Whether their weights are divided by their sum.
    pub(crate) normalised: bool,
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

/// A token that an expert was picked for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Assignment {
    expert: usize,
    token: i32,
    weight: f32,
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
            let mut weights = vec![0.0; num_tokens];
            backend.to_host(&backend.linear(x, &shared.gate)?, &mut weights)?;
            weights.iter_mut().for_each(|weight| *weight = 1.0 / (1.0 + (-*weight).exp()));
            let tokens: Vec<i32> = (0..num_tokens as i32).collect();
            backend.add_rows(residual, &self.output(backend, &shared.expert, x)?, &tokens, &weights)?;
        }
        Ok(())
    }

    fn output(&self, backend: &B, expert: &Expert<B>, x: &B::Tensor) -> Result<B::Tensor, ModelError> {
        let gate_up = backend.linear(x, &expert.gate_up)?; // [tokens, 2 * intermediate]
        let inner = backend.activate_mul(&gate_up, self.activation)?; // [tokens, intermediate]
        backend.linear(&inner, &expert.down) // [tokens, hidden]
    }
}

impl Routing {
    /// Turns `scores` `[tokens, experts]` into probabilities and picks the likeliest of each token, the first of equal
    /// ones; sorted by expert, then token.
    fn assign(&self, scores: &mut [f32], num_experts: usize) -> Vec<Assignment> {
        let mut assignments = Vec::with_capacity(scores.len() / num_experts * self.experts_per_token);
        let mut order: Vec<usize> = Vec::with_capacity(num_experts);
        for (token, scores) in scores.chunks_exact_mut(num_experts).enumerate() {
            softmax(scores);
            order.clear();
            order.extend(0..num_experts);
            order.sort_unstable_by(|&one, &other| scores[other].total_cmp(&scores[one]).then(one.cmp(&other)));
            let picked = &order[..self.experts_per_token];
            let total = if self.normalised { picked.iter().map(|&expert| scores[expert]).sum() } else { 1.0 };
            assignments.extend(picked.iter().map(|&expert| Assignment {
                expert,
                token: token as i32,
                weight: scores[expert] / total,
            }));
        }
        assignments.sort_by_key(|one| one.expert); // stable: tokens stay in order
        assignments
    }
}

fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - largest).exp());
    let total: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= total);
}

#[cfg(test)]
mod tests {
    use super::{Assignment, Routing};

    fn assign(routing: Routing, mut scores: Vec<f32>, num_experts: usize) -> Vec<Assignment> {
        routing.assign(&mut scores, num_experts)
    }

    #[test]
    fn tokens_are_sorted_by_expert_and_weights_are_normalised_if_asked_for() {
        let half = 0.5_f32.ln();
        // Token 0: expert 2 twice as likely as 0, 1 nearly impossible. Token 1: all alike, so the first two.
        let scores = vec![half, -100.0, 0.0, 1.0, 1.0, 1.0];
        let picked = |normalised| assign(Routing { experts_per_token: 2, normalised }, scores.clone(), 3);
        let places = |list: &[Assignment]| list.iter().map(|one| (one.expert, one.token)).collect::<Vec<_>>();
        assert_eq!(places(&picked(true)), [(0, 0), (0, 1), (1, 1), (2, 0)]);
        let weights = |list: &[Assignment]| list.iter().map(|one| one.weight).collect::<Vec<_>>();
        for (found, expected) in weights(&picked(true)).into_iter().zip([1.0 / 3.0, 0.5, 0.5, 2.0 / 3.0]) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
        for (found, expected) in weights(&picked(false)).into_iter().zip([1.0 / 3.0; 3].into_iter().chain([2.0 / 3.0]))
        {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn scores_that_are_no_numbers_pick_somebody() {
        let routing = Routing { experts_per_token: 2, normalised: true };
        let assigned = assign(routing, vec![f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY], 4);
        assert_eq!(assigned.len(), 2);
    }
}
