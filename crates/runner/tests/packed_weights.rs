//! Packed weights in files: the next start maps them and gives the same tokens; a file that is not this model's, or none, is replaced.
#![expect(clippy::unwrap_used, reason = "tests")]

mod engine;
#[path = "../../models/tests/golden/mod.rs"]
mod golden;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use engine::{Job, Setup, generate, load};
use golden::fixtures;
use quire_runner::{BackendKind, BatchLimits, CandleRunner, DTypeChoice, Quantization, RunnerError, RunnerOptions};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

fn tokens(runner: &mut CandleRunner) -> Vec<Vec<i32>> {
    let jobs: [Job; 2] = [(vec![1, 5, 9, 2, 7], 12), (vec![3], 8)];
    generate(runner, &Setup::default(), &jobs).0
}

/// Loads with `folder` and says whether the weights were mapped, and what was wrong with the file; one that should be is written.
fn start(path: &Path, options: &RunnerOptions, folder: &Path) -> (bool, Option<String>, Vec<Vec<i32>>) {
    let options = RunnerOptions { packed_weights_cache: Some(folder.to_owned()), ..options.clone() };
    let mut runner = load(path, &options);
    let found = runner.packed_weights().unwrap();
    let (is_mapped, problem) = (found.is_mapped, found.problem.as_ref().map(ToString::to_string));
    let unwritten = runner.take_unwritten_weights();
    assert_eq!(unwritten.is_some(), !is_mapped, "what is mapped is written already");
    if let Some(unwritten) = unwritten {
        unwritten.write().unwrap();
    }
    assert!(runner.take_unwritten_weights().is_none(), "once");
    (is_mapped, problem, tokens(&mut runner))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn quantized(format: &str) -> RunnerOptions {
    RunnerOptions { quantization: Quantization::from_name(format).unwrap(), ..RunnerOptions::default() }
}

/// A model that can be changed, and a folder for its weights.
fn copy_of(name: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let (model, folder) = (root.path().join("model"), root.path().join("new/packed"));
    fs::create_dir(&model).unwrap();
    for file in files(&fixture(name)) {
        fs::copy(&file, model.join(file.file_name().unwrap())).unwrap();
    }
    (root, model, folder)
}

#[test]
fn every_architecture_gives_the_same_tokens_from_a_mapped_file() {
    let folder = tempfile::tempdir().unwrap();
    let float32 = RunnerOptions { dtype: DTypeChoice::Float32, ..RunnerOptions::default() };
    let models = fixtures();
    assert!(models.len() > 30, "{} models", models.len());
    for model in &models {
        let jobs: Vec<Job> = model.cases.iter().map(|case| (case.prompt.clone(), case.greedy.len())).collect();
        let expected: Vec<_> = model.cases.iter().map(|case| case.greedy.clone()).collect();
        let options = RunnerOptions { packed_weights_cache: Some(folder.path().to_owned()), ..float32.clone() };
        for is_mapped in [false, true] {
            let mut runner = load(&model.path, &options);
            assert_eq!(runner.packed_weights().unwrap().is_mapped, is_mapped, "{}", model.name);
            if let Some(unwritten) = runner.take_unwritten_weights() {
                unwritten.write().unwrap();
            }
            assert_eq!(generate(&mut runner, &Setup::default(), &jobs).0, expected, "{}", model.name);
        }
    }
    assert_eq!(files(folder.path()).len(), models.len());
}

#[test]
fn formats_lie_beside_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = fixture("llama_gqa");
    let gguf = fixture("gguf/stories260K-Q4_0.gguf");
    let cases = [
        (path.as_path(), RunnerOptions::default()),
        (&path, RunnerOptions { dtype: DTypeChoice::Bfloat16, ..RunnerOptions::default() }),
        (&path, quantized("q8_0")),
        (&path, quantized("q4_0")),
        (&path, quantized("int8")),
        (&gguf, RunnerOptions::default()),
        (&gguf, quantized("none")),
    ];
    let quantised =
        ["awq_g32", "gptq_4_act_order", "w8a8", "fp8_blocks"].map(|name| fixture(&format!("quantised/{name}")));
    let cases = cases.into_iter().chain(quantised.iter().map(|path| (path.as_path(), RunnerOptions::default())));
    let cases: Vec<(&Path, RunnerOptions)> = cases.collect();
    for expected_mapped in [false, true] {
        for (path, options) in &cases {
            let expected = tokens(&mut load(path, options));
            let (is_mapped, problem, found) = start(path, options, folder.path());
            assert_eq!((is_mapped, problem), (expected_mapped, None), "{} {options:?}", path.display());
            assert_eq!(found, expected, "{} {options:?}", path.display());
        }
    }
    assert_eq!(files(folder.path()).len(), cases.len());
}

#[test]
fn mapped_weights_count_as_memory_that_is_still_to_be_taken() {
    let (_root, model, folder) = copy_of("llama_gqa");
    let options = RunnerOptions { packed_weights_cache: Some(folder.clone()), ..RunnerOptions::default() };
    let limits = BatchLimits { max_num_batched_tokens: 64, max_logits_rows: 4, max_model_len: 64 };
    let mut first = load(&model, &options);
    first.take_unwritten_weights().unwrap().write().unwrap();
    let mut next = load(&model, &options);
    let mapped_bytes = next.packed_weights().unwrap().mapped_bytes as u64;
    let (first, next) = (first.profile(&limits), next.profile(&limits));
    assert!(mapped_bytes > 0 && mapped_bytes <= next.weights_bytes);
    assert_eq!(next.weights_bytes, first.weights_bytes);
    assert_eq!(next.activation_bytes, first.activation_bytes + mapped_bytes);
}

#[test]
fn a_model_that_was_written_again_is_packed_again() {
    let (_root, model, folder) = copy_of("llama_gqa");
    let options = RunnerOptions::default();
    let (_, _, expected) = start(&model, &options, &folder);
    assert!(start(&model, &options, &folder).0);
    // The same bytes at another time: nobody can tell without reading them.
    let weights = File::options().append(true).open(model.join("model.safetensors")).unwrap();
    weights.set_modified(SystemTime::now() - Duration::from_secs(7)).unwrap();
    assert_eq!(start(&model, &options, &folder), (false, None, expected.clone()));
    assert_eq!(start(&model, &options, &folder), (true, None, expected.clone()));
    // Other weights, and other tokens.
    fs::copy(fixture("llama_mha").join("model.safetensors"), model.join("model.safetensors")).unwrap();
    fs::copy(fixture("llama_mha").join("config.json"), model.join("config.json")).unwrap();
    let (is_mapped, problem, other) = start(&model, &options, &folder);
    assert_eq!((is_mapped, problem), (false, None));
    assert_ne!(other, expected);
    assert_eq!(start(&model, &options, &folder), (true, None, other));
    assert_eq!(files(&folder).len(), 1, "it is replaced, not added to");
}

#[test]
fn a_file_that_was_damaged_is_told_of_and_replaced() {
    let (_root, model, folder) = copy_of("llama_gqa");
    let options = RunnerOptions::default();
    let (_, _, expected) = start(&model, &options, &folder);
    let [file] = files(&folder).try_into().unwrap();
    let whole = fs::read(&file).unwrap();
    let changed = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        bytes
    };
    let header_of = |len: u64| [&whole[..8], &len.to_le_bytes(), &whole[16..]].concat();
    let damaged = [
        (Vec::new(), "is shorter than any"),
        (whole[..23].to_vec(), "is shorter than any"),
        (whole[..100].to_vec(), "ends within its header"),
        (whole[..whole.len() - 1].to_vec(), "is shorter than its header says"),
        (changed(0, b'X'), "does not begin as one"),
        (changed(16, whole[16] ^ 1), "has a header that was changed"),
        (changed(40, whole[40] ^ 1), "has a header that was changed"),
        (header_of(u64::MAX), "has a header that is too long"),
        (header_of(1 << 27), "ends within its header"),
    ];
    for (bytes, why) in damaged {
        fs::write(&file, bytes).unwrap();
        let (is_mapped, problem, found) = start(&model, &options, &folder);
        assert!(!is_mapped && problem.as_ref().is_some_and(|problem| problem.contains(why)), "{why}: {problem:?}");
        assert_eq!(found, expected, "{why}");
        assert_eq!(fs::read(&file).unwrap(), whole, "{why}");
        assert_eq!(start(&model, &options, &folder), (true, None, expected.clone()), "{why}");
    }
    assert_eq!(files(&folder), [file]);
}

#[test]
fn a_folder_that_cannot_be_written_keeps_no_model_from_running() {
    let (root, model, _) = copy_of("llama_gqa");
    let not_a_folder = root.path().join("file");
    fs::write(&not_a_folder, "text").unwrap();
    let options = RunnerOptions { packed_weights_cache: Some(not_a_folder.join("below")), ..RunnerOptions::default() };
    let mut runner = load(&model, &options);
    let error = runner.take_unwritten_weights().unwrap().write().unwrap_err();
    assert!(error.to_string().starts_with("cannot write "), "{error}");
    assert_eq!(tokens(&mut runner), tokens(&mut load(&model, &RunnerOptions::default())));
}

#[test]
fn two_that_write_at_once_leave_one_whole_file() {
    let (_root, model, folder) = copy_of("llama_gqa");
    let options = RunnerOptions::default();
    let write = || start(&model, &options, &folder).2;
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(write)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(results.iter().all(|tokens| *tokens == results[0]));
    assert_eq!(files(&folder).len(), 1);
    assert!(start(&model, &options, &folder).0);
}

#[test]
fn the_reference_packs_nothing() {
    let options = RunnerOptions {
        backend: BackendKind::Reference,
        packed_weights_cache: Some(std::env::temp_dir()),
        ..RunnerOptions::default()
    };
    let refused = CandleRunner::load(&quire_runner::FileSystem, &fixture("llama_gqa"), &options, &|_| {});
    assert!(matches!(refused.err(), Some(RunnerError::UnusedPackedWeights)));
}
