//! `generation_config.json`: what the model's makers recommend for sampling, and the tokens that end an answer.

use std::path::Path;

use crate::{ConfigDocument, ModelFiles, WeightsError};

/// Recommended sampling parameters; `None` where the file says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenerationConfig {
    /// Tokens that end an answer; `None` = not stated, so the model's configuration decides.
    pub eos_token_ids: Option<Vec<i32>>,
    /// First token of a prompt.
    pub bos_token_id: Option<i32>,
    /// Token that fills up.
    pub pad_token_id: Option<i32>,
    /// Whether to sample rather than take the likeliest token.
    pub do_sample: Option<bool>,
    /// Divisor of the logits.
    pub temperature: Option<f64>,
    /// Number of likeliest tokens kept.
    pub top_k: Option<usize>,
    /// Probability mass kept.
    pub top_p: Option<f64>,
    /// Least probability kept, relative to the likeliest.
    pub min_p: Option<f64>,
    /// Penalty on tokens already there.
    pub repetition_penalty: Option<f64>,
    /// Most tokens to generate.
    pub max_new_tokens: Option<usize>,
}

impl GenerationConfig {
    /// Reads the file at `path` of `files`; a missing file is an empty configuration.
    ///
    /// # Errors
    /// The file can't be read, is not a JSON object, or a field has the wrong type.
    pub fn read(files: &dyn ModelFiles, path: &Path) -> Result<GenerationConfig, WeightsError> {
        if !files.exists(path) {
            return Ok(GenerationConfig::default());
        }
        GenerationConfig::from_document(&ConfigDocument::read(files, path)?)
    }

    /// Reads the fields of a parsed document.
    ///
    /// # Errors
    /// A field has the wrong type.
    pub fn from_document(document: &ConfigDocument) -> Result<GenerationConfig, WeightsError> {
        let first = |ids: Option<Vec<i32>>| ids.and_then(|ids| ids.first().copied());
        Ok(GenerationConfig {
            eos_token_ids: document.token_ids("eos_token_id")?.filter(|ids| !ids.is_empty()),
            bos_token_id: first(document.token_ids("bos_token_id")?),
            pad_token_id: first(document.token_ids("pad_token_id")?),
            do_sample: match document.get("do_sample") {
                Some(_) => Some(document.flag("do_sample", false)?),
                None => None,
            },
            temperature: document.number("temperature")?,
            top_k: document.count("top_k")?,
            top_p: document.number("top_p")?,
            min_p: document.number("min_p")?,
            repetition_penalty: document.number("repetition_penalty")?,
            max_new_tokens: document.count("max_new_tokens")?,
        })
    }
}
