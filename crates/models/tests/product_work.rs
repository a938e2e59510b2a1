//! What loading says of a token's products: the matrices of the layers, of experts those that are picked, and the output matrix.
#![expect(clippy::unwrap_used, reason = "tests")]

mod golden;

use std::sync::Arc;

use golden::fixtures;
use quire_kernels::{ElementType, Isa, Kernels, ThreadPool};
use quire_models::{CpuBackend, Quantization, StepWork, load, read_config};
use quire_weights::{FileSystem, ModelDirectory};

/// Loads a fixture; gives its work, and the weights that a token is multiplied with by the shapes in its file.
fn loaded(name: &str, dtype: ElementType, quantization: Quantization) -> (StepWork, u64, u64) {
    let model = fixtures().into_iter().find(|model| model.name == name).unwrap();
    let directory = ModelDirectory::open(&FileSystem, &model.path).unwrap();
    let config = read_config(&directory.config).unwrap();
    let field = |field: &str| directory.config.count(field).unwrap().unwrap_or(1) as u64;
    let num_experts = field("num_local_experts").max(field("num_experts")).max(field("n_routed_experts"));
    let picked = field("num_experts_per_tok");
    let (mut of_token, mut of_experts) = (0, 0);
    for tensor in directory.tensors.names() {
        let shape = directory.tensors.get(tensor).unwrap().shape.to_vec();
        let weights = shape.iter().product::<usize>() as u64;
        let is_looked_up = ["embed", "wte", "wpe", "lm_head"].iter().any(|part| tensor.contains(part));
        if shape.len() >= 2 && !is_looked_up {
            *(if tensor.contains(".experts.") { &mut of_experts } else { &mut of_token }) += weights;
        }
    }
    of_token += of_experts * picked / num_experts;
    let backend =
        CpuBackend::new(Arc::new(Kernels::new(Isa::detect()).unwrap()), Arc::new(ThreadPool::new(1).unwrap()), dtype)
            .with_quantization(quantization);
    let work = load(&backend, &config, &directory.tensors, &|_| {}).unwrap().work.unwrap();
    (work, of_token, (config.vocab_size * config.hidden_size) as u64)
}

#[test]
fn a_token_is_multiplied_with_what_its_layers_have() {
    let names = ["llama_untied", "llama_gqa", "gpt2", "phi3", "mixtral", "qwen2_moe", "olmoe", "deepseek_v2"];
    for name in names {
        let (StepWork { token, logits }, of_token, of_logits) = loaded(name, ElementType::F32, Quantization::None);
        assert_eq!(token.f32_operations, 2 * of_token, "{name}");
        assert_eq!(logits.f32_operations, 2 * of_logits, "{name}");
        assert_eq!([token.bf16_operations, token.int8_operations, logits.bf16_operations], [0; 3], "{name}");
        // Panels are of sixteen outputs, and some are not full.
        let bytes = 4 * of_token;
        assert!((bytes..2 * bytes).contains(&token.weight_bytes), "{name}: {} for {bytes}", token.weight_bytes);
    }
}

#[test]
fn operations_are_of_the_type_that_multiplies() {
    let (bf16, of_token, of_logits) = loaded("llama_gqa", ElementType::Bf16, Quantization::Stored);
    assert_eq!((bf16.token.bf16_operations, bf16.logits.bf16_operations), (2 * of_token, 2 * of_logits));
    assert_eq!((bf16.token.f32_operations, bf16.token.int8_operations), (0, 0));
    let (int8, ..) = loaded("llama_gqa", ElementType::Bf16, Quantization::Int8);
    assert_eq!((int8.token.int8_operations, int8.token.bf16_operations), (2 * of_token, 0));
    assert!(int8.token.weight_bytes < bf16.token.weight_bytes);
}
