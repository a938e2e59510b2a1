//! Sums of squares of matrices' inputs: those of a folder are those of its file, by the names of the file's tensors.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod converter;
mod golden;

use std::path::Path;

use converter::converted;
use golden::fixtures;
use quire_gguf::{ImportanceMatrix, InputSums, read_header, write_importance};
use quire_models::{CollectError, CollectJob, collect_importance};

const CHUNK: usize = 12;

fn collect(path: &Path, token_ids: &[i32], threads: usize) -> Result<Vec<InputSums>, CollectError> {
    collect_importance(path, &CollectJob { token_ids, chunk_tokens: CHUNK, threads, progress: &|_| true })
}

fn tokens(count: usize) -> Vec<i32> {
    (0..count as i32).map(|index| index * 7 % 50).collect()
}

#[test]
fn a_folder_and_its_file_have_the_same_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["llama_gqa", "gpt2", "mixtral", "qwen2_moe", "phi3", "gemma3", "starcoder2"];
    for model in fixtures().into_iter().filter(|model| names.contains(&model.name.as_str())) {
        // Two chunks, and what is left out.
        let found = collect(&model.path, &tokens(2 * CHUNK + 5), 2).unwrap();
        println!("{}: {} matrices", model.name, found.len());
        let file = converted(&model.path).unwrap();
        let path = folder.path().join(format!("{}.gguf", model.name));
        std::fs::write(&path, &file).unwrap();
        assert!(collect(&path, &tokens(2 * CHUNK), 1).unwrap() == found, "{}", model.name);
        // Every matrix of a layer is known, and no other.
        let header = read_header(&file, file.len() as u64).unwrap().unwrap();
        let importance = ImportanceMatrix::read(&write_importance(&found, "texts", 2, CHUNK)).unwrap();
        importance.check(&header.tensors).unwrap();
        assert!(found.iter().all(|sums| sums.name.starts_with("blk.")), "{}", model.name);
        for tensor in header.tensors.iter().filter(|tensor| tensor.shape.len() >= 2 && tensor.name.starts_with("blk."))
        {
            assert!(found.iter().any(|sums| sums.name == tensor.name), "{}: {}", model.name, tensor.name);
        }
        for InputSums { name, parts } in &found {
            let count: u64 = parts.iter().map(|&(_, count)| count).sum();
            // A token passes one matrix, or as many experts as are picked for it.
            let expected = if name.contains("_exps") { count % (2 * CHUNK as u64) } else { count - 2 * CHUNK as u64 };
            assert_eq!((expected, count > 0), (0, true), "{}: {name}", model.name);
            assert!(parts.iter().all(|(sums, count)| (*count == 0) == sums.iter().all(|&sum| sum == 0.0)), "{name}");
        }
    }
}

#[test]
fn inputs_are_those_of_the_layer() {
    let model = fixtures().into_iter().find(|model| model.name == "llama_gqa").unwrap();
    let found = collect(&model.path, &tokens(CHUNK), 1).unwrap();
    let of = |name: &str| &found.iter().find(|sums| sums.name == name).unwrap().parts[0].0;
    // Projections of one input have the same; a norm's output has a mean square near that of its gains.
    assert_eq!(of("blk.0.attn_q.weight"), of("blk.0.attn_v.weight"));
    assert_eq!(of("blk.0.ffn_gate.weight"), of("blk.0.ffn_up.weight"));
    assert_ne!(of("blk.0.attn_q.weight"), of("blk.1.attn_q.weight"));
    let other = collect(&model.path, &tokens(CHUNK).into_iter().rev().collect::<Vec<i32>>(), 1).unwrap();
    assert!(other != found, "other texts have other inputs");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let of = |name: &str| fixtures().into_iter().find(|model| model.name == name).unwrap().path;
    let path = of("llama_gqa");
    assert!(matches!(collect(&path, &tokens(CHUNK - 1), 1), Err(CollectError::TooFewTokens { .. })));
    for wrong in [-1, i32::MAX] {
        assert!(matches!(collect(&path, &[wrong; CHUNK], 1), Err(CollectError::Token { .. })), "{wrong}");
    }
    let job = |chunk_tokens, progress| CollectJob { token_ids: &[1; 4], chunk_tokens, threads: 1, progress };
    for wrong in [0, usize::MAX] {
        assert!(matches!(collect_importance(&path, &job(wrong, &|_| true)), Err(CollectError::ChunkSize { .. })));
    }
    assert!(matches!(collect_importance(&path, &job(4, &|_| false)), Err(CollectError::Stopped)));
    assert!(matches!(collect(&of("opt"), &tokens(CHUNK), 1), Err(CollectError::NoNames { .. })));
}
