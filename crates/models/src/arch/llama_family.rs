//! What Llama and most of its successors share: RMS norms, rotary positions, grouped attention, a gated feed-forward layer,
//! and the names of their tensors. Their differences are the fields of [`LlamaFamily`].

use super::latent::load_latent;
use super::mixture::{Mixture, size};
use super::rotated_pairs::RotatedPairs;
use crate::layers::{
    Attention, BlockOrder, DecoderBlock, DecoderStack, Mlp, OutputHead, Residual, Ropes, SelfAttention,
};
use crate::{Activation, Backend, CausalModel, HeadNorms, LogitsRule, ModelError, Norm, NormSpan, WeightLoader};

/// Where the norms of a block stand, and what they are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NormPlace {
    /// `input_layernorm` before attention, `post_attention_layernorm` before the feed-forward layer.
    Before,
    /// `post_attention_layernorm` after attention, `post_feedforward_layernorm` after the feed-forward layer.
    After,
    /// Before and after both; the one before the feed-forward layer is `pre_feedforward_layernorm`.
    Around,
    /// The same by other names: `post_self_attn_layernorm`, `post_attention_layernorm` before the feed-forward layer,
    /// `post_mlp_layernorm` after it.
    AroundEach,
    /// `input_layernorm` before both, which stand side by side.
    BeforeBoth,
}

/// What the norms of hidden states are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NormKind {
    /// RMS norms.
    Rms,
    /// Layer norms with a bias.
    Layer,
    /// Layer norms without one.
    LayerWithoutBias,
}

/// Which layers have rotary positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RotatedLayers {
    /// All.
    All,
    /// None.
    None,
    /// Those with a window.
    Windowed,
    /// Those that `no_rope_layers` has a 1 for, in spite of its name; when it is absent, all but every
    /// `no_rope_layer_interval`th, the fourth when that is absent too.
    Listed,
}

/// What attention keeps of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeysAndValues {
    /// Keys and values of heads.
    OfHeads,
    /// One vector for those of all heads. What a family says about projections, norms of heads and scores is without meaning then.
    Latent,
}

/// What the stored gain of a norm means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NormGain {
    /// Itself.
    Stored,
    /// Its distance from 1.
    OnePlus,
}

/// How the projections into attention are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Projections {
    /// `q_proj`, `k_proj`, `v_proj`.
    Apart,
    /// `qkv_proj`.
    Fused,
}

/// How the projections of a feed-forward layer are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MlpProjections {
    /// `gate_proj`, `up_proj`, `down_proj` in an `mlp`.
    Apart,
    /// `gate_up_proj`, `down_proj` in an `mlp`.
    Fused,
    /// `input_linear`, `output_linear` in a `shared_mlp`.
    Shared,
}

/// Where the members of the family differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct LlamaFamily {
    /// What the tensors' names begin with.
    pub(super) base: &'static str,
    /// Biases of the query, key and value projections.
    pub(super) qkv_bias: bool,
    /// Bias of the attention's output projection.
    pub(super) output_bias: bool,
    /// Biases of the feed-forward layer.
    pub(super) mlp_bias: bool,
    /// How the projections into attention are stored.
    pub(super) projections: Projections,
    /// How those of the feed-forward layer are.
    pub(super) mlp_projections: MlpProjections,
    /// RMS norms of queries and keys.
    pub(super) head_norms: Option<NormSpan>,
    /// What the norms are.
    pub(super) norm_kind: NormKind,
    /// Where the norms stand.
    pub(super) norm_place: NormPlace,
    /// What their gains mean.
    pub(super) norm_gain: NormGain,
    /// Of the feed-forward layer's gate; `None` = what the configuration says.
    pub(super) activation: Option<Activation>,
    /// What scores are multiplied by; `None` = the inverse root of the head's size.
    pub(super) score_scale: Option<f32>,
    /// Scores become `cap * tanh(score / cap)`.
    pub(super) score_cap: Option<f32>,
    /// What embeddings are multiplied by.
    pub(super) embedding_scale: Option<f32>,
    /// What the outputs of attention and feed-forward layer are multiplied by.
    pub(super) residual_scale: Option<f32>,
    /// What is done to logits.
    pub(super) logits_rule: Option<LogitsRule>,
    /// Whether a part of each head may stay unrotated.
    pub(super) partial_rotary: bool,
    /// Which elements of a head are rotated together.
    pub(super) pairs: RotatedPairs,
    /// Which layers are rotated at all.
    pub(super) rotated_layers: RotatedLayers,
    /// What attention keeps.
    pub(super) keys_and_values: KeysAndValues,
    /// Feed-forward layers of many experts.
    pub(super) mixture: Option<Mixture>,
}

impl LlamaFamily {
    /// Llama without biases.
    pub(super) const PLAIN: LlamaFamily = LlamaFamily {
        base: "model",
        qkv_bias: false,
        output_bias: false,
        mlp_bias: false,
        projections: Projections::Apart,
        mlp_projections: MlpProjections::Apart,
        head_norms: None,
        norm_kind: NormKind::Rms,
        norm_place: NormPlace::Before,
        norm_gain: NormGain::Stored,
        activation: None,
        score_scale: None,
        score_cap: None,
        embedding_scale: None,
        residual_scale: None,
        logits_rule: None,
        partial_rotary: false,
        pairs: RotatedPairs::Halves,
        rotated_layers: RotatedLayers::All,
        keys_and_values: KeysAndValues::OfHeads,
        mixture: None,
    };

    /// What the tensors' names begin with, also inside of a model that sees images: as it is on the hub, as transformers 5 saves it,
    /// and without an output matrix.
    pub(super) fn base_in<B: Backend>(loader: &WeightLoader<'_, B>) -> &'static str {
        let inside = ["language_model.model", "model.language_model", "language_model"];
        inside.into_iter().find(|base| !loader.base(base).is_empty()).unwrap_or(LlamaFamily::PLAIN.base)
    }

    pub(super) fn build<B: Backend + 'static>(
        &self,
        loader: &WeightLoader<'_, B>,
    ) -> Result<Box<dyn CausalModel<B>>, ModelError> {
        let config = loader.config;
        if !self.partial_rotary {
            loader.expect_whole_heads_rotated()?;
        }
        let base = loader.base(self.base);
        let ropes = Ropes::load(loader)?;
        let shape = [config.vocab_size, config.hidden_size];
        let embedding = format!("{base}embed_tokens.weight");
        let output = self.output_matrix(loader);
        let head = OutputHead::load(loader, &embedding, &output, shape, config.tie_word_embeddings)?;
        let blocks = (0..config.num_hidden_layers)
            .map(|layer| self.block(loader, &format!("{base}layers.{layer}"), layer, &ropes))
            .collect::<Result<_, _>>()?;
        let norm = self.norm(loader, &format!("{base}norm"))?;
        Ok(Box::new(DecoderStack {
            head: head.with_logits_rule(self.logits_rule),
            positions: None,
            embedding_scale: self.embedding_scale,
            blocks,
            norm,
            length_rope: ropes.by_length,
        }))
    }

    /// A decoder inside of a larger model has its output matrix there too, or beside it.
    fn output_matrix<B: Backend>(&self, loader: &WeightLoader<'_, B>) -> String {
        let outer = self.base.strip_suffix(".model").map(|outer| format!("{outer}.lm_head.weight"));
        outer.filter(|name| loader.contains(name)).unwrap_or_else(|| "lm_head.weight".to_string())
    }

    fn block<B: Backend>(
        &self,
        loader: &WeightLoader<'_, B>,
        name: &str,
        layer: usize,
        ropes: &Ropes<B>,
    ) -> Result<DecoderBlock<B>, ModelError> {
        let norm = |norm: &str| self.norm(loader, &format!("{name}.{norm}"));
        let optional = |name: Option<&str>| name.map(norm).transpose();
        let (before_attention, after_attention) = match self.norm_place {
            NormPlace::Before | NormPlace::BeforeBoth => (Some("input_layernorm"), None),
            NormPlace::After => (None, Some("post_attention_layernorm")),
            NormPlace::Around => (Some("input_layernorm"), Some("post_attention_layernorm")),
            NormPlace::AroundEach => (Some("input_layernorm"), Some("post_self_attn_layernorm")),
        };
        let (before_mlp, after_mlp) = match self.norm_place {
            NormPlace::Before => (Some("post_attention_layernorm"), None),
            NormPlace::After => (None, Some("post_feedforward_layernorm")),
            NormPlace::Around => (Some("pre_feedforward_layernorm"), Some("post_feedforward_layernorm")),
            NormPlace::AroundEach => (Some("post_attention_layernorm"), Some("post_mlp_layernorm")),
            NormPlace::BeforeBoth => (None, None),
        };
        let attention = format!("{name}.self_attn");
        Ok(DecoderBlock {
            order: match self.norm_place {
                NormPlace::BeforeBoth => BlockOrder::SideBySide,
                _ => BlockOrder::InTurn,
            },
            attention_norm: optional(before_attention)?,
            attention: match self.keys_and_values {
                KeysAndValues::OfHeads => {
                    let after = optional(after_attention)?;
                    SelfAttention::Heads(self.attention(loader, &attention, layer, (ropes, after))?)
                }
                KeysAndValues::Latent => {
                    SelfAttention::Latent(load_latent(loader, &attention, self.pairs, ropes.of_layer(None))?)
                }
            },
            mlp_norm: optional(before_mlp)?,
            mlp: match self.mixture {
                Some(mixture) if mixture.is_sparse(loader.config, layer)? => Mlp::Experts(mixture.load(loader, name)?),
                _ => self.mlp(loader, name, optional(after_mlp)?)?,
            },
        })
    }

    fn attention<B: Backend>(
        &self,
        loader: &WeightLoader<'_, B>,
        name: &str,
        layer: usize,
        (ropes, norm): (&Ropes<B>, Option<Norm<B>>),
    ) -> Result<Attention<B>, ModelError> {
        let (heads, hidden) = (loader.heads(), loader.config.hidden_size);
        let (queries, keys) = (heads.num_heads * heads.head_dim, heads.num_kv_heads * heads.head_dim);
        let named = |projection: &str| format!("{name}.{projection}");
        let qkv = match self.projections {
            Projections::Apart if self.pairs == RotatedPairs::Neighbours => {
                let rotated = match &loader.config.rope {
                    Some(rope) => loader.rotated(rope)?,
                    None => 0,
                };
                let order = |num_heads| self.pairs.order_of_heads(num_heads, heads.head_dim, rotated);
                let (of_queries, of_keys) = (order(heads.num_heads), order(heads.num_kv_heads));
                let of_values: Vec<usize> = (0..keys).collect();
                let qkv: [(String, &[usize]); 3] =
                    [(named("q_proj"), &of_queries), (named("k_proj"), &of_keys), (named("v_proj"), &of_values)];
                loader.stacked_in_order(&qkv, hidden, self.qkv_bias)?
            }
            Projections::Apart => {
                let qkv = [(named("q_proj"), queries), (named("k_proj"), keys), (named("v_proj"), keys)];
                loader.stacked(&qkv, hidden, self.qkv_bias)?
            }
            Projections::Fused => loader.linear(&named("qkv_proj"), queries + 2 * keys, hidden, self.qkv_bias)?,
        };
        let head_norms = match self.head_norms {
            None => None,
            Some(span) => {
                let (query, key) = match span {
                    NormSpan::Head => (heads.head_dim, heads.head_dim),
                    NormSpan::AllHeads => (queries, keys),
                };
                Some(HeadNorms {
                    span,
                    query: self.gain(loader, &named("q_norm.weight"), query)?,
                    key: self.gain(loader, &named("k_norm.weight"), key)?,
                    epsilon: loader.config.norm_epsilon,
                })
            }
        };
        let sliding_window = loader.config.sliding_windows[layer];
        Ok(Attention {
            heads,
            scale: self.score_scale.unwrap_or_else(|| heads.inverse_root()),
            score_cap: self.score_cap,
            causal: true,
            sliding_window,
            qkv,
            output: loader.linear(&named("o_proj"), hidden, queries, self.output_bias)?,
            residual: self.residual(norm),
            head_norms,
            rope: if self.is_rotated(loader, layer)? { ropes.of_layer(sliding_window) } else { None },
        })
    }

    fn is_rotated<B: Backend>(&self, loader: &WeightLoader<'_, B>, layer: usize) -> Result<bool, ModelError> {
        let document = &loader.config.document;
        match self.rotated_layers {
            RotatedLayers::All => Ok(true),
            RotatedLayers::None => Ok(false),
            RotatedLayers::Windowed => Ok(loader.config.sliding_windows[layer].is_some()),
            RotatedLayers::Listed => match document.numbers("no_rope_layers")? {
                None => Ok(!(layer + 1).is_multiple_of(size(document, "no_rope_layer_interval", 4)?)),
                Some(list) => match list.get(layer) {
                    Some(&flag) if list.len() == loader.config.num_hidden_layers => Ok(flag != 0.0),
                    _ => {
                        let found = format!("{} numbers", list.len());
                        Err(document.invalid_text("no_rope_layers", found, "a 0 or 1 for each layer").into())
                    }
                },
            },
        }
    }

    fn mlp<B: Backend>(
        &self,
        loader: &WeightLoader<'_, B>,
        name: &str,
        norm: Option<Norm<B>>,
    ) -> Result<Mlp<B>, ModelError> {
        let (hidden, inner) = (loader.config.hidden_size, loader.config.intermediate_size);
        let named = |projection: &str| format!("{name}.mlp.{projection}");
        let fused = |name: &str| loader.linear(name, 2 * inner, hidden, self.mlp_bias);
        let (gate_up, down) = match self.mlp_projections {
            MlpProjections::Apart => {
                let both = [(named("gate_proj"), inner), (named("up_proj"), inner)];
                (loader.stacked(&both, hidden, self.mlp_bias)?, named("down_proj"))
            }
            MlpProjections::Fused => (fused(&named("gate_up_proj"))?, named("down_proj")),
            MlpProjections::Shared => {
                (fused(&format!("{name}.shared_mlp.input_linear"))?, format!("{name}.shared_mlp.output_linear"))
            }
        };
        Ok(Mlp::Gated {
            gate_up,
            activation: self.activation.map_or_else(|| loader.activation(), Ok)?,
            down: loader.linear(&down, hidden, inner, self.mlp_bias)?,
            residual: self.residual(norm),
        })
    }

    fn residual<B: Backend>(&self, norm: Option<Norm<B>>) -> Residual<B> {
        match (norm, self.residual_scale) {
            (Some(norm), _) => Residual::Normed(norm),
            (None, Some(factor)) => Residual::Scaled(factor),
            (None, None) => Residual::Plain,
        }
    }

    fn norm<B: Backend>(&self, loader: &WeightLoader<'_, B>, name: &str) -> Result<Norm<B>, ModelError> {
        let (width, epsilon) = (loader.config.hidden_size, loader.config.norm_epsilon);
        let weight = self.gain(loader, &format!("{name}.weight"), width)?;
        Ok(match self.norm_kind {
            NormKind::Rms => Norm::Rms { weight, epsilon },
            NormKind::Layer => Norm::Layer { weight, bias: loader.vector(&format!("{name}.bias"), width)?, epsilon },
            NormKind::LayerWithoutBias => Norm::Layer { weight, bias: loader.constant(0.0, width)?, epsilon },
        })
    }

    fn gain<B: Backend>(
        &self,
        loader: &WeightLoader<'_, B>,
        name: &str,
        length: usize,
    ) -> Result<B::Vector, ModelError> {
        match self.norm_gain {
            NormGain::Stored => loader.vector(name, length),
            NormGain::OnePlus => loader.vector_plus_one(name, length),
        }
    }
}
