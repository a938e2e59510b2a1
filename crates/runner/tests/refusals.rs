//! What a runner refuses: models, caches and batches that do not fit, each with its code, and nothing else lost.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use quire_core::{BatchRow, BlockId, InputBatchBuffer, InputBatchView, SamplingColumns, SequenceId};
use quire_runner::{
    BackendKind, CandleRunner, FileSystem, HostDType, HostTensor, Isa, ModelOutput, RunnerError, RunnerOptions,
    architectures,
};

fn fixture() -> PathBuf {
    fixture_of("llama_gqa")
}

fn fixture_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

fn load(path: &Path, options: &RunnerOptions) -> Result<CandleRunner, RunnerError> {
    CandleRunner::load(&FileSystem, path, options, &|_| {})
}

fn runner() -> CandleRunner {
    load(&fixture(), &RunnerOptions::default()).unwrap()
}

/// A copy of a fixture with its configuration changed.
fn altered(fixture: &Path, from: &str, to: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let config = fs::read_to_string(fixture.join("config.json")).unwrap();
    assert!(config.contains(from), "the fixture has no {from}");
    fs::write(directory.path().join("config.json"), config.replace(from, to)).unwrap();
    fs::copy(fixture.join("model.safetensors"), directory.path().join("model.safetensors")).unwrap();
    directory
}

#[test]
fn models_that_cannot_run_are_refused() {
    let rows = [
        ("LlamaForCausalLM", "T5EncoderModel", "ERR_MODEL_UNSUPPORTED", "Qwen3ForCausalLM"),
        ("\"silu\"", "\"quick_gelu\"", "ERR_MODEL_UNSUPPORTED", "activation `quick_gelu`"),
        ("\"intermediate_size\": 80", "\"intermediate_size\": 81", "ERR_MODEL_INVALID", "[81, 64]"),
        ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "ERR_MODEL_INVALID", "layers.2."),
        ("\"vocab_size\": 128", "\"vocab_size\": 129", "ERR_MODEL_INVALID", "model.embed_tokens.weight"),
        ("\"num_attention_heads\": 8", "\"num_attention_heads\": 0", "ERR_MODEL_INVALID", "num_attention_heads"),
        ("\"attention_bias\": false", "\"attention_bias\": true", "ERR_MODEL_INVALID", "q_proj.bias"),
        ("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false", "ERR_MODEL_INVALID", "lm_head.weight"),
        (
            "\"rope_scaling\": null",
            "\"rope_scaling\": {\"type\": \"mrope\", \"factor\": 2}",
            "ERR_MODEL_INVALID",
            "rope_type",
        ),
        ("\"rope_scaling\": null", "\"partial_rotary_factor\": 0.5", "ERR_MODEL_UNSUPPORTED", "partial_rotary_factor"),
    ];
    for backend in [BackendKind::Cpu, BackendKind::Reference] {
        for (from, to, code, expected) in rows {
            let directory = altered(&fixture(), from, to);
            let error = load(directory.path(), &RunnerOptions { backend, ..RunnerOptions::default() }).err().unwrap();
            assert_eq!(error.code(), code, "{to}: {error}");
            assert!(error.to_string().contains(expected), "{to}: {error}");
        }
    }
    let nowhere = load(Path::new("nowhere"), &RunnerOptions::default()).err().unwrap();
    assert_eq!(nowhere.code(), "ERR_MODEL_NOT_FOUND");
    assert!(architectures().contains(&"LlamaForCausalLM"));
}

#[test]
fn what_an_architecture_cannot_do_is_refused() {
    const UNSUPPORTED: &str = "ERR_MODEL_UNSUPPORTED";
    const INVALID: &str = "ERR_MODEL_INVALID";
    let rows = [
        ("deepseek_v2", "\"group_limited_greedy\"", "\"noaux_tc\"", UNSUPPORTED, "topk_method"),
        ("deepseek_v2", "\"n_group\": 4", "\"n_group\": 3", INVALID, "n_group"),
        ("deepseek_v2", "\"topk_group\": 2", "\"topk_group\": 5", INVALID, "topk_group"),
        ("deepseek_v2", "\"qk_rope_head_dim\": 8", "\"qk_rope_head_dim\": 7", UNSUPPORTED, "even number"),
        ("deepseek_v2", "\"kv_lora_rank\": 24", "\"kv_lora_rank\": 0", INVALID, "kv_lora_rank"),
        (
            "deepseek_v2",
            "\"kv_lora_rank\": 24",
            "\"kv_lora_rank\": 25",
            INVALID,
            "tensor `model.layers.0.self_attn.kv_",
        ),
        ("deepseek_v2", "\"v_head_dim\": 10", "\"v_head_dim\": 2000000000", INVALID, "v_head_dim"),
        ("deepseek_v3", "\"n_shared_experts\": 1", "\"n_shared_experts\": 5000", INVALID, "n_shared_experts"),
        ("smollm3", "\"no_rope_layers\": [", "\"no_rope_layers\": [1, ", INVALID, "no_rope_layers"),
        ("cohere", "\"use_qk_norm\": false", "\"use_qk_norm\": true", UNSUPPORTED, "use_qk_norm"),
        ("stablelm", "\"qk_layernorm\": false", "\"qk_layernorm\": true", UNSUPPORTED, "qk_layernorm"),
        ("olmoe", "\"clip_qkv\": null", "\"clip_qkv\": 8.0", UNSUPPORTED, "clip_qkv"),
    ];
    for (name, from, to, code, expected) in rows {
        let directory = altered(&fixture_of(name), from, to);
        let error = load(directory.path(), &RunnerOptions::default()).err().unwrap();
        assert_eq!(error.code(), code, "{name} {to}: {error}");
        assert!(error.to_string().contains(expected), "{name} {to}: {error}");
    }
}

#[test]
fn options_that_cannot_be_are_refused() {
    let absent = Isa::ALL.into_iter().find(|isa| !isa.is_available()).unwrap();
    for options in [
        RunnerOptions { threads: 0, ..RunnerOptions::default() },
        RunnerOptions { isa: Some(absent), ..RunnerOptions::default() },
    ] {
        assert_eq!(load(&fixture(), &options).err().unwrap().code(), "ERR_INVALID_ARGUMENT");
    }
}

#[test]
fn caches_that_do_not_fit_are_refused() {
    let mut runner = runner();
    assert!(matches!(runner.warmup(), Err(RunnerError::NoKvCache)));
    let spec = runner.kv_cache_spec(16);
    let cache = |shape: &[usize], dtype| HostTensor::zeros(shape, dtype).unwrap();
    let good = cache(&spec.shape(4), spec.dtype);
    let [pair, blocks, heads, slots, head_dim] = spec.shape(4);
    let cut = cache(&[pair, blocks + 1, heads, slots, head_dim], spec.dtype).narrow(1, 1, blocks).unwrap();
    let rows = [
        vec![good.clone()],
        vec![good.clone(), cache(&spec.shape(4), HostDType::Bfloat16)],
        vec![good.clone(), cache(&spec.shape(5), spec.dtype)],
        vec![good.clone(), cache(&[pair, blocks, heads, slots, head_dim + 1], spec.dtype)],
        vec![good.clone(), cache(&[blocks, pair, heads, slots, head_dim], spec.dtype)],
        vec![good.clone(), cache(&[pair, 0, heads, slots, head_dim], spec.dtype)],
        vec![good.clone(), cut],
    ];
    for layers in rows {
        assert!(matches!(runner.bind_kv_cache(&layers), Err(RunnerError::BadKvCache { .. })));
    }
    let padded = cache(&[pair, blocks, heads, slots, 2 * head_dim], spec.dtype).narrow(4, 0, head_dim).unwrap();
    runner.bind_kv_cache(&[good.clone(), padded]).unwrap();
    runner.warmup().unwrap();
}

fn batch(token_ids: &[i32], block: u32, num_computed: u32, block_size: u32, host_sampling: bool) -> InputBatchBuffer {
    let table = vec![BlockId(block); (num_computed as usize + token_ids.len()).div_ceil(block_size as usize)];
    let unknown = u32::from(token_ids.is_empty());
    let table = if table.is_empty() { vec![BlockId(block)] } else { table };
    let mut buffer = InputBatchBuffer::new();
    let row = BatchRow {
        sequence_id: SequenceId(1),
        row: 3,
        token_ids,
        num_unknown_tokens: unknown,
        draft_token_ids: &[],
        num_computed,
        block_table: &table,
        samples: true,
        prompt_logits: (0, 0),
        host_sampling,
        sampling: SamplingColumns::GREEDY,
    };
    buffer.write(1, block_size, std::iter::once(row));
    buffer
}

#[test]
fn batches_that_do_not_fit_are_refused_and_the_next_one_runs() {
    let mut runner = runner();
    let spec = runner.kv_cache_spec(16);
    let layers: Vec<HostTensor> = (0..2).map(|_| HostTensor::zeros(&spec.shape(20), spec.dtype).unwrap()).collect();
    runner.bind_kv_cache(&layers).unwrap();
    let vocab = runner.model_info().vocab_size;
    let mut step = |buffer: &InputBatchBuffer, logits: &mut [f32]| {
        runner.execute(&InputBatchView::new(buffer.words()).unwrap(), logits)
    };
    let good = batch(&[5, 6], 1, 0, 16, false);
    let Ok(ModelOutput::TokenIds(expected)) = step(&good, &mut []) else { panic!("a good batch runs") };
    let longest = 128;
    let rows: [(InputBatchBuffer, &str); 6] = [
        (batch(&[5, vocab as i32], 1, 0, 16, false), "input_ids"),
        (batch(&[5], 20, 0, 16, false), "block_tables"),
        (batch(&[5], 1, longest, 16, false), "seq_lens"),
        (batch(&[5], 1, 0, 8, false), "blocks of 8"),
        (batch(&[5], 1, 0, 16, true), "logits buffer"),
        (batch(&[5], 1, longest - 1, 16, false), ""),
    ];
    for (buffer, expected) in &rows {
        match step(buffer, &mut []) {
            Err(error) => {
                assert_eq!(error.code(), "ERR_RUNNER");
                assert!(!expected.is_empty() && error.to_string().contains(expected), "{error}");
            }
            Ok(_) => assert_eq!(*expected, ""),
        }
    }
    assert_eq!(step(&good, &mut []).unwrap(), ModelOutput::TokenIds(expected.clone()));
    // The token that the row drew is known to the next step, until somebody else draws for it.
    let previous = batch(&[], 1, 2, 16, false);
    let continued = step(&previous, &mut []).unwrap();
    let spelt_out = step(&batch(&expected, 1, 2, 16, false), &mut []).unwrap();
    assert_eq!(continued, spelt_out);
    let mut logits = vec![0.0; vocab];
    assert_eq!(step(&batch(&[5], 1, 0, 16, true), &mut logits).unwrap(), ModelOutput::Logits);
    assert!(logits.iter().any(|&logit| logit != 0.0));
    assert!(matches!(step(&previous, &mut []), Err(RunnerError::UnknownPreviousToken { row: 3 })));
}
