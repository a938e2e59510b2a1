//! Checkpoints as GGUF files, as llama.cpp's converter writes them: names, orders of rows, metadata.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::f64::consts::PI;
use std::path::Path;

use quire_gguf::{ElementType, GgufWriter, MetadataValue, TensorType};
use quire_models::read_config;
use quire_weights::{DType, FileSystem, ModelConfig, ModelDirectory, RopeScaling, StoredFormat, StoredTensor};

const NAMES: [(&str, &str); 31] = [
    ("embed_tokens", "token_embd"),
    ("norm", "output_norm"),
    ("lm_head", "output"),
    ("wte", "token_embd"),
    ("wpe", "position_embd"),
    ("ln_f", "output_norm"),
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("mlp.c_fc", "ffn_up"),
    ("ln_1", "attn_norm"),
    ("ln_2", "ffn_norm"),
    ("attn.c_attn", "attn_qkv"),
    ("attn.c_proj", "attn_output"),
    ("mlp.c_proj", "ffn_down"),
    ("model.", ""),
    ("transformer.", ""),
    ("layers.", "blk."),
    ("h.", "blk."),
    ("LlamaForCausalLM", "llama"),
    ("MistralForCausalLM", "llama"),
    ("GPT2LMHeadModel", "gpt2"),
    ("Starcoder2ForCausalLM", "starcoder2"),
];

fn renamed(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(own, _)| *own == name).map(|(_, other)| *other)
}

/// The checkpoint in the folder at `path` as one file; `None` if the format cannot say what it is.
pub(crate) fn converted(path: &Path) -> Option<Vec<u8>> {
    let directory = ModelDirectory::open(&FileSystem, path).unwrap();
    let config = read_config(&directory.config).unwrap();
    let architecture = match config.architecture.as_str() {
        "Qwen2ForCausalLM" => "qwen2",
        "Qwen3ForCausalLM" => "qwen3",
        other => renamed(other)?,
    };
    let windows = config.sliding_windows.iter().any(Option::is_some) && architecture != "starcoder2";
    if windows || config.document.flag("scale_attn_by_inverse_layer_idx", false).unwrap() {
        return None;
    }
    let mut writer = GgufWriter::default();
    write_config(&mut writer, architecture, &config)?;
    let has_embedding =
        directory.tensors.names().any(|name| ggml_name(name).is_some_and(|name| name == "token_embd.weight"));
    for name in directory.tensors.names() {
        let Some(ggml) = ggml_name(name) else { continue };
        let stored = directory.tensors.get(name).unwrap();
        // Tied: some checkpoints store the output matrix alone, the format knows the embedding.
        let tied = ggml == "output.weight" && config.tie_word_embeddings;
        if tied && has_embedding {
            continue;
        }
        let ggml = if tied { "token_embd.weight".to_string() } else { ggml };
        let transposed = architecture == "gpt2" && stored.shape.len() == 2 && ggml.starts_with("blk.");
        let heads = match ggml.split('.').nth(2) {
            Some("attn_q") if architecture == "llama" => Some(config.num_attention_heads),
            Some("attn_k") if architecture == "llama" => Some(config.num_key_value_heads),
            _ => None,
        };
        write_tensor(&mut writer, &ggml, &stored, transposed, heads);
    }
    Some(writer.finish())
}

fn ggml_name(name: &str) -> Option<String> {
    let (stem, kind) = name.rsplit_once('.')?;
    let stem = ["model.", "transformer."].iter().find_map(|base| stem.strip_prefix(base)).unwrap_or(stem);
    let in_layer = ["layers.", "h."].iter().find_map(|base| stem.strip_prefix(base));
    match in_layer.and_then(|rest| rest.split_once('.')) {
        Some((layer, part)) => Some(format!("blk.{layer}.{}.{kind}", renamed(part)?)),
        None => Some(format!("{}.{kind}", renamed(stem)?)),
    }
}

fn write_config(writer: &mut GgufWriter, architecture: &str, config: &ModelConfig) -> Option<()> {
    let count = |count: usize| MetadataValue::Integer(count as i128);
    writer.value("general.architecture", &MetadataValue::Text(architecture.to_string()));
    let mut set = |key: &str, value: MetadataValue| {
        writer.value(&format!("{architecture}.{key}"), &value);
    };
    set("block_count", count(config.num_hidden_layers));
    set("context_length", count(config.max_position_embeddings));
    set("embedding_length", count(config.hidden_size));
    set("feed_forward_length", count(config.intermediate_size));
    set("attention.head_count", count(config.num_attention_heads));
    set("attention.head_count_kv", count(config.num_key_value_heads));
    let norm =
        if matches!(architecture, "gpt2" | "starcoder2") { "layer_norm_epsilon" } else { "layer_norm_rms_epsilon" };
    set(&format!("attention.{norm}"), MetadataValue::Float(f64::from(config.norm_epsilon)));
    if let Some(Some(window)) = config.sliding_windows.first() {
        set("attention.sliding_window", count(*window));
    }
    let Some(rope) = &config.rope else { return Some(()) };
    set("attention.key_length", count(config.head_dim));
    set("attention.value_length", count(config.head_dim));
    set("rope.dimension_count", count(config.head_dim));
    set("rope.freq_base", MetadataValue::Float(rope.theta));
    let mut scale = |kind: &str, factor: f64, trained: Option<usize>| {
        set("rope.scaling.type", MetadataValue::Text(kind.to_string()));
        set("rope.scaling.factor", MetadataValue::Float(factor));
        if let Some(trained) = trained {
            set("rope.scaling.original_context_length", count(trained));
        }
    };
    match rope.scaling {
        RopeScaling::None => {}
        RopeScaling::Linear { factor } => scale("linear", factor, None),
        RopeScaling::Yarn { factor, original_max_position_embeddings, .. } => {
            scale("yarn", factor, Some(original_max_position_embeddings));
        }
        RopeScaling::Llama3 { .. } => write_rope_factors(writer, config),
        _ => return None,
    }
    Some(())
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
    let bytes: Vec<u8> = factors.flat_map(|factor: f64| (factor as f32).to_le_bytes()).collect();
    writer.tensor("rope_freqs.weight", &[config.head_dim / 2], TensorType::Elements(ElementType::F32), &bytes);
}

fn write_tensor(
    writer: &mut GgufWriter,
    name: &str,
    stored: &StoredTensor<'_>,
    transposed: bool,
    heads: Option<usize>,
) {
    let (element, size) = match stored.format {
        StoredFormat::Elements(DType::F32) => (ElementType::F32, 4),
        StoredFormat::Elements(DType::F16) => (ElementType::F16, 2),
        StoredFormat::Elements(DType::Bf16) => (ElementType::Bf16, 2),
        StoredFormat::Blocks(format) => panic!("{format} in a checkpoint"),
    };
    let rows = stored.shape[0];
    let row_bytes = stored.bytes().len() / rows;
    let mut shape = stored.shape.to_vec();
    let mut bytes = stored.bytes().to_vec();
    if transposed {
        let columns = shape[1];
        for row in 0..rows {
            for column in 0..columns {
                let from = row * row_bytes + column * size;
                bytes[(column * rows + row) * size..][..size].copy_from_slice(&stored.bytes()[from..from + size]);
            }
        }
        shape.reverse();
    }
    if let Some(heads) = heads {
        let half = rows / heads / 2;
        for (to, target) in bytes.chunks_mut(row_bytes).enumerate() {
            let (head, within) = (to / (2 * half), to % (2 * half));
            let from = head * 2 * half + within % 2 * half + within / 2;
            target.copy_from_slice(&stored.bytes()[from * row_bytes..][..row_bytes]);
        }
    }
    writer.tensor(name, &shape, TensorType::Elements(element), &bytes);
}
