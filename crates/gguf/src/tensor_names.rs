//! What Hugging Face's checkpoints call the tensors that ggml names by their part, one table for each family of names.

/// Of no layer, then of layers; `.weight` and `.bias` stay as they are.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    whole: Table,
    layer: &'static str,
    /// Looked through in turn.
    of_layer: [Table; 2],
}

/// ggml's name and the checkpoint's.
type Table = &'static [(&'static str, &'static str)];

const WHOLE: Table = &[("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

const ATTENTION: Table = &[
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// A vector whose name in checkpoints does not end in `.bias`.
const ROUTER_BIAS: &str = "mlp.gate.e_score_correction_bias";

const NORMS_BEFORE: Table = &[("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm")];

impl Names {
    /// Llama and most of its successors.
    pub(crate) const LLAMA: Names = Names { whole: WHOLE, layer: "model.layers.", of_layer: [ATTENTION, NORMS_BEFORE] };

    /// Norms after both halves of a block instead of before.
    pub(crate) const NORMS_AFTER: Names = Names {
        of_layer: [
            ATTENTION,
            &[("post_attention_norm", "post_attention_layernorm"), ("post_ffw_norm", "post_feedforward_layernorm")],
        ],
        ..Names::LLAMA
    };

    /// Norms before and after both halves of a block.
    pub(crate) const NORMS_AROUND: Names = Names {
        of_layer: [
            ATTENTION,
            &[
                ("attn_norm", "input_layernorm"),
                ("post_attention_norm", "post_attention_layernorm"),
                ("ffn_norm", "pre_feedforward_layernorm"),
                ("post_ffw_norm", "post_feedforward_layernorm"),
            ],
        ],
        ..Names::LLAMA
    };

    /// Norms around both halves of a block by other names, and a fused projection into the feed-forward layer.
    pub(crate) const GLM4: Names = Names {
        of_layer: [
            &[
                ("attn_norm", "input_layernorm"),
                ("post_attention_norm", "post_self_attn_layernorm"),
                ("ffn_norm", "post_attention_layernorm"),
                ("post_ffw_norm", "post_mlp_layernorm"),
                ("ffn_up", "mlp.gate_up_proj"),
            ],
            ATTENTION,
        ],
        ..Names::LLAMA
    };

    /// Norms before both halves of a block, the second by another name, and experts some of which every token passes.
    pub(crate) const GLM4_MOE: Names = Names {
        of_layer: [
            ATTENTION,
            &[
                ("attn_norm", "input_layernorm"),
                ("post_attention_norm", "post_attention_layernorm"),
                ("ffn_gate_inp", "mlp.gate"),
                ("exp_probs_b", ROUTER_BIAS),
                ("ffn_gate_exps", "mlp.experts.gate_proj"),
                ("ffn_up_exps", "mlp.experts.up_proj"),
                ("ffn_down_exps", "mlp.experts.down_proj"),
                ("ffn_gate_shexp", "mlp.shared_experts.gate_proj"),
                ("ffn_up_shexp", "mlp.shared_experts.up_proj"),
                ("ffn_down_shexp", "mlp.shared_experts.down_proj"),
            ],
        ],
        ..Names::LLAMA
    };

    /// The same norms.
    pub(crate) const SEED_OSS: Names = Names {
        of_layer: [ATTENTION, &[("attn_norm", "input_layernorm"), ("post_attention_norm", "post_attention_layernorm")]],
        ..Names::LLAMA
    };

    /// One norm and a plain feed-forward layer; projections into attention are fused in the oldest files.
    pub(crate) const PHI: Names = Names {
        whole: &[("token_embd", "model.embed_tokens"), ("output_norm", "model.final_layernorm"), ("output", "lm_head")],
        of_layer: [
            &[
                ("attn_norm", "input_layernorm"),
                ("attn_qkv", "self_attn.qkv_proj"),
                ("attn_output", "self_attn.dense"),
                ("ffn_up", "mlp.fc1"),
                ("ffn_down", "mlp.fc2"),
            ],
            ATTENTION,
        ],
        ..Names::LLAMA
    };

    /// Fused projections.
    pub(crate) const PHI3: Names = Names {
        of_layer: [
            &[
                ("attn_qkv", "self_attn.qkv_proj"),
                ("attn_output", "self_attn.o_proj"),
                ("ffn_up", "mlp.gate_up_proj"),
                ("ffn_down", "mlp.down_proj"),
            ],
            NORMS_BEFORE,
        ],
        ..Names::LLAMA
    };

    /// The matrices of all experts of a layer are one tensor each.
    pub(crate) const MIXTRAL: Names = Names {
        of_layer: [
            ATTENTION,
            &[
                ("attn_norm", "input_layernorm"),
                ("ffn_norm", "post_attention_layernorm"),
                ("ffn_gate_inp", "block_sparse_moe.gate"),
                ("ffn_gate_exps", "block_sparse_moe.experts.w1"),
                ("ffn_down_exps", "block_sparse_moe.experts.w2"),
                ("ffn_up_exps", "block_sparse_moe.experts.w3"),
            ],
        ],
        ..Names::LLAMA
    };

    /// The same, in some with an expert that every token passes.
    pub(crate) const QWEN_MOE: Names = Names {
        of_layer: [
            ATTENTION,
            &[
                ("attn_norm", "input_layernorm"),
                ("ffn_norm", "post_attention_layernorm"),
                ("ffn_gate_inp", "mlp.gate"),
                ("ffn_gate_exps", "mlp.experts.gate_proj"),
                ("ffn_up_exps", "mlp.experts.up_proj"),
                ("ffn_down_exps", "mlp.experts.down_proj"),
                ("ffn_gate_inp_shexp", "mlp.shared_expert_gate"),
                ("ffn_gate_shexp", "mlp.shared_expert.gate_proj"),
                ("ffn_up_shexp", "mlp.shared_expert.up_proj"),
                ("ffn_down_shexp", "mlp.shared_expert.down_proj"),
            ],
        ],
        ..Names::LLAMA
    };

    /// Latent attention, and experts some of which every token passes.
    pub(crate) const DEEPSEEK: Names = Names {
        of_layer: [
            &[
                ("attn_q_a", "self_attn.q_a_proj"),
                ("attn_q_a_norm", "self_attn.q_a_layernorm"),
                ("attn_q_b", "self_attn.q_b_proj"),
                ("attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa"),
                ("attn_kv_a_norm", "self_attn.kv_a_layernorm"),
                ("attn_kv_b", "self_attn.kv_b_proj"),
                // The two halves of the former, the first with columns for rows; no checkpoint has them so.
                ("attn_k_b", "self_attn.k_b_proj"),
                ("attn_v_b", "self_attn.v_b_proj"),
                ("attn_norm", "input_layernorm"),
                ("ffn_norm", "post_attention_layernorm"),
                ("ffn_gate_inp", "mlp.gate"),
                ("exp_probs_b", ROUTER_BIAS),
                ("ffn_gate_exps", "mlp.experts.gate_proj"),
                ("ffn_up_exps", "mlp.experts.up_proj"),
                ("ffn_down_exps", "mlp.experts.down_proj"),
                ("ffn_gate_shexp", "mlp.shared_experts.gate_proj"),
                ("ffn_up_shexp", "mlp.shared_experts.up_proj"),
                ("ffn_down_shexp", "mlp.shared_experts.down_proj"),
            ],
            ATTENTION,
        ],
        ..Names::LLAMA
    };

    /// Layer norms and a plain feed-forward layer.
    pub(crate) const STARCODER2: Names = Names {
        of_layer: [
            &[
                ("attn_norm", "input_layernorm"),
                ("ffn_norm", "post_attention_layernorm"),
                ("ffn_up", "mlp.c_fc"),
                ("ffn_down", "mlp.c_proj"),
            ],
            ATTENTION,
        ],
        ..Names::LLAMA
    };

    pub(crate) const GPT2: Names = Names {
        whole: &[
            ("token_embd", "transformer.wte"),
            ("position_embd", "transformer.wpe"),
            ("output_norm", "transformer.ln_f"),
            ("output", "lm_head"),
        ],
        layer: "transformer.h.",
        of_layer: [
            &[
                ("attn_norm", "ln_1"),
                ("attn_qkv", "attn.c_attn"),
                ("attn_output", "attn.c_proj"),
                ("ffn_norm", "ln_2"),
                ("ffn_up", "mlp.c_fc"),
                ("ffn_down", "mlp.c_proj"),
            ],
            &[],
        ],
    };

    pub(crate) const GPT_NEOX: Names = Names {
        whole: &[
            ("token_embd", "gpt_neox.embed_in"),
            ("output_norm", "gpt_neox.final_layer_norm"),
            ("output", "embed_out"),
            // As transformers 5 saves it.
            ("output", "lm_head"),
        ],
        layer: "gpt_neox.layers.",
        of_layer: [
            &[
                ("attn_norm", "input_layernorm"),
                ("attn_qkv", "attention.query_key_value"),
                ("attn_output", "attention.dense"),
                ("ffn_norm", "post_attention_layernorm"),
                ("ffn_up", "mlp.dense_h_to_4h"),
                ("ffn_down", "mlp.dense_4h_to_h"),
            ],
            &[],
        ],
    };

    /// The checkpoint's name of ggml's `name`, if it has one.
    pub(crate) fn translated(&self, name: &str) -> Option<String> {
        let find = |tables: &[Table], part: &str| {
            tables.iter().flat_map(|table| *table).find(|(own, _)| *own == part).map(|(_, translated)| *translated)
        };
        let (stem, kind) = name.rsplit_once('.')?;
        match layer_part(stem) {
            None => Some(format!("{}.{kind}", find(&[self.whole], stem)?)),
            Some((layer, part)) => match (find(&self.of_layer, part), expert_part(part)) {
                (Some(ROUTER_BIAS), _) => Some(format!("{}{layer}.{ROUTER_BIAS}", self.layer)),
                (Some(translated), _) => Some(format!("{}{layer}.{translated}.{kind}", self.layer)),
                (None, Some((stack, expert))) => {
                    let (experts, matrix) = find(&self.of_layer, &stack)?.rsplit_once('.')?;
                    Some(format!("{}{layer}.{experts}.{expert}.{matrix}.{kind}", self.layer))
                }
                (None, None) => None,
            },
        }
    }

    /// ggml's name of the checkpoint's `name`, and of which expert it is a part; the other way round of `translated`.
    pub(crate) fn ggml_name(&self, name: &str) -> Option<(String, Option<usize>)> {
        let name = name.strip_prefix("language_model.").unwrap_or(name).replacen("model.language_model.", "model.", 1);
        let (stem, kind) = if name.ends_with(ROUTER_BIAS) { (&*name, "bias") } else { name.rsplit_once('.')? };
        let base = self.layer.split_inclusive('.').next().unwrap_or_default();
        // Checkpoints of the class without an output matrix leave the base out.
        self.ggml_stem(stem, kind).or_else(|| self.ggml_stem(&format!("{base}{stem}"), kind))
    }

    fn ggml_stem(&self, stem: &str, kind: &str) -> Option<(String, Option<usize>)> {
        let find = |tables: &[Table], part: &str| {
            tables.iter().flat_map(|table| *table).find(|(_, translated)| *translated == part).map(|(own, _)| *own)
        };
        let Some((layer, part)) = stem.strip_prefix(self.layer).and_then(|rest| rest.split_once('.')) else {
            return Some((format!("{}.{kind}", find(&[self.whole], stem)?), None));
        };
        let layer: usize = layer.parse().ok()?;
        if let Some((before, of_expert)) = part.split_once(".experts.") {
            let (expert, matrix) = of_expert.split_once('.')?;
            let own = find(&self.of_layer, &format!("{before}.experts.{matrix}"))?;
            return Some((format!("blk.{layer}.{own}.{kind}"), Some(expert.parse().ok()?)));
        }
        Some((format!("blk.{layer}.{}.{kind}", find(&self.of_layer, part)?), None))
    }
}

/// The layer and the rest of `blk.<layer>.<rest>`.
pub(crate) fn layer_part(stem: &str) -> Option<(usize, &str)> {
    let (layer, part) = stem.strip_prefix("blk.")?.split_once('.')?;
    Some((layer.parse().ok()?, part))
}

/// The stack that newer files have for the matrix of an expert, and which expert: of `ffn_up.3`, `ffn_up_exps` and 3.
fn expert_part(part: &str) -> Option<(String, usize)> {
    let (matrix, expert) = part.split_once('.')?;
    Some((format!("{matrix}_exps"), expert.parse().ok()?))
}
