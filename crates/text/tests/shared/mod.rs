//! Finds the folder of shared vectors, which a clone of the repository need not have.

use std::path::{Path, PathBuf};

/// `tokenizers` of the folder that `QUIRE_SHARED` names, or of `shared` beside the repository. When it is absent, says
/// that `test` is skipped, and why.
pub(crate) fn tokenizers(test: &str) -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("QUIRE_SHARED").map_or_else(|| repository.join("../shared"), PathBuf::from);
    let folder = shared.join("tokenizers");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED {test}: {} is absent and QUIRE_SHARED names no other", folder.display());
    None
}

/// A JSON file.
pub(crate) fn json(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
