//! Where this door reads files from.

use quire_text::{FileSystem, TextFiles};

/// The operating system's.
pub(crate) fn text_files() -> &'static dyn TextFiles {
    &FileSystem
}
