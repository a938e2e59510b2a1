//! What packed matrices were made of: files with their sizes and times, and how they were packed. Two that are equal give the same bytes.

use std::cell::RefCell;
use std::hash::Hasher;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::{ModelFiles, WeightFile, WeightsError};

/// Where packed matrices come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedOrigin {
    /// Everything but the files that decides about the bytes.
    packing: String,
    files: Vec<SourceFile>,
}

/// A file as it was before it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SourceFile {
    /// Without links.
    path: String,
    bytes: u64,
    /// When it was last written, in nanoseconds since 1970.
    modified_ns: i64,
}

impl PackedOrigin {
    /// The name that a file of this origin has: the same when a file is written again, another for other files or another packing.
    pub fn file_name(&self) -> String {
        let mut hasher = SipHasher24::new();
        for part in std::iter::once(&self.packing).chain(self.files.iter().map(|file| &file.path)) {
            hasher.write_usize(part.len());
            hasher.write(part.as_bytes());
        }
        format!("{:032x}.packed", hasher.finish128().as_u128())
    }
}

/// The files of a model, of which it is noted what each was when it was first read.
pub struct NotedFiles<'a> {
    files: &'a dyn ModelFiles,
    noted: RefCell<Result<Vec<SourceFile>, WeightsError>>,
}

impl<'a> NotedFiles<'a> {
    /// Nothing of `files`, which are those of the file system, has been read yet.
    pub fn new(files: &'a dyn ModelFiles) -> NotedFiles<'a> {
        NotedFiles { files, noted: RefCell::new(Ok(Vec::new())) }
    }

    /// Notes a file before it is read.
    pub fn note(&self, path: &Path) {
        let mut noted = self.noted.borrow_mut();
        let Ok(files) = noted.as_mut() else { return };
        match SourceFile::of(path) {
            Ok(file) if files.iter().any(|known| known.path == file.path) => {}
            Ok(file) => files.push(file),
            Err(source) => *noted = Err(WeightsError::Io { path: path.to_path_buf(), source }),
        }
    }

    /// What packing the files that were read gives, as `packing` says; they are forgotten.
    ///
    /// # Errors
    /// [`WeightsError::Io`] when the system would not tell the size or the time of one.
    pub fn origin(&self, packing: String) -> Result<PackedOrigin, WeightsError> {
        let mut files = self.noted.replace(Ok(Vec::new()))?;
        // Shards are opened in any order.
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(PackedOrigin { packing, files })
    }
}

impl ModelFiles for NotedFiles<'_> {
    fn is_directory(&self, path: &Path) -> Result<bool, Error> {
        self.files.is_directory(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.exists(path)
    }

    fn read(&self, path: &Path, most_bytes: u64) -> Result<Vec<u8>, Error> {
        // Many a file may be absent.
        if self.files.exists(path) {
            self.note(path);
        }
        self.files.read(path, most_bytes)
    }

    fn open_weights(&self, path: &Path) -> Result<WeightFile, WeightsError> {
        self.note(path);
        self.files.open_weights(path)
    }
}

impl SourceFile {
    fn of(path: &Path) -> Result<SourceFile, Error> {
        let path: PathBuf = path.canonicalize()?;
        let metadata = path.metadata()?;
        let modified = metadata.modified()?;
        let since = match modified.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()),
            Err(before) => i64::try_from(before.duration().as_nanos()).map(|nanoseconds| -nanoseconds),
        };
        let modified_ns =
            since.map_err(|_| Error::new(ErrorKind::InvalidData, "the time of its last change is not of this age"))?;
        Ok(SourceFile { path: path.to_string_lossy().into_owned(), bytes: metadata.len(), modified_ns })
    }
}
