//! Checkpoints as GGUF files, as llama.cpp's converter writes them: names, orders of rows, metadata.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod metadata;
mod names;

use std::collections::BTreeMap;
use std::path::Path;

use quire_gguf::{ElementType, GgufWriter, TensorType};
use quire_models::read_config;
use quire_weights::{DType, FileSystem, ModelConfig, ModelDirectory, StoredFormat, StoredTensor};

use names::{expert_of, ggml_name};

/// What files differ in that say the same.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Each matrix of each expert is a tensor, as at first.
    pub(crate) experts_apart: bool,
    /// Rotary frequencies are divided by factors of 1.
    pub(crate) factors_of_one: bool,
}

/// The checkpoint in the folder at `path` as one file; `None` if the format cannot say what it is.
pub(crate) fn converted(path: &Path) -> Option<Vec<u8>> {
    converted_in(Manner::default(), path)
}

/// The same in another manner.
pub(crate) fn converted_in(manner: Manner, path: &Path) -> Option<Vec<u8>> {
    let directory = ModelDirectory::open(&FileSystem, path).unwrap();
    let config = read_config(&directory.config).unwrap();
    let architecture = names::architecture(&config.architecture)?;
    let has_windows = config.sliding_windows.iter().any(Option::is_some);
    let knows_windows =
        matches!(architecture, "gemma2" | "gemma3" | "olmo2" | "phi3" | "starcoder2" | "cohere2" | "exaone4");
    let flag = |field: &str, default: bool| config.document.flag(field, default).unwrap();
    let unspoken = flag("scale_attn_by_inverse_layer_idx", false) || !flag("rope_interleave", true);
    if has_windows && !knows_windows || unspoken {
        return None;
    }
    let mut writer = GgufWriter::default();
    metadata::write_config(&mut writer, architecture, &config)?;
    if manner.factors_of_one {
        metadata::write_factors(&mut writer, "rope_freqs.weight", &vec![1.0; config.rotary_dim / 2]);
    }
    let ggml_name = |name: &str| ggml_name(architecture, name);
    let has_embedding =
        directory.tensors.names().any(|name| ggml_name(name).is_some_and(|name| name == "token_embd.weight"));
    let mut experts: BTreeMap<String, BTreeMap<usize, &str>> = BTreeMap::new();
    for name in directory.tensors.names() {
        if let Some((stack, expert)) = expert_of(name) {
            if manner.experts_apart {
                let ggml = stack.replace("_exps.weight", &format!(".{expert}.weight"));
                write_tensor(&mut writer, &ggml, &directory.tensors.get(name).unwrap(), false, None);
                continue;
            }
            experts.entry(stack).or_default().insert(expert, name);
            continue;
        }
        let Some(ggml) = ggml_name(name) else { continue };
        let stored = directory.tensors.get(name).unwrap();
        // Tied: some checkpoints store the output matrix alone, the format knows the embedding.
        let tied = ggml == "output.weight" && config.tie_word_embeddings;
        if tied && has_embedding {
            continue;
        }
        let ggml = if tied { "token_embd.weight".to_string() } else { ggml };
        if architecture.starts_with("gemma") && ggml.ends_with("norm.weight") {
            write_gain(&mut writer, &ggml, &stored);
            continue;
        }
        // Newer files have its halves, the first with columns for rows.
        if ggml.ends_with("attn_kv_b.weight") && config.architecture != "DeepseekV2ForCausalLM" {
            write_latent_maps(&mut writer, &ggml, &stored, &config);
            continue;
        }
        if architecture == "gptneox" && ggml.contains("attn_qkv") {
            write_parts_in_turn(&mut writer, &ggml, &stored, config.num_attention_heads);
            continue;
        }
        let transposed = architecture == "gpt2" && stored.shape.len() == 2 && ggml.starts_with("blk.");
        let alternates = matches!(architecture, "llama" | "granite" | "smollm3");
        let heads = match ggml.split('.').nth(2) {
            Some("attn_q") if alternates => Some(config.num_attention_heads),
            Some("attn_k") if alternates => Some(config.num_key_value_heads),
            _ => None,
        };
        write_tensor(&mut writer, &ggml, &stored, transposed, heads);
    }
    for (stack, names) in experts {
        write_stack(
            &mut writer,
            &stack,
            &names.into_values().map(|name| directory.tensors.get(name).unwrap()).collect::<Vec<_>>(),
        );
    }
    Some(writer.finish())
}

/// The matrices of all experts as one tensor.
fn write_stack(writer: &mut GgufWriter, name: &str, experts: &[StoredTensor<'_>]) {
    let shape = [&[experts.len()], experts[0].shape].concat();
    let bytes = experts.iter().map(StoredTensor::bytes).collect::<Vec<_>>().concat();
    writer.tensor(name, &shape, TensorType::Elements(ElementType::F32), &bytes);
}

/// The map to keys and values of latent attention.
fn write_latent_maps(writer: &mut GgufWriter, name: &str, stored: &StoredTensor<'_>, config: &ModelConfig) {
    let size = |field: &str| config.document.count(field).unwrap().unwrap();
    let (heads, rank) = (config.num_attention_heads, stored.shape[1]);
    let (key, value) = (size("qk_nope_head_dim"), size("v_head_dim"));
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for of_head in stored.bytes().chunks((key + value) * rank * 4) {
        let (of_key, of_value) = of_head.split_at(key * rank * 4);
        for column in 0..rank {
            keys.extend((0..key).flat_map(|row| &of_key[(row * rank + column) * 4..][..4]));
        }
        values.extend_from_slice(of_value);
    }
    let format = TensorType::Elements(ElementType::F32);
    writer.tensor(&name.replace("attn_kv_b", "attn_k_b"), &[heads, rank, key], format, &keys);
    writer.tensor(&name.replace("attn_kv_b", "attn_v_b"), &[heads, value, rank], format, &values);
}

/// Queries, keys and values, which the checkpoint has head by head, one after another.
fn write_parts_in_turn(writer: &mut GgufWriter, name: &str, stored: &StoredTensor<'_>, num_heads: usize) {
    let part_bytes = stored.bytes().len() / (3 * num_heads);
    let parts: Vec<&[u8]> = stored.bytes().chunks(part_bytes).collect();
    let bytes: Vec<u8> =
        (0..3).flat_map(|part| parts.iter().skip(part).step_by(3).flat_map(|part| *part)).copied().collect();
    writer.tensor(name, stored.shape, TensorType::Elements(ElementType::F32), &bytes);
}

/// A gain that the checkpoint has as its distance from 1.
fn write_gain(writer: &mut GgufWriter, name: &str, stored: &StoredTensor<'_>) {
    let values = stored.bytes().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes) + 1.0);
    let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    writer.tensor(name, stored.shape, TensorType::Elements(ElementType::F32), &bytes);
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
        other => panic!("{other} in a checkpoint"),
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
    // The gate of the expert that every token passes is a vector.
    if name.ends_with("ffn_gate_inp_shexp.weight") {
        shape.remove(0);
    }
    writer.tensor(name, &shape, TensorType::Elements(element), &bytes);
}
