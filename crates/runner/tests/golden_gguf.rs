//! GGUF files that others wrote, through core and runner: the greedy tokens of their dequantised weights.
#![expect(clippy::unwrap_used, reason = "tests")]

mod engine;
#[path = "../../models/tests/golden/mod.rs"]
mod golden;

use std::path::{Path, PathBuf};

use engine::{Setup, generate, load};
use golden::skipped;
use quire_runner::{DTypeChoice, Quantization, RunnerOptions};
use serde_json::Value;

#[test]
fn shared_files_give_the_tokens_of_their_weights() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("QUIRE_SHARED").map_or_else(|| repository.join("../shared"), PathBuf::from);
    let folder = shared.join("models/gguf");
    let Ok(golden) = std::fs::read(folder.join("golden.json")) else {
        let reason = format!("{} is not there", folder.display());
        return skipped("shared_files_give_the_tokens_of_their_weights", &reason);
    };
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    let files = golden["files"].as_object().unwrap();
    assert!(files.len() >= 8, "{} files", files.len());
    // Weights in float32, as those that the tokens were made with.
    let options =
        RunnerOptions { dtype: DTypeChoice::Float32, quantization: Quantization::None, ..RunnerOptions::default() };
    for (name, expected) in files {
        let ids = |field: &str| -> Vec<i32> { serde_json::from_value(expected[field].clone()).unwrap() };
        let (prompt, output) = (ids("prompt_token_ids"), ids("output_token_ids"));
        let mut runner = load(&folder.join(name), &options);
        let (outputs, _) = generate(&mut runner, &Setup::default(), &[(prompt, output.len())]);
        assert_eq!(outputs, [output], "{name}");
    }
}
