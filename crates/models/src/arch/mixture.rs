//! Feed-forward layers of many experts, as the members of the Llama family describe and store them.

use quire_weights::{ConfigDocument, ModelConfig};

use crate::layers::{Expert, Experts, GroupScore, Groups, Routing, Scores, SharedExpert};
use crate::{Backend, ModelError, WeightLoader};

/// More than any real model has.
const MAX_EXPERTS: usize = 4_096;

/// How weights of the picked experts are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Normalised {
    /// So that their sum is 1.
    Always,
    /// If `norm_topk_prob` says so; this, when it is absent.
    WhenAsked(bool),
}

/// Whether there is an expert that every token passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shared {
    /// No.
    None,
    /// `shared_expert`, weighted by a gate: its width when `shared_expert_intermediate_size` is absent.
    Gated(usize),
    /// `shared_experts`, as wide as so many experts when `n_shared_experts` is absent; null or 0 means none.
    Plain(usize),
}

/// How the router picks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Router {
    /// The likeliest experts.
    Likeliest,
    /// `topk_method` says how: the likeliest, or those of the groups with the likeliest expert.
    ByMethod,
    /// By logistic scores with a bias, of the groups with the best two experts; so many groups, of which so many, when `n_group` and
    /// `topk_group` are absent.
    BiasedGroups(usize, usize),
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
    /// The expert that every token passes.
    pub(super) shared: Shared,
    /// How experts are picked.
    pub(super) router: Router,
    /// Scaling of the weights.
    pub(super) normalised: Normalised,
    /// What weights are multiplied by when `routed_scaling_factor` is absent.
    pub(super) scale: f64,
    /// How many of the first layers have none when `first_k_dense_replace` is absent.
    pub(super) first_dense: usize,
    /// Name of the layer in a block.
    pub(super) name: &'static str,
    /// Names of gate, up and down projection.
    pub(super) projections: [&'static str; 3],
}

impl Mixture {
    /// Names and defaults as Qwen's first mixtures have them.
    pub(super) const QWEN: Mixture = Mixture {
        num_experts: 60,
        experts_per_token: 4,
        expert_width: Some(1_408),
        shared: Shared::None,
        router: Router::Likeliest,
        normalised: Normalised::WhenAsked(false),
        scale: 1.0,
        first_dense: 0,
        name: "mlp",
        projections: ["gate_proj", "up_proj", "down_proj"],
    };

    /// Whether a layer has experts: all but `mlp_only_layers` and the first `first_k_dense_replace`, every
    /// `decoder_sparse_step`th or `moe_layer_freq`th.
    pub(super) fn is_sparse(&self, config: &ModelConfig, layer: usize) -> Result<bool, ModelError> {
        let document = &config.document;
        if document.is_null("n_routed_experts") {
            return Ok(false);
        }
        if let Some(types) = document.get("mlp_layer_types") {
            let list = types.as_array().filter(|list| list.len() == config.num_hidden_layers);
            return match list.and_then(|list| list[layer].as_str()) {
                Some("sparse") => Ok(true),
                Some("dense") => Ok(false),
                _ => Err(document
                    .invalid("mlp_layer_types", types, "a list of `dense` or `sparse`, one per layer")
                    .into()),
            };
        }
        let dense = document.numbers("mlp_only_layers")?.unwrap_or_default();
        let step = size(document, "decoder_sparse_step", 1)?;
        let first = document.count("first_k_dense_replace")?.unwrap_or(self.first_dense);
        let frequency = size(document, "moe_layer_freq", 1)?;
        let in_step = (layer + 1).is_multiple_of(step) && layer.is_multiple_of(frequency);
        Ok(in_step && layer >= first && !dense.contains(&(layer as f64)))
    }

    /// The layer in the block called `block`.
    pub(super) fn load<B: Backend>(&self, loader: &WeightLoader<'_, B>, block: &str) -> Result<Experts<B>, ModelError> {
        let (document, hidden) = (&loader.config.document, loader.config.hidden_size);
        let mut num_experts = None;
        for field in ["num_experts", "num_local_experts", "n_routed_experts"] {
            num_experts = num_experts.or(document.count(field)?);
        }
        let num_experts = num_experts.unwrap_or(self.num_experts);
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
            routing: self.routing(loader, &format!("{name}.gate"), num_experts, experts_per_token)?,
            experts: loader.used_of(experts_per_token, num_experts, || {
                self.experts(loader, &format!("{name}.experts"), width, num_experts)
            })?,
            shared: self.shared(loader, &name, width)?,
            activation: loader.activation()?,
        })
    }

    fn shared<B: Backend>(
        &self,
        loader: &WeightLoader<'_, B>,
        name: &str,
        expert_width: usize,
    ) -> Result<Option<SharedExpert<B>>, ModelError> {
        let (document, hidden) = (&loader.config.document, loader.config.hidden_size);
        Ok(match self.shared {
            Shared::None => None,
            Shared::Gated(default) => {
                let width = size(document, "shared_expert_intermediate_size", default)?;
                Some(SharedExpert {
                    expert: self.expert(loader, &format!("{name}.shared_expert"), width)?,
                    gate: Some(loader.linear(&format!("{name}.shared_expert_gate"), 1, hidden, false)?),
                })
            }
            Shared::Plain(default) => {
                let field = "n_shared_experts";
                let count = if document.is_null(field) { 0 } else { document.count(field)?.unwrap_or(default) };
                if count > MAX_EXPERTS {
                    let expected = "a number within what real models have";
                    return Err(document.invalid_text(field, count.to_string(), expected).into());
                }
                let expert =
                    || self.expert(loader, &format!("{name}.shared_experts"), count.saturating_mul(expert_width));
                (count > 0).then(expert).transpose()?.map(|expert| SharedExpert { expert, gate: None })
            }
        })
    }

    fn routing<B: Backend>(
        &self,
        loader: &WeightLoader<'_, B>,
        gate: &str,
        num_experts: usize,
        experts_per_token: usize,
    ) -> Result<Routing, ModelError> {
        let document = &loader.config.document;
        let (scores, groups) = match self.router {
            Router::Likeliest => (Scores::Softmax, None),
            Router::ByMethod => match document.text("topk_method")? {
                None | Some("greedy") => (Scores::Softmax, None),
                Some("group_limited_greedy") => (Scores::Softmax, Some((1, 1, GroupScore::Best))),
                Some(other) => {
                    let expected = "`greedy` and `group_limited_greedy` are";
                    return Err(ModelError::UnsupportedConfig {
                        field: "topk_method",
                        found: other.to_string(),
                        expected,
                    });
                }
            },
            Router::BiasedGroups(count, picked) => (Scores::Logistic, Some((count, picked, GroupScore::TwoBest))),
        };
        let groups = match groups {
            None => None,
            Some((count, picked, score)) => {
                let (count, picked) = (size(document, "n_group", count)?, size(document, "topk_group", picked)?);
                if !num_experts.is_multiple_of(count) {
                    let found = format!("{count}, with {num_experts} experts");
                    return Err(document.invalid_text("n_group", found, "a divisor of the experts").into());
                }
                if picked > count || picked * (num_experts / count) < experts_per_token {
                    let found = format!("{picked}, of {count} groups");
                    let expected = "at most all groups, with enough experts for a token";
                    return Err(document.invalid_text("topk_group", found, expected).into());
                }
                Some(Groups { count, picked, score })
            }
        };
        Ok(Routing {
            experts_per_token,
            scores,
            bias: match self.router {
                Router::BiasedGroups(..) => {
                    Some(loader.host_vector(&format!("{gate}.e_score_correction_bias"), num_experts)?)
                }
                _ => None,
            },
            groups,
            normalised: match self.normalised {
                Normalised::Always => true,
                Normalised::WhenAsked(default) => document.flag("norm_topk_prob", default)?,
            },
            scale: document.number("routed_scaling_factor")?.unwrap_or(self.scale) as f32,
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

/// The number in `field`, which is above 0, or `default`.
pub(super) fn size(document: &ConfigDocument, field: &'static str, default: usize) -> Result<usize, ModelError> {
    match document.count(field)? {
        Some(0) => Err(document.invalid_text(field, "0".to_string(), "a number above 0").into()),
        size => Ok(size.unwrap_or(default)),
    }
}
