//! Finds the folder of shared vectors, which a clone of the repository need not have.

use std::path::{Path, PathBuf};

/// The folder `name` of the one that `QUIRE_SHARED` names, or of `shared` beside the repository. When it is absent,
/// says that `test` is skipped, and why.
#[expect(clippy::print_stdout, reason = "the test runner reads skipped tests from standard output")]
pub(crate) fn folder(name: &str, test: &str) -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("QUIRE_SHARED").map_or_else(|| repository.join("../shared"), PathBuf::from);
    let folder = shared.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED {test}: {} is absent and QUIRE_SHARED names no other", folder.display());
    None
}

/// The folder of real tokenizers.
pub(crate) fn tokenizers(test: &str) -> Option<PathBuf> {
    folder("tokenizers", test)
}

/// A JSON file.
pub(crate) fn json(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
