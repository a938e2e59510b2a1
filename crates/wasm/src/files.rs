//! The files that JavaScript brought: small ones whole, weights in pieces.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use napi_derive::napi;
use quire_runner::{MemoryFiles, ModelFiles, RunnerError, WeightStream};
use quire_text::TextFiles;

use crate::bindgen_prelude::{BufferSlice, Uint8Array};
use crate::failure::{Failure, Outcome, outcome};

/// The module's file system: like another's, there is one of it, and paths tell models apart.
static FILES: LazyLock<Brought> = LazyLock::new(Brought::default);

/// Where this door's tokenizers are read from.
pub(crate) fn text_files() -> &'static dyn TextFiles {
    &*FILES
}

/// Where this door's models are read from.
pub(crate) fn model_files() -> &'static dyn ModelFiles {
    &FILES.0
}

#[derive(Default)]
struct Brought(MemoryFiles);

impl TextFiles for Brought {
    fn len_bytes(&self, path: &Path) -> Result<u64, Error> {
        self.read(path).map(|bytes| bytes.len() as u64)
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, Error> {
        self.0.read(path, u64::MAX)
    }

    fn read_start(&self, path: &Path, most_bytes: u64) -> Result<Vec<u8>, Error> {
        self.0.read(path, most_bytes)
    }

    fn list(&self, directory: &Path) -> Result<Vec<PathBuf>, Error> {
        let files = self.0.list(directory);
        if files.is_empty() { Err(ErrorKind::NotFound.into()) } else { Ok(files) }
    }
}

/// Keeps a small file: configuration, tokenizer, template.
#[napi]
pub fn write_file(path: String, bytes: Uint8Array) -> Outcome<bool> {
    outcome(|| {
        FILES.0.write(Path::new(&path), bytes.to_vec());
        Ok::<_, Failure>(true)
    })
}

/// Forgets everything in a folder.
#[napi]
pub fn remove_files(directory: String) -> bool {
    FILES.0.remove(Path::new(&directory));
    true
}

/// A file of weights that comes in pieces.
#[napi]
pub struct WeightsWriter {
    path: PathBuf,
    stream: Option<WeightStream>,
}

#[napi]
impl WeightsWriter {
    /// For a file of `byte_length` bytes.
    #[napi]
    pub fn create(path: String, byte_length: f64) -> Outcome<WeightsWriter> {
        outcome(|| {
            let path = PathBuf::from(path);
            let stream = WeightStream::new(&path, byte_length as u64).map_err(RunnerError::from)?;
            Ok::<_, Failure>(Self { path, stream: Some(stream) })
        })
    }

    /// Takes the next bytes, however many.
    #[napi]
    pub fn write(&mut self, piece: BufferSlice<'_>) -> Outcome<bool> {
        outcome(|| {
            let stream = self.stream.as_mut().ok_or_else(|| Failure::bug("Weights were written after their end"))?;
            stream.push(&piece).map_err(RunnerError::from)?;
            Ok::<_, Failure>(true)
        })
    }

    /// The file is there from now on, until a runner loads it.
    #[napi]
    pub fn close(&mut self) -> Outcome<bool> {
        outcome(|| {
            let stream = self.stream.take().ok_or_else(|| Failure::bug("Weights were closed twice"))?;
            // Where the tokenizer is found.
            if let Some(header) = stream.gguf_header() {
                FILES.0.write(&self.path, header.to_vec());
            }
            FILES.0.write_weights(&self.path, stream.finish().map_err(RunnerError::from)?);
            Ok::<_, Failure>(true)
        })
    }
}
