//! What llama.cpp's converter calls the tensors of checkpoints.

/// Of the tensors that have one name in every architecture: in the checkpoint, in the file.
const NAMES: [(&str, &str); 55] = [
    ("embed_in", "token_embd"),
    ("final_layer_norm", "output_norm"),
    ("embed_out", "output"),
    ("attention.query_key_value", "attn_qkv"),
    ("attention.dense", "attn_output"),
    ("mlp.dense_h_to_4h", "ffn_up"),
    ("mlp.dense_4h_to_h", "ffn_down"),
    ("final_layernorm", "output_norm"),
    ("post_self_attn_layernorm", "post_attention_norm"),
    ("post_mlp_layernorm", "post_ffw_norm"),
    ("self_attn.dense", "attn_output"),
    ("mlp.fc1", "ffn_up"),
    ("mlp.fc2", "ffn_down"),
    ("embed_tokens", "token_embd"),
    ("norm", "output_norm"),
    ("lm_head", "output"),
    ("wte", "token_embd"),
    ("wpe", "position_embd"),
    ("ln_f", "output_norm"),
    ("input_layernorm", "attn_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.qkv_proj", "attn_qkv"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("self_attn.q_a_proj", "attn_q_a"),
    ("self_attn.q_a_layernorm", "attn_q_a_norm"),
    ("self_attn.q_b_proj", "attn_q_b"),
    ("self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"),
    ("self_attn.kv_a_layernorm", "attn_kv_a_norm"),
    ("self_attn.kv_b_proj", "attn_kv_b"),
    ("mlp.shared_experts.gate_proj", "ffn_gate_shexp"),
    ("mlp.shared_experts.up_proj", "ffn_up_shexp"),
    ("mlp.shared_experts.down_proj", "ffn_down_shexp"),
    ("mlp.gate.e_score_correction_bias", "exp_probs_b"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.gate_up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("mlp.c_fc", "ffn_up"),
    ("mlp.gate", "ffn_gate_inp"),
    ("mlp.shared_expert_gate", "ffn_gate_inp_shexp"),
    ("mlp.shared_expert.gate_proj", "ffn_gate_shexp"),
    ("mlp.shared_expert.up_proj", "ffn_up_shexp"),
    ("mlp.shared_expert.down_proj", "ffn_down_shexp"),
    ("block_sparse_moe.gate", "ffn_gate_inp"),
    ("ln_1", "attn_norm"),
    ("ln_2", "ffn_norm"),
    ("attn.c_attn", "attn_qkv"),
    ("attn.c_proj", "attn_output"),
    ("mlp.c_proj", "ffn_down"),
];

/// Of the matrices of an expert.
const EXPERTS: [(&str, &str); 6] = [
    ("w1", "ffn_gate_exps"),
    ("w2", "ffn_down_exps"),
    ("w3", "ffn_up_exps"),
    ("gate_proj", "ffn_gate_exps"),
    ("down_proj", "ffn_down_exps"),
    ("up_proj", "ffn_up_exps"),
];

const ARCHITECTURES: [(&str, &str); 32] = [
    ("Cohere2ForCausalLM", "cohere2"),
    ("CohereForCausalLM", "command-r"),
    ("Ernie4_5ForCausalLM", "ernie4_5"),
    ("Exaone4ForCausalLM", "exaone4"),
    ("Glm4ForCausalLM", "glm4"),
    ("GPTNeoXForCausalLM", "gptneox"),
    ("Glm4MoeForCausalLM", "glm4moe"),
    ("Glm4MoeLiteForCausalLM", "deepseek2"),
    ("OlmoeForCausalLM", "olmoe"),
    ("PhiForCausalLM", "phi2"),
    ("SeedOssForCausalLM", "seed_oss"),
    ("SmolLM3ForCausalLM", "smollm3"),
    ("StableLmForCausalLM", "stablelm"),
    ("DeepseekV2ForCausalLM", "deepseek2"),
    ("DeepseekV3ForCausalLM", "deepseek2"),
    ("GPT2LMHeadModel", "gpt2"),
    ("Gemma2ForCausalLM", "gemma2"),
    ("Gemma3ForCausalLM", "gemma3"),
    ("Gemma3ForConditionalGeneration", "gemma3"),
    ("GemmaForCausalLM", "gemma"),
    ("GraniteForCausalLM", "granite"),
    ("LlamaForCausalLM", "llama"),
    ("MistralForCausalLM", "llama"),
    ("MixtralForCausalLM", "llama"),
    ("Olmo2ForCausalLM", "olmo2"),
    ("Olmo3ForCausalLM", "olmo2"),
    ("Phi3ForCausalLM", "phi3"),
    ("Qwen2ForCausalLM", "qwen2"),
    ("Qwen2MoeForCausalLM", "qwen2moe"),
    ("Qwen3ForCausalLM", "qwen3"),
    ("Qwen3MoeForCausalLM", "qwen3moe"),
    ("Starcoder2ForCausalLM", "starcoder2"),
];

fn look_up(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(own, _)| *own == name).map(|(_, other)| *other)
}

/// The format's name of a class.
pub(super) fn architecture(class: &str) -> Option<&'static str> {
    look_up(&ARCHITECTURES, class)
}

/// The file's name of the checkpoint's `name`.
pub(super) fn ggml_name(architecture: &str, name: &str) -> Option<String> {
    let name = name.strip_prefix("language_model.").unwrap_or(name);
    let (stem, kind) = match name.ends_with("e_score_correction_bias") {
        true => (name, "bias"),
        false => name.rsplit_once('.')?,
    };
    let stem = ["model.", "transformer.", "gpt_neox."].iter().find_map(|base| stem.strip_prefix(base)).unwrap_or(stem);
    let in_layer = ["layers.", "h."].iter().find_map(|base| stem.strip_prefix(base));
    match in_layer.and_then(|rest| rest.split_once('.')) {
        // The only name that stands for two norms.
        Some((layer, "post_attention_layernorm")) => {
            let is_after = matches!(architecture, "olmo2" | "gemma2" | "gemma3" | "exaone4" | "glm4moe" | "seed_oss");
            Some(format!("blk.{layer}.{}.{kind}", if is_after { "post_attention_norm" } else { "ffn_norm" }))
        }
        Some((layer, part)) => Some(format!("blk.{layer}.{}.{kind}", look_up(&NAMES, part)?)),
        None => Some(format!("{}.{kind}", look_up(&NAMES, stem)?)),
    }
}

/// The stack that a matrix of an expert belongs to, and which expert it is.
pub(super) fn expert_of(name: &str) -> Option<(String, usize)> {
    let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (_, of_experts) = part.split_once(".experts.")?;
    let (expert, matrix) = of_experts.strip_suffix(".weight")?.split_once('.')?;
    Some((format!("blk.{layer}.{}.weight", look_up(&EXPERTS, matrix)?), expert.parse().ok()?))
}
