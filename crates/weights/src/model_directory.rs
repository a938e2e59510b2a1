//! The files of one model: configuration, recommended sampling, weights.

use std::path::{Path, PathBuf};

use crate::quantised::QuantisationScheme;
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
    /// of a split one it may be any part. Weights that `quantization_config` says are quantised are put together.
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
        let config = ConfigDocument::read(files, &config_path)?;
        // Before the weights are opened, so that an unknown scheme is what is said.
        let scheme = QuantisationScheme::read(&config)?;
        let generation = GenerationConfig::read(files, &path.join("generation_config.json"))?;
        let stored = Checkpoint::open(files, path)?;
        let tensors = match &scheme {
            Some(scheme) => stored.with_scheme(scheme)?,
            None => stored,
        };
        Ok(ModelDirectory { path: path.to_path_buf(), config, generation, tensors })
    }
}
