//! The values of models with latent attention, DeepSeek's, as llama.cpp's converter writes them now: sizes of whole heads under
//! names that end in `_mla`, those of the latent vector under the names that others have.

use quire_gguf::{Architecture, MetadataValue};
use quire_weights::RopeScaling;

use super::error::{ExportError, no_form};
use super::metadata::Values;

/// `expert_gating_func`: scores by softmax, by logistic functions.
const SOFTMAX: usize = 1;
const LOGISTIC: usize = 2;

impl Values<'_> {
    /// Heads, experts and rotary positions.
    pub(super) fn set_latent(&mut self, architecture: Architecture) -> Result<(), ExportError> {
        let (config, document) = (self.config, &self.config.document);
        let rank = config.head_dim - config.rotary_dim;
        self.count("attention.key_length", config.head_dim);
        self.count("attention.value_length", rank);
        self.count("attention.key_length_mla", self.required("qk_nope_head_dim")? + config.rotary_dim);
        self.count("attention.value_length_mla", self.required("v_head_dim")?);
        self.count("attention.kv_lora_rank", rank);
        if !document.is_null("q_lora_rank") {
            self.count("attention.q_lora_rank", self.required("q_lora_rank")?);
        }
        self.set_routed_experts(architecture == Architecture::DeepseekV3)?;
        if !document.flag("rope_interleave", true)? {
            return Err(no_form("that heads are rotated in halves"));
        }
        let Some(rope) = &config.rope else { return Err(no_form("that no positions are rotated")) };
        self.count("rope.dimension_count", config.rotary_dim);
        self.number("rope.freq_base", rope.theta);
        match rope.scaling {
            RopeScaling::None => Ok(()),
            RopeScaling::Yarn {
                factor,
                original_max_position_embeddings,
                beta_fast,
                beta_slow,
                attention_factor: None,
                mscale: Some(mscale),
                mscale_all_dim: Some(growth),
                truncate: true,
            } if mscale == growth => {
                self.set_scaling("yarn", factor);
                self.count("rope.scaling.original_context_length", original_max_position_embeddings);
                self.number("rope.scaling.yarn_beta_fast", beta_fast);
                self.number("rope.scaling.yarn_beta_slow", beta_slow);
                // A tenth of it is what files have.
                self.number("rope.scaling.yarn_log_multiplier", growth / 10.0);
                Ok(())
            }
            ref other => Err(no_form(&format!("rotary positions that are scaled so: {other:?}"))),
        }
    }

    /// Experts as DeepSeek has them: from its third model on, scores are logistic and biased.
    pub(super) fn set_routed_experts(&mut self, is_v3: bool) -> Result<(), ExportError> {
        let document = &self.config.document;
        let has_groups = is_v3 || document.text("topk_method")?.is_some_and(|method| method != "greedy");
        self.count("expert_gating_func", if is_v3 { LOGISTIC } else { SOFTMAX });
        self.count("expert_count", self.required("n_routed_experts")?);
        self.count("expert_used_count", self.required("num_experts_per_tok")?);
        self.required("moe_intermediate_size")?;
        if !document.is_null("n_shared_experts") {
            self.count("expert_shared_count", self.required("n_shared_experts")?);
        }
        self.count("leading_dense_block_count", self.leading_dense()?);
        if has_groups {
            self.count("expert_group_count", self.required("n_group")?);
            self.count("expert_group_used_count", self.required("topk_group")?);
        }
        let scale = document.number("routed_scaling_factor")?;
        self.number("expert_weights_scale", scale.ok_or_else(|| missing("routed_scaling_factor"))?);
        let is_normalised = document.flag("norm_topk_prob", is_v3)?;
        self.set("expert_weights_norm", MetadataValue::Bool(is_normalised));
        Ok(())
    }

    /// How many layers come before those with experts; all behind them have some.
    fn leading_dense(&self) -> Result<usize, ExportError> {
        let document = &self.config.document;
        let in_between = || no_form("layers without experts behind layers that have some");
        if document.count("moe_layer_freq")?.is_some_and(|frequency| frequency != 1) {
            return Err(in_between());
        }
        let Some(types) = document.get("mlp_layer_types") else { return self.required("first_k_dense_replace") };
        let types: Vec<bool> = types.as_array().into_iter().flatten().map(|kind| kind == "dense").collect();
        let leading = types.iter().take_while(|&&is_dense| is_dense).count();
        if types[leading..].contains(&true) { Err(in_between()) } else { Ok(leading) }
    }

    fn required(&self, field: &'static str) -> Result<usize, ExportError> {
        self.config.document.count(field)?.ok_or_else(|| missing(field))
    }
}

fn missing(field: &str) -> ExportError {
    no_form(&format!("`{field}` where `config.json` does not"))
}
