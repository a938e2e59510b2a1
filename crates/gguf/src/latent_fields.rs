//! The configuration of models with latent attention: DeepSeek's.

use serde_json::{Value, json};

use crate::config_fields::ConfigFields;
use crate::{Architecture, GgufProblem};

impl ConfigFields<'_> {
    /// All of it.
    pub(crate) fn set_deepseek(&mut self, architecture: Architecture) -> Result<(), GgufProblem> {
        let names =
            ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"];
        self.set_sizes(names)?;
        self.set("rms_norm_eps", json!(self.required_number("attention.layer_norm_rms_epsilon")?));
        self.set("attention_bias", json!(self.has("blk.0.attn_kv_a_mqa.bias")));
        self.set_latent()?;
        self.set_deepseek_positions()?;
        self.set_grouped_experts()?;
        if architecture == Architecture::DeepseekV2 {
            let has_groups = self.config.get("n_group").is_some_and(|groups| *groups != 1);
            self.set("topk_method", json!(if has_groups { "group_limited_greedy" } else { "greedy" }));
        }
        Ok(())
    }

    /// Experts that are picked by groups, and some that every token passes.
    pub(crate) fn set_grouped_experts(&mut self) -> Result<(), GgufProblem> {
        self.set("n_routed_experts", json!(self.required("expert_count")?));
        self.set("num_experts_per_tok", json!(self.required("expert_used_count")?));
        self.set("n_shared_experts", json!(self.count("expert_shared_count")?));
        self.set("moe_intermediate_size", json!(self.required("expert_feed_forward_length")?));
        self.set("first_k_dense_replace", json!(self.count("leading_dense_block_count")?.unwrap_or(0)));
        self.set("routed_scaling_factor", json!(self.factor("expert_weights_scale")?.unwrap_or(1.0)));
        let normalised = self.source.metadata.flag(&self.key("expert_weights_norm"))?;
        self.set("norm_topk_prob", json!(normalised.unwrap_or(false)));
        let groups = self.count("expert_group_count")?.filter(|&groups| groups > 1);
        self.set("n_group", json!(groups.unwrap_or(1)));
        self.set("topk_group", json!(self.count("expert_group_used_count")?.filter(|_| groups.is_some()).unwrap_or(1)));
        Ok(())
    }

    /// Sizes of heads. Older files have them by the names that others have; newer ones mean the latent vector by those.
    fn set_latent(&mut self) -> Result<(), GgufProblem> {
        let size = |name: &str| match self.count(&format!("attention.{name}_mla"))? {
            Some(size) => Ok(size),
            None => self.required(&format!("attention.{name}")),
        };
        let (key, value) = (size("key_length")?, size("value_length")?);
        let rotated = self.required("rope.dimension_count")?;
        let expected = "more than `rope.dimension_count`";
        let unrotated = key.checked_sub(rotated).filter(|&rest| rest > 0);
        let unrotated = unrotated.ok_or_else(|| self.invalid("attention.key_length", key, expected))?;
        let has_query_vector = self.has("blk.0.attn_q_a.weight");
        let query_rank = if has_query_vector { json!(self.required("attention.q_lora_rank")?) } else { Value::Null };
        self.set("q_lora_rank", query_rank);
        self.set("kv_lora_rank", json!(self.required("attention.kv_lora_rank")?));
        self.set("qk_rope_head_dim", json!(rotated));
        self.set("qk_nope_head_dim", json!(unrotated));
        self.set("v_head_dim", json!(value));
        Ok(())
    }

    /// Rotary positions. What YaRN multiplies vectors by concerns all of their dimensions, in files.
    fn set_deepseek_positions(&mut self) -> Result<(), GgufProblem> {
        self.set("rope_theta", json!(self.number("rope.freq_base")?.unwrap_or(10_000.0)));
        let Some(mut scaling) = self.rope_scaling()? else { return Ok(()) };
        if scaling.get("rope_type").is_some_and(|kind| kind == "yarn") {
            scaling.insert("attention_factor".to_string(), json!(1.0));
            // It is a tenth of the configuration's.
            let growth = self.number("rope.scaling.yarn_log_multiplier")?.unwrap_or(0.0) * 10.0;
            scaling.insert("mscale_all_dim".to_string(), json!(growth));
        }
        self.set("rope_scaling", Value::Object(scaling));
        Ok(())
    }
}
