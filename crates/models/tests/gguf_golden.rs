//! Checkpoints that were converted to GGUF give the golden outputs of the checkpoints.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod converter;
mod golden;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use converter::{Manner, converted_in};
use golden::{GoldenModel, PagedSession, argmax, check_golden, fixtures, logprob, real_models, shared_models, skipped};
use quire_kernels::{ElementType, Isa, Kernels, ThreadPool};
use quire_models::{CpuBackend, Quantization, read_config};
use quire_weights::{FileSystem, ModelConfig, ModelDirectory, StoredFormat};

/// What of a configuration a model computes with.
fn sizes(config: &ModelConfig) -> [usize; 8] {
    [
        config.vocab_size,
        config.hidden_size,
        config.intermediate_size,
        config.num_hidden_layers,
        config.num_attention_heads,
        config.num_key_value_heads,
        config.head_dim,
        config.max_position_embeddings,
    ]
}

/// Checks those of `models` that can be converted; their names.
fn check_converted(models: Vec<GoldenModel>, tolerance: f32) -> Vec<String> {
    check_converted_in(Manner::default(), models, tolerance)
}

fn check_converted_in(manner: Manner, models: Vec<GoldenModel>, tolerance: f32) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for model in models {
        let Some(file) = converted_in(manner, &model.path) else { continue };
        let path = folder.path().join(format!("{}.gguf", model.name));
        std::fs::write(&path, file).unwrap();
        let original = read_config(&ModelDirectory::open(&FileSystem, &model.path).unwrap().config).unwrap();
        let config = read_config(&ModelDirectory::open(&FileSystem, &path).unwrap().config).unwrap();
        assert_eq!(sizes(&config), sizes(&original), "{}", model.name);
        assert_eq!(config.norm_epsilon, original.norm_epsilon, "{}", model.name);
        assert_eq!(config.sliding_windows, original.sliding_windows, "{}", model.name);
        let kernels = Arc::new(Kernels::new(Isa::detect()).unwrap());
        let backend = CpuBackend::new(kernels, Arc::new(ThreadPool::new(2).unwrap()), ElementType::F32)
            .with_quantization(Quantization::None);
        check_golden(backend, &GoldenModel { path, ..model }, tolerance);
        names.push(config.architecture);
    }
    names
}

#[test]
fn converted_fixtures_agree_with_transformers() {
    let names = check_converted(fixtures(), 2e-4);
    let of = |name: &str| names.iter().filter(|found| *found == name).count();
    assert!(of("LlamaForCausalLM") >= 12, "{names:?}");
    assert!(of("Qwen2ForCausalLM") >= 2 && of("Qwen3ForCausalLM") >= 2, "{names:?}");
    assert!(of("GPT2LMHeadModel") >= 2 && of("Starcoder2ForCausalLM") >= 3, "{names:?}");
    assert!(of("StableLmForCausalLM") >= 2, "{names:?}");
    assert!(of("DeepseekV2ForCausalLM") >= 1 && of("DeepseekV3ForCausalLM") >= 2, "{names:?}");
    assert!(of("Gemma3ForCausalLM") >= 2 && of("Phi3ForCausalLM") >= 3, "{names:?}");
    for name in [
        "Cohere", "Cohere2", "Ernie4_5", "Exaone4", "Gemma", "Gemma2", "Glm4", "Glm4Moe", "GPTNeoX", "Granite",
        "Mixtral", "Olmo2", "Olmo3", "Olmoe", "Phi", "Qwen2Moe", "Qwen3Moe", "SeedOss", "SmolLM3",
    ] {
        assert!(of(&format!("{name}ForCausalLM")) >= 1, "{name}: {names:?}");
    }
}

#[test]
fn experts_in_tensors_of_their_own_are_the_same() {
    let models =
        fixtures().into_iter().filter(|model| ["mixtral", "qwen3_moe"].contains(&model.name.as_str())).collect();
    assert_eq!(check_converted_in(Manner { experts_apart: true, ..Manner::default() }, models, 2e-4).len(), 2);
}

#[test]
fn factors_of_frequencies_concern_only_layers_that_have_these() {
    // Of these, some layers are not rotated.
    let names = ["cohere2", "exaone4", "smollm3"];
    let models = fixtures().into_iter().filter(|model| names.contains(&model.name.as_str())).collect();
    let manner = Manner { factors_of_one: true, ..Manner::default() };
    assert_eq!(check_converted_in(manner, models, 2e-4).len(), names.len());
}

#[test]
fn converted_shared_models_agree_with_transformers() {
    match shared_models() {
        Ok(models) => assert!(check_converted(models, 1e-3).len() >= 5),
        Err(reason) => skipped("converted_shared_models_agree_with_transformers", &reason),
    }
}

/// The folder of a fetched checkpoint and the file that was made of it.
fn real_file() -> Result<(GoldenModel, PathBuf), String> {
    let model = real_models()?.remove(0);
    let file = model.path.with_file_name(format!("{}.Q4_1.gguf", model.name));
    if file.exists() { Ok((model, file)) } else { Err(format!("{} is not there", file.display())) }
}

/// Writes the weights of a GGUF file as float32, under the names and with the configuration of the checkpoint.
fn dequantised(file: &Path, checkpoint: &Path, folder: &Path) {
    let tensors = ModelDirectory::open(&FileSystem, file).unwrap().tensors;
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for name in tensors.names() {
        let stored = tensors.get(name).unwrap();
        let begin = data.len();
        match stored.format {
            StoredFormat::Elements(_) => data.extend_from_slice(stored.bytes()),
            StoredFormat::Int8 => panic!("{name}: a GGUF file has no rows of bytes"),
            StoredFormat::Blocks(format) => {
                let mut values = vec![0.0_f32; stored.shape.iter().product()];
                quire_blocks::dequantise(format, stored.bytes(), &mut values);
                data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
        let offsets = [begin, data.len()];
        let entry = serde_json::json!({"dtype": "F32", "shape": stored.shape, "data_offsets": offsets});
        header.insert(name.to_string(), entry);
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.append(&mut data);
    std::fs::write(folder.join("model.safetensors"), bytes).unwrap();
    std::fs::copy(checkpoint.join("config.json"), folder.join("config.json")).unwrap();
}

fn session(path: &Path, longest: usize) -> PagedSession<CpuBackend> {
    let kernels = Arc::new(Kernels::new(Isa::detect()).unwrap());
    let backend = CpuBackend::new(kernels, Arc::new(ThreadPool::new(2).unwrap()), ElementType::F32)
        .with_quantization(Quantization::None);
    PagedSession::open(backend, path, ElementType::F32, 16, 1, longest)
}

#[test]
fn a_real_file_gives_the_tokens_of_its_dequantised_weights() {
    const TOKENS: usize = 32;
    let (model, file) = match real_file() {
        Ok(found) => found,
        Err(reason) => return skipped("a_real_file_gives_the_tokens_of_its_dequantised_weights", &reason),
    };
    let folder = tempfile::tempdir().unwrap();
    dequantised(&file, &model.path, folder.path());
    let cases: Vec<_> = model.cases.iter().filter(|case| case.prompt.len() < 64).take(3).collect();
    let longest = cases.iter().map(|case| case.prompt.len() + TOKENS).max().unwrap();
    let mut quantised = session(&file, longest);
    let mut widened = session(folder.path(), longest);
    let mut original = session(&model.path, longest);
    let (mut agreeing, mut rows, mut distance) = (0, 0, 0.0);
    for case in cases {
        let tokens = quantised.greedy(0, &case.prompt, usize::MAX, TOKENS);
        assert_eq!(tokens, widened.greedy(0, &case.prompt, usize::MAX, TOKENS), "{:?}", case.prompt);
        let forced: Vec<i32> = case.prompt.iter().chain(&case.greedy).copied().take(longest).collect();
        quantised.restart(0);
        original.restart(0);
        for (found, exact) in quantised.step(&[(0, &forced)]).iter().zip(&original.step(&[(0, &forced)])) {
            agreeing += usize::from(argmax(found) == argmax(exact));
            distance += (logprob(found, argmax(exact)) - logprob(exact, argmax(exact))).abs();
            rows += 1;
        }
    }
    let (agreeing, distance) = (agreeing as f32 / rows as f32, distance / rows as f32);
    println!("{rows} rows: {agreeing} have the original's likeliest token, whose log-probability is off by {distance}");
    assert!(agreeing > 0.8 && distance < 0.4, "{agreeing} {distance}");
}
