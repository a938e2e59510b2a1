//! Where the files of a tokenizer are read from: the file system, or whoever else has them.

use std::fs;
use std::io::{Error, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::error::TextError;

/// The files of tokenizers and chat templates by their paths.
pub trait TextFiles {
    /// Bytes of the file at `path`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is not there.
    fn len_bytes(&self, path: &Path) -> Result<u64, Error>;

    /// The file at `path`.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    fn read(&self, path: &Path) -> Result<Vec<u8>, Error>;

    /// The first `most_bytes` bytes of the file at `path`.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    fn read_start(&self, path: &Path, most_bytes: u64) -> Result<Vec<u8>, Error>;

    /// What lies in the folder at `directory`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such folder.
    fn list(&self, directory: &Path) -> Result<Vec<PathBuf>, Error>;
}

/// The files of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct FileSystem;

impl TextFiles for FileSystem {
    fn len_bytes(&self, path: &Path) -> Result<u64, Error> {
        fs::metadata(path).map(|metadata| metadata.len())
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, Error> {
        fs::read(path)
    }

    fn read_start(&self, path: &Path, most_bytes: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(most_bytes).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&self, directory: &Path) -> Result<Vec<PathBuf>, Error> {
        Ok(fs::read_dir(directory)?.filter_map(Result::ok).map(|entry| entry.path()).collect())
    }
}

/// The bytes of a file that may be absent.
pub(crate) fn read_limited(files: &dyn TextFiles, path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, TextError> {
    let read_error = |reason| TextError::Read { path: path.to_owned(), reason };
    match files.len_bytes(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read_error(error)),
        Ok(num_bytes) => check_size(&path.display().to_string(), num_bytes, limit_bytes)?,
    }
    files.read(path).map(Some).map_err(read_error)
}

/// The text of a file that may be absent.
pub(crate) fn read_text(files: &dyn TextFiles, path: &Path, limit_bytes: u64) -> Result<Option<String>, TextError> {
    let Some(bytes) = read_limited(files, path, limit_bytes)? else { return Ok(None) };
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|error| TextError::Read { path: path.to_owned(), reason: Error::new(ErrorKind::InvalidData, error) })
}

pub(crate) fn check_size(file: &str, num_bytes: u64, limit_bytes: u64) -> Result<(), TextError> {
    if num_bytes > limit_bytes {
        return Err(TextError::TooLarge { file: file.to_owned(), num_bytes, limit_bytes });
    }
    Ok(())
}
