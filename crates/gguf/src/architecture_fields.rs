//! What each architecture's configuration has beside sizes: norms, biases, windows, factors, experts.

use serde_json::{Value, json};

use crate::config_fields::ConfigFields;
use crate::{Architecture, GgufProblem, MetadataValue};

const WINDOW: &str = "attention.sliding_window";
const PATTERN: &str = "attention.sliding_window_pattern";

impl ConfigFields<'_> {
    /// All that is the architecture's own.
    pub(crate) fn set_architecture(&mut self, architecture: Architecture) -> Result<(), GgufProblem> {
        match architecture {
            Architecture::Gpt2 => return self.set_gpt2(),
            Architecture::DeepseekV2 | Architecture::DeepseekV3 => return self.set_deepseek(architecture),
            _ => {}
        }
        self.set_rotary()?;
        if architecture == Architecture::Starcoder2 {
            return self.set_starcoder2();
        }
        match architecture {
            Architecture::Cohere
            | Architecture::Cohere2
            | Architecture::GptNeoX
            | Architecture::Phi
            | Architecture::StableLm => {
                self.set("layer_norm_eps", json!(self.required_number("attention.layer_norm_epsilon")?));
            }
            _ => self.set("rms_norm_eps", json!(self.required_number("attention.layer_norm_rms_epsilon")?)),
        }
        match architecture {
            Architecture::Mixtral | Architecture::Olmoe | Architecture::Qwen2Moe | Architecture::Qwen3Moe => {
                self.set_experts(architecture)?
            }
            Architecture::Glm4Moe => self.set_grouped_experts()?,
            _ => self.expect_no_experts()?,
        }
        match architecture {
            Architecture::Cohere => self.set_cohere(),
            Architecture::Cohere2 => {
                self.set_cohere()?;
                self.set_window()
            }
            Architecture::Ernie4_5 => {
                self.set("use_bias", json!(self.has("blk.0.attn_q.bias")));
                Ok(())
            }
            Architecture::Exaone4 => {
                self.set_window()?;
                self.set_layer_types()
            }
            Architecture::Gemma => Ok(()),
            Architecture::Glm4 => {
                self.set("attention_bias", json!(self.has("blk.0.attn_q.bias")));
                self.set_rotated_share();
                Ok(())
            }
            Architecture::Glm4Moe => {
                self.set("attention_bias", json!(self.has("blk.0.attn_q.bias")));
                self.set("use_qk_norm", json!(self.has("blk.0.attn_q_norm.weight")));
                self.set_rotated_share();
                Ok(())
            }
            Architecture::GptNeoX => self.set_gpt_neox(),
            Architecture::SeedOss => {
                for (field, tensor) in
                    [("attention_bias", "attn_q"), ("attention_out_bias", "attn_output"), ("mlp_bias", "ffn_gate")]
                {
                    self.set(field, json!(self.has(&format!("blk.0.{tensor}.bias"))));
                }
                Ok(())
            }
            Architecture::Phi => {
                self.set("hidden_act", json!("gelu_new"));
                self.set_rotated_share();
                Ok(())
            }
            Architecture::StableLm => {
                self.set("use_qkv_bias", json!(self.has("blk.0.attn_q.bias")));
                self.set("qk_layernorm", json!(self.has("blk.0.attn_q_norm.weight")));
                self.set("use_parallel_residual", json!(!self.has("blk.0.ffn_norm.weight")));
                self.set_rotated_share();
                Ok(())
            }
            Architecture::Gemma2 => self.set_gemma2(),
            Architecture::Gemma3 => self.set_gemma3(),
            Architecture::Granite => self.set_granite(),
            Architecture::Phi3 => self.set_window(),
            Architecture::Olmo3 => {
                self.set_window()?;
                self.set_layer_types()
            }
            Architecture::Qwen2Moe => {
                self.set("qkv_bias", json!(self.has("blk.0.attn_q.bias")));
                Ok(())
            }
            _ => {
                self.set_biases();
                Ok(())
            }
        }
    }

    fn set_gpt2(&mut self) -> Result<(), GgufProblem> {
        self.set_sizes(["n_embd", "n_inner", "n_layer", "n_head", "n_positions"])?;
        self.set("layer_norm_epsilon", json!(self.required_number("attention.layer_norm_epsilon")?));
        self.set("activation_function", json!("gelu_new"));
        Ok(())
    }

    /// Rotary positions have names of their own there.
    fn set_gpt_neox(&mut self) -> Result<(), GgufProblem> {
        self.set_rotated_share();
        for (field, found) in [("rotary_pct", "partial_rotary_factor"), ("rotary_emb_base", "rope_theta")] {
            let value = self.config.remove(found).unwrap_or_default();
            self.set(field, value);
        }
        let is_parallel = self.source.metadata.flag(&self.key("use_parallel_residual"))?;
        self.set("use_parallel_residual", json!(is_parallel.unwrap_or(true)));
        self.set("attention_bias", json!(self.has("blk.0.attn_qkv.bias")));
        self.set("hidden_act", json!("gelu"));
        Ok(())
    }

    fn set_starcoder2(&mut self) -> Result<(), GgufProblem> {
        self.set("norm_epsilon", json!(self.required_number("attention.layer_norm_epsilon")?));
        self.set("hidden_act", json!("gelu_pytorch_tanh"));
        self.set("use_bias", json!(self.has("blk.0.attn_q.bias")));
        self.set_window()
    }

    fn set_cohere(&mut self) -> Result<(), GgufProblem> {
        self.set("logit_scale", json!(self.required_number("logit_scale")?));
        self.set("use_qk_norm", json!(self.has("blk.0.attn_q_norm.weight")));
        Ok(())
    }

    /// Whole heads are rotated where the file does not say otherwise, whatever checkpoints mean then.
    fn set_rotated_share(&mut self) {
        self.config.entry("partial_rotary_factor").or_insert(json!(1.0));
    }

    fn set_biases(&mut self) {
        let has_any = |tensors: [&str; 2]| tensors.into_iter().any(|tensor| self.has(&format!("blk.0.{tensor}.bias")));
        let (attention, mlp) = (has_any(["attn_q", "attn_output"]), has_any(["ffn_gate", "ffn_down"]));
        self.set("attention_bias", json!(attention));
        self.set("mlp_bias", json!(mlp));
    }

    /// Files don't say how scores are scaled; only the largest models differ from the size of a head.
    fn set_score_scale(&mut self, layers_of_largest: usize) -> Result<(), GgufProblem> {
        let scalar = match self.factor("attention.scale")? {
            Some(scale) => scale.powi(-2),
            None if self.required("block_count")? == layers_of_largest => {
                let heads = self.required("attention.head_count")?.max(1);
                (self.required("embedding_length")? / heads) as f64
            }
            None => self.config.get("head_dim").and_then(Value::as_f64).unwrap_or_default(),
        };
        self.set("query_pre_attn_scalar", json!(scalar));
        Ok(())
    }

    /// Soft caps where the file has them; 0 stands for none.
    fn set_soft_cap(&mut self, name: &str, field: &str) -> Result<(), GgufProblem> {
        if let Some(cap) = self.number(name)? {
            self.set(field, if cap == 0.0 { Value::Null } else { json!(cap) });
        }
        Ok(())
    }

    fn set_gemma2(&mut self) -> Result<(), GgufProblem> {
        self.set_score_scale(46)?;
        self.set_soft_cap("attn_logit_softcapping", "attn_logit_softcapping")?;
        self.set_soft_cap("final_logit_softcapping", "final_logit_softcapping")?;
        if self.count(WINDOW)?.is_some() {
            self.set_window()?;
        }
        self.set_layer_types()
    }

    fn set_gemma3(&mut self) -> Result<(), GgufProblem> {
        self.set_score_scale(62)?;
        self.set_soft_cap("final_logit_softcapping", "final_logit_softcapping")?;
        if let Some(theta) = self.number("rope.freq_base_swa")? {
            self.set("rope_local_base_freq", json!(theta));
        }
        self.set_window()?;
        self.set_layer_types()
    }

    fn set_granite(&mut self) -> Result<(), GgufProblem> {
        self.set_biases();
        if self.source.metadata.flag(&self.key("rope.scaling.finetuned"))? == Some(false) {
            let expected = "true: models without rotary positions are not read";
            return Err(self.invalid("rope.scaling.finetuned", false, expected));
        }
        let head_dim = self.config.get("head_dim").and_then(Value::as_f64).unwrap_or_default();
        let attention = self.factor("attention.scale")?.unwrap_or_else(|| head_dim.powf(-0.5));
        self.set("attention_multiplier", json!(attention));
        self.set("embedding_multiplier", json!(self.factor("embedding_scale")?.unwrap_or(1.0)));
        self.set("residual_multiplier", json!(self.factor("residual_scale")?.unwrap_or(1.0)));
        self.set("logits_scaling", json!(self.required_number("logit_scale")?));
        Ok(())
    }

    fn set_window(&mut self) -> Result<(), GgufProblem> {
        let window = self.count(WINDOW)?.filter(|&window| window > 0);
        self.set("sliding_window", json!(window));
        Ok(())
    }

    /// Which layers have the window, where the file says it: for each layer, or all but every so many.
    fn set_layer_types(&mut self) -> Result<(), GgufProblem> {
        let key = self.key(PATTERN);
        let layers = self.layers()?;
        let windowed: Vec<bool> = match self.source.metadata.get(&key) {
            None => return Ok(()),
            Some(MetadataValue::Bools(list)) => list.clone(),
            Some(MetadataValue::Integers(list)) => list.iter().map(|&flag| flag != 0).collect(),
            Some(_) => {
                let period = self.required(PATTERN)?;
                layers.clone().map(|layer| period == 0 || (layer + 1) % period != 0).collect()
            }
        };
        if windowed.len() < layers.len() {
            let found = format!("a list of {} layers", windowed.len());
            return Err(self.invalid(PATTERN, found, "a flag for each layer"));
        }
        let names = windowed[..layers.len()].iter();
        let names = names.map(|&windowed| if windowed { "sliding_attention" } else { "full_attention" });
        self.set("layer_types", names.collect());
        Ok(())
    }

    fn expect_no_experts(&self) -> Result<(), GgufProblem> {
        match self.count("expert_count")? {
            None | Some(0) => Ok(()),
            Some(experts) => Err(self.invalid("expert_count", experts, "0: experts are not read in this architecture")),
        }
    }

    /// Experts: how many, how wide, in which layers, and how their weights are scaled.
    fn set_experts(&mut self, architecture: Architecture) -> Result<(), GgufProblem> {
        self.set("num_experts", json!(self.required("expert_count")?));
        self.set("num_experts_per_tok", json!(self.required("expert_used_count")?));
        let softmax = 1;
        if let Some(function) = self.count("expert_gating_func")?.filter(|&function| function > softmax) {
            return Err(self.invalid("expert_gating_func", function, "1: scores become probabilities by softmax"));
        }
        if let Some(scale) = self.factor("expert_weights_scale")?.filter(|&scale| scale != 1.0) {
            return Err(self.invalid("expert_weights_scale", scale, "1: other scales are not read"));
        }
        if architecture != Architecture::Mixtral {
            let normalised = self.source.metadata.flag(&self.key("expert_weights_norm"))?;
            self.set("norm_topk_prob", json!(normalised.unwrap_or(architecture == Architecture::Qwen3Moe)));
        }
        let dense: Vec<usize> =
            self.layers()?.filter(|layer| !self.has(&format!("blk.{layer}.ffn_gate_inp.weight"))).collect();
        let sparse = self.layers()?.find(|layer| !dense.contains(layer)).unwrap_or_default();
        self.set("mlp_only_layers", json!(dense));
        // Older files leave these to the shapes: `[experts, width, hidden]` and `[width, hidden]`.
        let widths = [
            ("moe_intermediate_size", "expert_feed_forward_length", "ffn_gate_exps", 1),
            ("shared_expert_intermediate_size", "expert_shared_feed_forward_length", "ffn_gate_shexp", 0),
        ];
        for (field, key, tensor, dimension) in widths {
            let shape = (self.source.shape_of)(&format!("blk.{sparse}.{tensor}.weight"));
            let stored = || shape.and_then(|shape| shape.get(dimension).copied());
            if let Some(width) = self.count(key)?.filter(|&width| width > 0).or_else(stored) {
                self.set(field, json!(width));
            }
        }
        Ok(())
    }
}
