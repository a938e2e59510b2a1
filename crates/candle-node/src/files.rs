//! Where this door reads files from.

use quire_runner::{FileSystem, ModelFiles};

/// The operating system's.
pub(crate) fn model_files() -> &'static dyn ModelFiles {
    &FileSystem
}
