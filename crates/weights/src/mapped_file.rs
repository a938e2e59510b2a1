//! A file mapped into memory read-only, checked again before each use. The only unsafe function outside the kernels
//! lives here; nothing else may map files.

use std::fs::File;
use std::path::{Path, PathBuf};
#[cfg(not(target_family = "wasm"))]
use std::sync::Arc;

use memmap2::Mmap;

#[cfg(not(target_family = "wasm"))]
use crate::SharedBytes;
use crate::WeightsError;

/// A read-only view of a whole file whose length is compared with the file system's before each use.
#[derive(Debug)]
pub(crate) struct MappedFile {
    path: PathBuf,
    file: File,
    map: Mmap,
}

impl MappedFile {
    /// Maps the regular file at `path`.
    pub(crate) fn open(path: &Path) -> Result<MappedFile, WeightsError> {
        let io = |source| WeightsError::Io { path: path.to_path_buf(), source };
        let metadata = std::fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            return Err(io(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file")));
        }
        let file = File::open(path).map_err(io)?;
        let map = map_read_only(&file).map_err(io)?;
        let mapped = MappedFile { path: path.to_path_buf(), file, map };
        mapped.check_unchanged()?;
        Ok(mapped)
    }

    /// The file's bytes, after checking that it still has the length it was mapped with.
    pub(crate) fn bytes(&self) -> Result<&[u8], WeightsError> {
        self.check_unchanged()?;
        Ok(&self.map)
    }

    /// The file's bytes for as long as somebody has them, not compared with the file any more; they are read into memory meanwhile.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn share(self) -> SharedBytes {
        // What is refused here is read when it is needed.
        #[cfg(unix)]
        drop(self.map.advise(memmap2::Advice::WillNeed));
        Arc::new(self.map)
    }

    fn check_unchanged(&self) -> Result<(), WeightsError> {
        let metadata = self.file.metadata().map_err(|source| WeightsError::Io { path: self.path.clone(), source })?;
        let expected = self.map.len() as u64;
        if metadata.len() == expected {
            return Ok(());
        }
        Err(WeightsError::FileChanged { path: self.path.clone(), expected, found: metadata.len() })
    }
}

/// Maps `file` read-only, whole.
///
/// A mapping is a promise that nobody else breaks: if another process truncates the file, touching a page past its new
/// end raises SIGBUS, and if it writes, bytes change under a shared reference. No program can rule that out, and every
/// loader of checkpoints accepts it; the alternative, reading, doubles the memory that loading takes. What can be done is
/// done: the length is checked again before each tensor is handed out, the bytes are interpreted as plain numbers only
/// (any bit pattern is a valid one, so a changed byte is a wrong weight, never undefined behaviour of a type), and the
/// runner drops the mapping as soon as the weights are packed. The exception is a file of packed matrices, which stays mapped while the
/// model lives; we replace such files by others of the same name and never write into one.
#[expect(unsafe_code, reason = "mapping a file has no safe interface; the conditions are above")]
fn map_read_only(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the mapping is private to this type, read-only, and its bytes are only ever read as numbers; see above for
    // what happens when another process changes the file.
    unsafe { Mmap::map(file) }
}
