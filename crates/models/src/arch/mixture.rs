//! Feed-forward layers of many experts, as the members of the Llama family describe and store them.

use quire_weights::{ConfigDocument, ModelConfig};

use crate::layers::{Expert, Experts, Routing, SharedExpert};
use crate::{Backend, ModelError, WeightLoader};

/// More than any real model has.
const MAX_EXPERTS: usize = 4_096;

/// How weights of the picked experts are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Normalised {
    /// So that their sum is 1.
    Always,
    /// If `norm_topk_prob` says so.
    WhenAsked,
}

/// Names and defaults of an architecture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mixture {
    /// Number of experts when absent.
    pub(super) num_experts: usize,
    /// Experts of each token when absent.
    pub(super) experts_per_token: usize,
    /// Width of an expert when `moe_intermediate_size` is absent; `None` = always `intermediate_size`.
    pub(super) expert_width: Option<usize>,
    /// Width of the expert that every token passes when `shared_expert_intermediate_size` is absent; `None` = there is none.
    pub(super) shared_width: Option<usize>,
    /// Scaling of the weights.
    pub(super) normalised: Normalised,
    /// Name of the layer in a block.
    pub(super) name: &'static str,
    /// Names of gate, up and down projection.
    pub(super) projections: [&'static str; 3],
}

impl Mixture {
    /// Whether a layer has experts: all but `mlp_only_layers`, every `decoder_sparse_step`th.
    pub(super) fn is_sparse(&self, config: &ModelConfig, layer: usize) -> Result<bool, ModelError> {
        let document = &config.document;
        let dense = document.numbers("mlp_only_layers")?.unwrap_or_default();
        let step = match document.count("decoder_sparse_step")? {
            Some(0) => return Err(above_zero(document, "decoder_sparse_step")),
            step => step.unwrap_or(1),
        };
        Ok(!dense.contains(&(layer as f64)) && (layer + 1).is_multiple_of(step))
    }

    /// The layer in the block called `block`.
    pub(super) fn load<B: Backend>(&self, loader: &WeightLoader<'_, B>, block: &str) -> Result<Experts<B>, ModelError> {
        let (document, hidden) = (&loader.config.document, loader.config.hidden_size);
        let num_experts = match document.count("num_experts")? {
            Some(count) => count,
            None => document.count("num_local_experts")?.unwrap_or(self.num_experts),
        };
        if num_experts == 0 || num_experts > MAX_EXPERTS {
            let expected = "a number above 0 and within what real models have";
            return Err(document.invalid_text("num_experts", num_experts.to_string(), expected).into());
        }
        let experts_per_token = document.count("num_experts_per_tok")?.unwrap_or(self.experts_per_token);
        if experts_per_token == 0 || experts_per_token > num_experts {
            let found = format!("{experts_per_token}, with {num_experts} experts");
            let expected = "a number above 0, at most that of the experts";
            return Err(document.invalid_text("num_experts_per_tok", found, expected).into());
        }
        let name = format!("{block}.{}", self.name);
        let width = self.width(loader.config)?;
        Ok(Experts {
            router: loader.linear(&format!("{name}.gate"), num_experts, hidden, false)?,
            routing: Routing {
                experts_per_token,
                normalised: match self.normalised {
                    Normalised::Always => true,
                    Normalised::WhenAsked => document.flag("norm_topk_prob", false)?,
                },
            },
            experts: self.experts(loader, &format!("{name}.experts"), width, num_experts)?,
            shared: match self.shared_width {
                None => None,
                Some(default) => {
                    let width = size(document, "shared_expert_intermediate_size", default)?;
                    Some(SharedExpert {
                        expert: self.expert(loader, &format!("{name}.shared_expert"), width)?,
                        gate: loader.linear(&format!("{name}.shared_expert_gate"), 1, hidden, false)?,
                    })
                }
            },
            activation: loader.activation()?,
        })
    }

    fn width(&self, config: &ModelConfig) -> Result<usize, ModelError> {
        match self.expert_width {
            None => Ok(config.intermediate_size),
            Some(default) => size(&config.document, "moe_intermediate_size", default),
        }
    }

    /// All experts: each with tensors of its own, or each matrix of all of them in one tensor.
    fn experts<B: Backend>(
        &self,
        loader: &WeightLoader<'_, B>,
        name: &str,
        width: usize,
        num_experts: usize,
    ) -> Result<Vec<Expert<B>>, ModelError> {
        let hidden = loader.config.hidden_size;
        let [gate, up, down] = self.projections.map(|projection| format!("{name}.{projection}"));
        if !loader.contains(&format!("{down}.weight")) {
            let of = |expert| self.expert(loader, &format!("{name}.{expert}"), width);
            return (0..num_experts).map(of).collect();
        }
        let gates_ups = loader.stacked_by_expert(&[(gate, width), (up, width)], hidden, num_experts)?;
        let downs = loader.stacked_by_expert(&[(down, hidden)], width, num_experts)?;
        Ok(gates_ups.into_iter().zip(downs).map(|(gate_up, down)| Expert { gate_up, down }).collect())
    }

    fn expert<B: Backend>(
        &self,
        loader: &WeightLoader<'_, B>,
        name: &str,
        width: usize,
    ) -> Result<Expert<B>, ModelError> {
        let hidden = loader.config.hidden_size;
        let [gate, up, down] = self.projections.map(|projection| format!("{name}.{projection}"));
        Ok(Expert {
            gate_up: loader.stacked(&[(gate, width), (up, width)], hidden, false)?,
            down: loader.linear(&down, hidden, width, false)?,
        })
    }
}

fn size(document: &ConfigDocument, field: &'static str, default: usize) -> Result<usize, ModelError> {
    match document.count(field)? {
        Some(0) => Err(above_zero(document, field)),
        size => Ok(size.unwrap_or(default)),
    }
}

fn above_zero(document: &ConfigDocument, field: &'static str) -> ModelError {
    document.invalid_text(field, "0".to_string(), "a number above 0").into()
}
