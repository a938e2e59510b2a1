//! How a checkpoint wants hidden states made into one vector: the files of sentence-transformers (`modules.json` and what it
//! lists). Computes nothing. A checkpoint without these files has an empty [`PoolingConfig`].

use std::path::Path;

use serde_json::Value;

use crate::json::{read_array, read_object};
use crate::{ConfigDocument, ModelFiles, WeightsError};

/// Most bytes of one of the files that are read.
const MAX_BYTES: u64 = 1 << 20;

/// The names under which sentence-transformers kept the sequence length, by the family of the model.
const SENTENCE_FILES: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// How the hidden states of a sequence become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolingKind {
    /// The first token's.
    Cls,
    /// The last token's.
    Last,
    /// Their mean.
    Mean,
    /// The greatest of each feature.
    Max,
    /// Their sum over the square root of their number.
    MeanSqrtLen,
    /// Their mean with weights 1, 2, 3, ...: <https://arxiv.org/abs/2202.08904>.
    WeightedMean,
}

/// Every kind by the names that this project and sentence-transformers give it.
const KINDS: [(PoolingKind, &str, &str); 6] = [
    (PoolingKind::Cls, "cls", "pooling_mode_cls_token"),
    (PoolingKind::Last, "last", "pooling_mode_lasttoken"),
    (PoolingKind::Mean, "mean", "pooling_mode_mean_tokens"),
    (PoolingKind::Max, "max", "pooling_mode_max_tokens"),
    (PoolingKind::MeanSqrtLen, "meanSqrtLen", "pooling_mode_mean_sqrt_len_tokens"),
    (PoolingKind::WeightedMean, "weightedMean", "pooling_mode_weightedmean_tokens"),
];

impl PoolingKind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = PoolingKind> {
        KINDS.iter().map(|(kind, _, _)| *kind)
    }

    /// The kind called `name`.
    pub fn from_name(name: &str) -> Option<PoolingKind> {
        KINDS.iter().find(|(_, known, _)| *known == name).map(|(kind, _, _)| *kind)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, _, _)| *kind == self).map_or("", |(_, name, _)| name)
    }
}

/// What the files say; absent fields were absent there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolingConfig {
    /// The pooling of the list of modules.
    pub kind: Option<PoolingKind>,
    /// Whether the list of modules ends in a normalisation; `None` without a list.
    pub normalizes: Option<bool>,
    /// Most tokens of an input.
    pub max_tokens: Option<usize>,
    /// Whether texts are lowercased before they are tokenized.
    pub lowercases: bool,
}

impl PoolingConfig {
    /// Reads what the model directory at `directory` says of inputs, as classifiers have it: not the list of modules.
    ///
    /// # Errors
    /// A file that is broken.
    pub fn read_inputs(files: &dyn ModelFiles, directory: &Path) -> Result<PoolingConfig, WeightsError> {
        let mut paths = SENTENCE_FILES.iter().map(|file| directory.join(file));
        let Some(path) = paths.find(|path| files.exists(path)) else {
            return Ok(PoolingConfig::default());
        };
        let document = ConfigDocument::read(files, &path)?;
        let max_tokens = document.count("max_seq_length")?;
        if max_tokens == Some(0) {
            return Err(document.invalid_text("max_seq_length", "0".to_string(), "a number above 0, or null"));
        }
        let lowercases = document.flag("do_lower_case", false)?;
        Ok(PoolingConfig { max_tokens, lowercases, ..PoolingConfig::default() })
    }

    /// Reads all of the files in the model directory at `directory`.
    ///
    /// # Errors
    /// A file that is broken, a module that is not known here, a path outside the directory.
    pub fn read(files: &dyn ModelFiles, directory: &Path) -> Result<PoolingConfig, WeightsError> {
        let mut config = PoolingConfig::read_inputs(files, directory)?;
        let path = directory.join("modules.json");
        if !files.exists(&path) {
            return Ok(config);
        }
        config.normalizes = Some(false);
        for module in read_array(files, &path, MAX_BYTES)? {
            let field = |name: &str| module.get(name).and_then(Value::as_str).unwrap_or_default();
            let invalid = |field: &str, found: &str, expected: &'static str| WeightsError::InvalidField {
                path: path.clone(),
                field: field.to_string(),
                found: format!("\"{found}\""),
                expected,
            };
            let class = field("type");
            match class.rsplit('.').next().unwrap_or_default() {
                "Transformer" => {}
                "Pooling" => {
                    let folder = field("path");
                    let plain = !folder.is_empty() && !folder.contains(['/', '\\', ':']) && folder != "..";
                    if !plain {
                        return Err(invalid("path", folder, "the name of a folder in the model directory"));
                    }
                    config.kind = Some(read_kind(files, &directory.join(folder).join("config.json"))?);
                }
                "Normalize" => config.normalizes = Some(true),
                _ => return Err(invalid("type", class, "Transformer, Pooling or Normalize")),
            }
        }
        Ok(config)
    }
}

/// The one kind that the configuration of a pooling module switches on.
fn read_kind(files: &dyn ModelFiles, path: &Path) -> Result<PoolingKind, WeightsError> {
    let object = read_object(files, path, MAX_BYTES)?;
    let invalid = |field: &str, found: String| WeightsError::InvalidField {
        path: path.to_path_buf(),
        field: field.to_string(),
        found,
        expected: "one of cls, last token, mean, max, mean by the root of the length, weighted mean",
    };
    if let Some(mode) = object.get("pooling_mode").and_then(Value::as_str) {
        let name = match mode {
            "lasttoken" => "last",
            "mean_sqrt_len_tokens" => "meanSqrtLen",
            "weightedmean" => "weightedMean",
            other => other,
        };
        return PoolingKind::from_name(name).ok_or_else(|| invalid("pooling_mode", format!("\"{mode}\"")));
    }
    let on: Vec<&str> = object
        .iter()
        .filter(|(key, value)| key.starts_with("pooling_mode_") && value.as_bool() == Some(true))
        .map(|(key, _)| key.as_str())
        .collect();
    match on.as_slice() {
        // Older files name the modes that were there then; the mean was the default.
        [] => Ok(PoolingKind::Mean),
        [field] => KINDS
            .iter()
            .find(|(_, _, known)| known == field)
            .map(|(kind, _, _)| *kind)
            .ok_or_else(|| invalid(field, "true".to_string())),
        several => Err(invalid("pooling_mode", format!("{several:?}"))),
    }
}
