//! Vectors and scores against transformers, on every instruction set and on the reference; company, parts and chunks change
//! no bit of a vector; what does not fit is refused.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::path::{Path, PathBuf};

use quire_runner::{
    BackendKind, CandleRunner, DTypeChoice, EmbedBatch, EmbedOutput, EmbedPart, FileSystem, Isa, PoolingKind,
    RunnerOptions,
};
use serde_json::Value;

const ENCODERS: [&str; 3] = ["bert", "bert_tanh_gelu", "roberta"];
const CROSS_ENCODERS: [&str; 2] = ["bert_cross_encoder", "xlm_roberta_cross_encoder"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn sequences(golden: &Value) -> Vec<Value> {
    golden["sequences"].as_array().unwrap().clone()
}

fn ids(value: &Value) -> Vec<i32> {
    value.as_array().unwrap().iter().map(|id| id.as_i64().unwrap() as i32).collect()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn load(path: &Path, isa: Option<Isa>, backend: BackendKind, dtype: DTypeChoice) -> CandleRunner {
    let options = RunnerOptions { dtype, threads: 2, isa, backend, ..RunnerOptions::default() };
    CandleRunner::load(&FileSystem, path, &options, &|_| {}).unwrap()
}

/// Every way to compute: each instruction set, and the reference.
fn runners(path: &Path) -> Vec<(String, CandleRunner)> {
    let cpu = |isa: Isa| (isa.to_string(), load(path, Some(isa), BackendKind::Cpu, DTypeChoice::Float32));
    let mut runners: Vec<(String, CandleRunner)> = Isa::available().map(cpu).collect();
    runners.push(("reference".to_string(), load(path, None, BackendKind::Reference, DTypeChoice::Float32)));
    runners
}

/// One call with all sequences: each its ids and types.
fn embed(runner: &mut CandleRunner, sequences: &[(Vec<i32>, Vec<i32>)], output: EmbedOutput) -> Vec<Vec<f32>> {
    let width = if output == EmbedOutput::Score { 1 } else { runner.model_info().pooling.embedding_size };
    let token_ids: Vec<i32> = sequences.iter().flat_map(|(ids, _)| ids.clone()).collect();
    let token_types: Vec<i32> = sequences.iter().flat_map(|(_, types)| types.clone()).collect();
    let mut start_loc = vec![0];
    start_loc.extend(sequences.iter().scan(0, |end, (ids, _)| {
        *end += ids.len() as i32;
        Some(*end)
    }));
    let batch =
        EmbedBatch { token_ids: &token_ids, token_types: &token_types, start_loc: &start_loc, output, part: None };
    let mut out = vec![f32::NAN; sequences.len() * width];
    runner.embed(&batch, &mut out).unwrap();
    out.chunks(width).map(<[f32]>::to_vec).collect()
}

fn assert_close(found: &[f32], golden: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), golden.len(), "{what}");
    for (index, (found, golden)) in found.iter().zip(golden).enumerate() {
        assert!((found - golden).abs() <= tolerance, "{what}: number {index} is {found}, golden {golden}");
    }
}

fn bits(vectors: &[Vec<f32>]) -> Vec<u32> {
    vectors.iter().flatten().map(|number| number.to_bits()).collect()
}

#[test]
fn encoders_agree_with_transformers_on_every_kind_of_pooling() {
    for name in ENCODERS {
        let path = fixtures().join("pooling").join(name);
        let golden = sequences(&read(&path.join("golden.json")));
        let inputs: Vec<_> = golden.iter().map(|case| (ids(&case["token_ids"]), ids(&case["token_types"]))).collect();
        for (place, mut runner) in runners(&path) {
            for kind in PoolingKind::all() {
                let found = embed(&mut runner, &inputs, EmbedOutput::Vector(kind));
                for (found, case) in found.iter().zip(&golden) {
                    let what =
                        format!("{name} on {place}, {} of {} tokens", kind.name(), ids(&case["token_ids"]).len());
                    assert_close(found, &numbers(&case[kind.name()]), 5e-5, &what);
                }
            }
        }
    }
}

#[test]
fn cross_encoders_agree_with_transformers() {
    for name in CROSS_ENCODERS {
        let path = fixtures().join("pooling").join(name);
        let golden = sequences(&read(&path.join("golden.json")));
        let inputs: Vec<_> = golden.iter().map(|case| (ids(&case["token_ids"]), ids(&case["token_types"]))).collect();
        let sigmoid = name.starts_with("xlm");
        for (place, mut runner) in runners(&path) {
            let found = embed(&mut runner, &inputs, EmbedOutput::Score);
            for (found, case) in found.iter().zip(&golden) {
                let logit = case["logit"].as_f64().unwrap() as f32;
                let score = if sigmoid { 1.0 / (1.0 + (-logit).exp()) } else { logit };
                assert_close(found, &[score], 5e-5, &format!("{name} on {place}"));
            }
        }
    }
}

#[test]
fn decoders_agree_with_transformers_whole_and_in_parts() {
    let golden = sequences(&read(&fixtures().join("pooling/decoders.json")));
    let names: std::collections::BTreeSet<&str> = golden.iter().map(|case| case["fixture"].as_str().unwrap()).collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        for (place, mut runner) in runners(&fixtures().join(name)) {
            for case in golden.iter().filter(|case| case["fixture"] == name) {
                let token_ids = ids(&case["token_ids"]);
                for kind in [PoolingKind::Last, PoolingKind::Mean] {
                    let what = format!("{name} on {place}, {} of {} tokens", kind.name(), token_ids.len());
                    let whole = embed(&mut runner, &[(token_ids.clone(), Vec::new())], EmbedOutput::Vector(kind));
                    assert_close(&whole[0], &numbers(&case[kind.name()]), 2e-4, &what);
                    for size in [1, 7, 16] {
                        let parts = in_parts(&mut runner, &token_ids, kind, size);
                        if place != "reference" {
                            assert!(bits(std::slice::from_ref(&parts)) == bits(&whole), "{what}, in parts of {size}");
                        }
                        assert_close(&parts, &whole[0], 1e-4, &what);
                    }
                }
            }
        }
    }
}

fn in_parts(runner: &mut CandleRunner, token_ids: &[i32], kind: PoolingKind, size: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; runner.model_info().pooling.embedding_size];
    for (index, tokens) in token_ids.chunks(size).enumerate() {
        assert!(out.iter().all(|number| number.is_nan()), "a part that is not the last wrote a vector");
        let part = Some(EmbedPart { num_computed: index * size, num_tokens: token_ids.len() });
        let start_loc = [0, tokens.len() as i32];
        let output = EmbedOutput::Vector(kind);
        let batch = EmbedBatch { token_ids: tokens, token_types: &[], start_loc: &start_loc, output, part };
        runner.embed(&batch, &mut out).unwrap();
    }
    out
}

#[test]
fn company_changes_no_bit() {
    for name in ["pooling/bert", "pooling/roberta", "llama_gqa"] {
        for dtype in [DTypeChoice::Float32, DTypeChoice::Bfloat16] {
            for isa in Isa::available() {
                let mut runner = load(&fixtures().join(name), Some(isa), BackendKind::Cpu, dtype);
                let sequence =
                    |length: i32| ((0..length).map(|index| 3 + (7 * index + length) % 50).collect(), Vec::new());
                let sequences: Vec<(Vec<i32>, Vec<i32>)> = [1, 90, 16, 17, 5, 64, 33].map(sequence).to_vec();
                let output = EmbedOutput::Vector(PoolingKind::Mean);
                let together = embed(&mut runner, &sequences, output);
                for (sequence, together) in sequences.into_iter().zip(together) {
                    let what = format!("{name} {isa} {dtype:?}, {} tokens", sequence.0.len());
                    let alone = embed(&mut runner, &[sequence], output);
                    assert!(bits(&alone) == bits(&[together]), "{what}");
                }
            }
        }
    }
}

#[test]
fn embedding_leaves_steps_alone_and_needs_no_cache() {
    // No cache is bound: an embedding works, a step is refused.
    let mut runner = load(&fixtures().join("llama_gqa"), None, BackendKind::Cpu, DTypeChoice::Auto);
    let vectors = embed(&mut runner, &[(vec![3, 4, 5], Vec::new())], EmbedOutput::Vector(PoolingKind::Last));
    assert_eq!(vectors[0].len(), 64);
    assert!(runner.model_info().generates);
    let encoder = load(&fixtures().join("pooling/bert"), None, BackendKind::Cpu, DTypeChoice::Auto);
    assert!(!encoder.model_info().generates);
    assert_eq!(encoder.kv_cache_spec(16).num_layers, 0);
}

#[test]
fn the_files_of_sentence_transformers_decide() {
    let pooling = |name: &str| {
        let path = fixtures().join(name);
        let runner = load(&path, None, BackendKind::Cpu, DTypeChoice::Auto);
        let info = runner.model_info().pooling.clone();
        (info.kind, info.normalizes, info.max_tokens, info.scores, info.takes_parts)
    };
    assert_eq!(pooling("pooling/bert"), (PoolingKind::Mean, true, 48, false, false));
    assert_eq!(pooling("pooling/bert_tanh_gelu"), (PoolingKind::Cls, false, 96, false, false));
    // RoBERTa's table has two rows in front of the first position.
    assert_eq!(pooling("pooling/roberta"), (PoolingKind::Mean, true, 96, false, false));
    assert_eq!(pooling("pooling/bert_cross_encoder"), (PoolingKind::Mean, true, 96, true, false));
    assert_eq!(pooling("llama_gqa"), (PoolingKind::Last, true, 128, false, true));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (bert, cross, llama) = (0, 1, 2);
    let mut runners = ["pooling/bert", "pooling/bert_cross_encoder", "llama_gqa"]
        .map(|name| load(&fixtures().join(name), None, BackendKind::Cpu, DTypeChoice::Auto));
    let vector = EmbedOutput::Vector(PoolingKind::Mean);
    let long = vec![5; 97];
    let plain = EmbedBatch { token_ids: &[5, 6], token_types: &[], start_loc: &[0, 2], output: vector, part: None };
    let part = |num_computed, num_tokens| Some(EmbedPart { num_computed, num_tokens });
    let rows: [(&str, usize, EmbedBatch<'_>, usize, &str); 14] = [
        ("an id past the vocabulary", bert, EmbedBatch { token_ids: &[5, 9999], ..plain }, 32, "ERR_RUNNER"),
        ("a negative id", bert, EmbedBatch { token_ids: &[-1, 5], ..plain }, 32, "ERR_RUNNER"),
        ("a type that is not there", bert, EmbedBatch { token_types: &[0, 2], ..plain }, 32, "ERR_RUNNER"),
        ("types of another length", bert, EmbedBatch { token_types: &[0], ..plain }, 32, "ERR_RUNNER"),
        ("no sequence", bert, EmbedBatch { start_loc: &[0], ..plain }, 32, "ERR_RUNNER"),
        ("an empty sequence", bert, EmbedBatch { start_loc: &[0, 0, 2], ..plain }, 64, "ERR_RUNNER"),
        ("bounds that turn back", bert, EmbedBatch { start_loc: &[0, 3, 2], ..plain }, 64, "ERR_RUNNER"),
        ("too long", bert, EmbedBatch { token_ids: &long, start_loc: &[0, 97], ..plain }, 32, "ERR_RUNNER"),
        ("a small buffer", bert, plain, 31, "ERR_RUNNER"),
        ("a score of an embedder", bert, EmbedBatch { output: EmbedOutput::Score, ..plain }, 1, "ERR_NOT_SUPPORTED"),
        ("a vector of a cross-encoder", cross, plain, 32, "ERR_NOT_SUPPORTED"),
        ("parts of an encoder's", bert, EmbedBatch { part: part(0, 4), ..plain }, 32, "ERR_NOT_SUPPORTED"),
        ("a part out of order", llama, EmbedBatch { part: part(2, 4), ..plain }, 64, "ERR_RUNNER"),
        ("a part past the end", llama, EmbedBatch { part: part(3, 4), ..plain }, 64, "ERR_RUNNER"),
    ];
    for (what, runner, batch, room, code) in rows {
        let error = runners[runner].embed(&batch, &mut vec![0.0; room]).unwrap_err();
        assert_eq!(error.code(), code, "{what}: {error}");
    }
    // And nothing is broken by it.
    runners[bert].embed(&plain, &mut [0.0; 32]).unwrap();
}

/// all-MiniLM-L6-v2 with transformers' vectors, where both are at hand.
#[test]
fn a_real_encoder_agrees_with_transformers() {
    let name = "all-minilm-l6-v2";
    let shared = std::env::var_os("QUIRE_SHARED").map_or_else(|| fixtures().join("../../../shared"), PathBuf::from);
    let golden = shared.join("models").join(name).join("golden.json");
    let Some(fetched) = std::env::var_os("QUIRE_TEST_MODELS").map(|folder| PathBuf::from(folder).join(name)) else {
        return println!("SKIPPED a_real_encoder_agrees_with_transformers: QUIRE_TEST_MODELS is not set");
    };
    if !golden.exists() || !fetched.exists() {
        return println!(
            "SKIPPED a_real_encoder_agrees_with_transformers: no {} or {}",
            golden.display(),
            fetched.display()
        );
    }
    let cases = read(&golden)["cases"].as_array().unwrap().clone();
    let inputs: Vec<_> = cases.iter().map(|case| (ids(&case["token_ids"]), Vec::new())).collect();
    for dtype in [DTypeChoice::Float32, DTypeChoice::Bfloat16] {
        for isa in Isa::available() {
            let mut runner = load(&fetched, Some(isa), BackendKind::Cpu, dtype);
            let pooling = runner.model_info().pooling.clone();
            assert_eq!((pooling.kind, pooling.normalizes, pooling.max_tokens), (PoolingKind::Mean, true, 256));
            let found = embed(&mut runner, &inputs, EmbedOutput::Vector(pooling.kind));
            let cosines: Vec<f64> =
                found.iter().zip(&cases).map(|(found, case)| cosine(found, &numbers(&case["embedding"]))).collect();
            let least = cosines.iter().copied().fold(f64::INFINITY, f64::min);
            println!("{isa} {dtype:?}: cosine of at least {least:.7}");
            assert!(
                least > if dtype == DTypeChoice::Float32 { 0.999_999 } else { 0.9999 },
                "{isa} {dtype:?}: {cosines:?}"
            );
        }
    }
}

fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
}
