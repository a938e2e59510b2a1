//! Where the files of models are read from: the file system, or whoever else has them.

use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

use crate::mapped_file::MappedFile;
use crate::{WeightFile, WeightsError};

/// The files of models by their paths.
pub trait ModelFiles {
    /// Whether a folder is at `path`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when nothing is there.
    fn is_directory(&self, path: &Path) -> Result<bool, Error>;

    /// Whether something is at `path`.
    fn exists(&self, path: &Path) -> bool;

    /// The first `most_bytes` bytes of the file at `path`.
    ///
    /// # Errors
    /// The file is not there or cannot be read.
    fn read(&self, path: &Path, most_bytes: u64) -> Result<Vec<u8>, Error>;

    /// Opens the safetensors file at `path`.
    ///
    /// # Errors
    /// What is wrong with the file or its header.
    fn open_weights(&self, path: &Path) -> Result<WeightFile, WeightsError>;
}

/// The files of the operating system; weights are mapped into memory.
#[derive(Clone, Copy, Debug)]
pub struct FileSystem;

impl ModelFiles for FileSystem {
    fn is_directory(&self, path: &Path) -> Result<bool, Error> {
        std::fs::metadata(path).map(|metadata| metadata.is_dir())
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn read(&self, path: &Path, most_bytes: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        File::open(path)?.take(most_bytes).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn open_weights(&self, path: &Path) -> Result<WeightFile, WeightsError> {
        WeightFile::mapped(MappedFile::open(path)?, path)
    }
}

pub(crate) fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such file")
}
