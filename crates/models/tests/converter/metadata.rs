//! Configurations as llama.cpp's converter writes them into a file's metadata.

use std::f64::consts::PI;

use quire_gguf::{ElementType, GgufWriter, MetadataValue, TensorType};
use quire_weights::{ModelConfig, RopeScaling};

/// The values of one architecture.
struct Values<'a> {
    writer: &'a mut GgufWriter,
    architecture: &'a str,
}

impl Values<'_> {
    fn set(&mut self, key: &str, value: MetadataValue) {
        self.writer.value(&format!("{}.{key}", self.architecture), &value);
    }

    fn count(&mut self, key: &str, count: usize) {
        self.set(key, MetadataValue::Integer(count as i128));
    }

    /// As the format has numbers: float32.
    fn number(&mut self, key: &str, number: f64) {
        self.set(key, MetadataValue::Float(f64::from(number as f32)));
    }
}

/// Writes the configuration; `None` if the format cannot say what it is.
pub(super) fn write_config(writer: &mut GgufWriter, architecture: &str, config: &ModelConfig) -> Option<()> {
    writer.value("general.architecture", &MetadataValue::Text(architecture.to_string()));
    let mut values = Values { writer, architecture };
    // A layer that guesses further tokens counts as well.
    let num_guessing = usize::from(architecture == "glm4moe");
    values.count("block_count", config.num_hidden_layers + num_guessing);
    if num_guessing > 0 {
        values.count("nextn_predict_layers", num_guessing);
    }
    values.count("context_length", config.max_position_embeddings);
    values.count("embedding_length", config.hidden_size);
    values.count("feed_forward_length", config.intermediate_size);
    values.count("attention.head_count", config.num_attention_heads);
    values.count("attention.head_count_kv", config.num_key_value_heads);
    let norm = match architecture {
        "gpt2" | "gptneox" | "starcoder2" | "command-r" | "cohere2" | "stablelm" | "phi2" => "layer_norm_epsilon",
        _ => "layer_norm_rms_epsilon",
    };
    values.set(&format!("attention.{norm}"), MetadataValue::Float(f64::from(config.norm_epsilon)));
    write_windows(&mut values, config);
    write_own(&mut values, config);
    let Some(rope) = &config.rope else { return Some(()) };
    if architecture == "deepseek2" {
        write_latent(&mut values, config);
        values.count("rope.dimension_count", config.rotary_dim);
        values.number("rope.freq_base", rope.theta);
        return write_scaling(&mut values, config);
    }
    match architecture {
        "glm4moe" => write_routed_experts(&mut values, config),
        "gptneox" => {
            let is_parallel = config.document.flag("use_parallel_residual", true).unwrap();
            values.set("use_parallel_residual", MetadataValue::Bool(is_parallel));
        }
        _ => {}
    }
    // Some files leave the size of heads to be derived.
    if !matches!(architecture, "phi3" | "granite" | "gptneox") {
        values.count("attention.key_length", config.head_dim);
        values.count("attention.value_length", config.head_dim);
    }
    values.count("rope.dimension_count", (config.head_dim as f64 * rope.partial_rotary_factor) as usize);
    values.number("rope.freq_base", rope.theta);
    if let (Some(windowed), "gemma3") = (&config.windowed_rope, architecture) {
        values.number("rope.freq_base_swa", windowed.theta);
    }
    write_scaling(&mut values, config)
}

fn write_windows(values: &mut Values<'_>, config: &ModelConfig) {
    if let Some(window) = config.sliding_windows.iter().flatten().next() {
        values.count("attention.sliding_window", *window);
    } else if values.architecture == "phi3" {
        values.count("attention.sliding_window", 0);
    }
    if matches!(values.architecture, "gemma3" | "olmo2" | "exaone4")
        && config.sliding_windows.iter().any(Option::is_some)
    {
        let flags = config.sliding_windows.iter().map(Option::is_some).collect();
        values.set("attention.sliding_window_pattern", MetadataValue::Bools(flags));
    }
}

/// Latent attention. Older files lack the names that end in `_mla`.
fn write_latent(values: &mut Values<'_>, config: &ModelConfig) {
    let count = |field: &str| config.document.count(field).unwrap();
    let is_newer = config.architecture != "DeepseekV2ForCausalLM";
    let key = count("qk_nope_head_dim").unwrap() + config.rotary_dim;
    let suffix = if is_newer { "_mla" } else { "" };
    values.count(&format!("attention.key_length{suffix}"), key);
    values.count(&format!("attention.value_length{suffix}"), count("v_head_dim").unwrap());
    if is_newer {
        values.count("attention.key_length", config.head_dim);
        values.count("attention.value_length", config.head_dim - config.rotary_dim);
    }
    write_routed_experts(values, config);
}

/// DeepSeek's experts, and those of others that pick them so.
fn write_routed_experts(values: &mut Values<'_>, config: &ModelConfig) {
    let count = |field: &str| config.document.count(field).unwrap();
    let is_newer = config.architecture != "DeepseekV2ForCausalLM";
    values.count("expert_gating_func", if is_newer { 2 } else { 1 });
    let renamed = [
        ("kv_lora_rank", "attention.kv_lora_rank"),
        ("q_lora_rank", "attention.q_lora_rank"),
        ("n_routed_experts", "expert_count"),
        ("num_experts_per_tok", "expert_used_count"),
        ("n_shared_experts", "expert_shared_count"),
        ("first_k_dense_replace", "leading_dense_block_count"),
        ("n_group", "expert_group_count"),
        ("topk_group", "expert_group_used_count"),
    ];
    for (field, key) in renamed {
        if let Some(count) = count(field) {
            values.count(key, count);
        }
    }
    values.number("expert_weights_scale", config.document.number("routed_scaling_factor").unwrap().unwrap());
    let normalised = config.document.flag("norm_topk_prob", false).unwrap();
    values.set("expert_weights_norm", MetadataValue::Bool(normalised));
}

/// What one architecture has alone.
fn write_own(values: &mut Values<'_>, config: &ModelConfig) {
    let number = |field: &str| config.document.number(field).unwrap();
    let count = |field: &str| config.document.count(field).unwrap();
    let renamed = [
        ("attn_logit_softcapping", "attn_logit_softcapping"),
        ("final_logit_softcapping", "final_logit_softcapping"),
        ("attention_multiplier", "attention.scale"),
        ("embedding_multiplier", "embedding_scale"),
        ("residual_multiplier", "residual_scale"),
        ("logits_scaling", "logit_scale"),
        ("logit_scale", "logit_scale"),
    ];
    for (field, key) in renamed {
        if let Some(number) = number(field) {
            values.number(key, number);
        }
    }
    // Not the converter's, which knows the published models by their sizes.
    if let Some(scalar) = number("query_pre_attn_scalar") {
        values.number("attention.scale", scalar.powf(-0.5));
    }
    if let Some(experts) = count("num_local_experts").or_else(|| count("num_experts")) {
        values.count("expert_count", experts);
        values.count("expert_used_count", count("num_experts_per_tok").unwrap());
    }
    let widths = [
        ("moe_intermediate_size", "expert_feed_forward_length"),
        ("shared_expert_intermediate_size", "expert_shared_feed_forward_length"),
    ];
    for (field, key) in widths {
        if let Some(width) = count(field) {
            values.count(key, width);
        }
    }
}

fn write_scaling(values: &mut Values<'_>, config: &ModelConfig) -> Option<()> {
    let scale = |values: &mut Values<'_>, kind: &str, factor: f64| {
        values.set("rope.scaling.type", MetadataValue::Text(kind.to_string()));
        values.number("rope.scaling.factor", factor);
    };
    let trained = "rope.scaling.original_context_length";
    match &config.rope.as_ref()?.scaling {
        RopeScaling::None => {}
        RopeScaling::Linear { factor } => scale(values, "linear", *factor),
        RopeScaling::Yarn { factor, original_max_position_embeddings, mscale, mscale_all_dim, .. } => {
            // Files have one number for both.
            if mscale != mscale_all_dim {
                return None;
            }
            scale(values, "yarn", *factor);
            if let Some(growth) = mscale_all_dim {
                values.number("rope.scaling.yarn_log_multiplier", growth / 10.0);
            }
            values.count(trained, *original_max_position_embeddings);
        }
        RopeScaling::Llama3 { .. } => write_rope_factors(values.writer, config),
        RopeScaling::LongRope { short_factor, long_factor, attention_factor, original_max_position_embeddings } => {
            values.number("rope.scaling.attn_factor", *attention_factor);
            values.count(trained, *original_max_position_embeddings);
            write_factors(values.writer, "rope_factors_short.weight", short_factor);
            write_factors(values.writer, "rope_factors_long.weight", long_factor);
        }
        RopeScaling::Dynamic { .. } => return None,
    }
    Some(())
}

pub(super) fn write_factors(writer: &mut GgufWriter, name: &str, factors: &[f64]) {
    let bytes: Vec<u8> = factors.iter().flat_map(|&factor| (factor as f32).to_le_bytes()).collect();
    writer.tensor(name, &[factors.len()], TensorType::Elements(ElementType::F32), &bytes);
}

/// Llama 3.1's stretched wavelengths, one factor for each pair.
fn write_rope_factors(writer: &mut GgufWriter, config: &ModelConfig) {
    let rope = config.rope.as_ref().unwrap();
    let RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } =
        rope.scaling
    else {
        return;
    };
    let trained = original_max_position_embeddings as f64;
    let factors = (0..config.head_dim / 2).map(|pair| {
        let wavelength = 2.0 * PI * rope.theta.powf(2.0 * pair as f64 / config.head_dim as f64);
        if wavelength < trained / high_freq_factor {
            1.0
        } else if wavelength > trained / low_freq_factor {
            factor
        } else {
            let smooth = (trained / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    });
    write_factors(writer, "rope_freqs.weight", &factors.collect::<Vec<f64>>());
}
