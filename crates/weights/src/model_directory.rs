//! The files of one model: configuration, recommended sampling, weights.

use std::path::{Path, PathBuf};

use crate::{Checkpoint, ConfigDocument, GenerationConfig, ModelFiles, WeightsError, gguf_model};

/// A model in Hugging Face's layout or in a GGUF file, opened.
#[derive(Debug)]
pub struct ModelDirectory {
    /// The directory or file.
    pub path: PathBuf,
    /// `config.json`, or what it would be, raw; [`ModelConfig::read`](crate::ModelConfig::read) makes it typed.
    pub config: ConfigDocument,
    /// `generation_config.json`; empty when the file is absent.
    pub generation: GenerationConfig,
    /// The weights.
    pub tensors: Checkpoint,
}

impl ModelDirectory {
    /// Opens the directory at `path` of `files`: `config.json`, `generation_config.json` if it is there, and
    /// `model.safetensors` or `model.safetensors.index.json` with its shards. A file that is called `.gguf` is a model as well;
    /// of a split one it may be any part.
    ///
    /// # Errors
    /// [`WeightsError::NotADirectory`], [`WeightsError::MissingFile`], or what is wrong with one of the files.
    pub fn open(files: &dyn ModelFiles, path: &Path) -> Result<ModelDirectory, WeightsError> {
        let problem = match files.is_directory(path) {
            Ok(true) => None,
            Ok(false) if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf")) => {
                return gguf_model::open(files, path);
            }
            Ok(false) => Some("is neither a directory nor a GGUF file"),
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
            tensors: Checkpoint::open(files, path)?,
        })
    }
}
