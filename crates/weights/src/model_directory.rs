//! The files of one model: configuration, recommended sampling, weights.

use std::path::{Path, PathBuf};

use crate::{ConfigDocument, GenerationConfig, ModelFiles, SafeTensors, WeightsError};

/// A model in Hugging Face's layout, opened.
#[derive(Debug)]
pub struct ModelDirectory {
    /// The directory.
    pub path: PathBuf,
    /// `config.json`, raw; [`ModelConfig::read`](crate::ModelConfig::read) makes it typed.
    pub config: ConfigDocument,
    /// `generation_config.json`; empty when the file is absent.
    pub generation: GenerationConfig,
    /// The weights.
    pub tensors: SafeTensors,
}

impl ModelDirectory {
    /// Opens the directory at `path` of `files`: `config.json`, `generation_config.json` if it is there, and
    /// `model.safetensors` or `model.safetensors.index.json` with its shards.
    ///
    /// # Errors
    /// [`WeightsError::NotADirectory`], [`WeightsError::MissingFile`], or what is wrong with one of the files.
    pub fn open(files: &dyn ModelFiles, path: &Path) -> Result<ModelDirectory, WeightsError> {
        let problem = match files.is_directory(path) {
            Ok(true) => None,
            Ok(false) => Some("is not a directory"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("does not exist"),
            Err(source) => return Err(WeightsError::Io { path: path.to_path_buf(), source }),
        };
        if let Some(problem) = problem {
            return Err(WeightsError::NotADirectory { path: path.to_path_buf(), problem });
        }
        let config_path = path.join("config.json");
        if !files.exists(&config_path) {
            return Err(WeightsError::MissingFile { directory: path.to_path_buf(), file: "config.json" });
        }
        Ok(ModelDirectory {
            path: path.to_path_buf(),
            config: ConfigDocument::read(files, &config_path)?,
            generation: GenerationConfig::read(files, &path.join("generation_config.json"))?,
            tensors: SafeTensors::open(files, path)?,
        })
    }
}
