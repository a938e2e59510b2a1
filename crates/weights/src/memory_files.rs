//! Files of models that somebody else read, by their paths: where there is no file system.

use std::collections::BTreeMap;
use std::io::Error;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model_files::not_found;
use crate::{ModelFiles, WeightFile, WeightsError};

/// Files in memory. Weights are there once: whoever opens them has them.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    files: Mutex<BTreeMap<PathBuf, Vec<u8>>>,
    weights: Mutex<BTreeMap<PathBuf, WeightFile>>,
}

impl MemoryFiles {
    /// Keeps a small file, instead of an earlier one of the same path.
    pub fn write(&self, path: &Path, bytes: Vec<u8>) {
        lock(&self.files).insert(path.to_path_buf(), bytes);
    }

    /// Keeps weights until they are opened.
    pub fn write_weights(&self, path: &Path, file: WeightFile) {
        lock(&self.weights).insert(path.to_path_buf(), file);
    }

    /// Forgets everything in the folder at `directory` and below.
    pub fn remove(&self, directory: &Path) {
        lock(&self.files).retain(|path, _| !path.starts_with(directory));
        lock(&self.weights).retain(|path, _| !path.starts_with(directory));
    }

    /// The files, weights aside, that lie in the folder at `directory`.
    pub fn list(&self, directory: &Path) -> Vec<PathBuf> {
        lock(&self.files).keys().filter(|path| path.parent() == Some(directory)).cloned().collect()
    }
}

impl ModelFiles for MemoryFiles {
    fn is_directory(&self, path: &Path) -> Result<bool, Error> {
        let inside = |file: &PathBuf| file != path && file.starts_with(path);
        if lock(&self.files).keys().any(inside) || lock(&self.weights).keys().any(inside) {
            return Ok(true);
        }
        if self.exists(path) { Ok(false) } else { Err(not_found()) }
    }

    fn exists(&self, path: &Path) -> bool {
        lock(&self.files).contains_key(path) || lock(&self.weights).contains_key(path)
    }

    fn read(&self, path: &Path, most_bytes: u64) -> Result<Vec<u8>, Error> {
        let files = lock(&self.files);
        let bytes = files.get(path).ok_or_else(not_found)?;
        Ok(bytes[..bytes.len().min(usize::try_from(most_bytes).unwrap_or(usize::MAX))].to_vec())
    }

    fn open_weights(&self, path: &Path) -> Result<WeightFile, WeightsError> {
        let file = lock(&self.weights).remove(path);
        file.ok_or_else(|| WeightsError::Io { path: path.to_path_buf(), source: not_found() })
    }
}

/// Nothing here panics while it is locked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
