//! The special tokens and flags that `tokenizer_config.json` and `special_tokens_map.json` give.
//! Knows JSON, not tokenizers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::TextError;

/// The named tokens of a model, each as its text, as transformers hands them to chat templates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialTokens {
    /// Begins a text.
    pub bos: Option<String>,
    /// Ends a text: the primary end token.
    pub eos: Option<String>,
    /// Fills a batch.
    pub pad: Option<String>,
    /// Stands for what the vocabulary cannot say.
    pub unk: Option<String>,
    /// All named tokens (`bos_token`, `sep_token`, ...), in the order in which they were met.
    pub named: Vec<(String, String)>,
    /// `additional_special_tokens`.
    pub additional: Vec<String>,
}

/// What else the tokenizer's configuration says about encoding and decoding.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct TokenizerFlags {
    pub(crate) add_bos_token: Option<bool>,
    pub(crate) add_eos_token: Option<bool>,
    pub(crate) clean_up_tokenization_spaces: bool,
    pub(crate) truncation_left: bool,
}

/// Parses one configuration file into an object.
pub(crate) fn parse_object(file: &'static str, text: &str) -> Result<Map<String, Value>, TextError> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(TextError::InvalidConfig { file, reason: "not an object".to_owned() }),
        Err(error) => Err(TextError::InvalidConfig { file, reason: error.to_string() }),
    }
}

/// A token is written as its text, or as an object with `content`.
fn token_text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content").and_then(Value::as_str))
}

impl SpecialTokens {
    /// Reads both files; `tokenizer_config.json` wins where both name a token.
    pub(crate) fn read(config: &Map<String, Value>, map: &Map<String, Value>) -> Self {
        let mut tokens = Self::default();
        for source in [config, map] {
            for (key, value) in source {
                if key == "additional_special_tokens" && tokens.additional.is_empty() {
                    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
                    tokens.additional = list.iter().filter_map(token_text).map(str::to_owned).collect();
                } else if key.ends_with("_token")
                    && !tokens.named.iter().any(|(name, _)| name == key)
                    && let Some(text) = token_text(value)
                {
                    tokens.named.push((key.clone(), text.to_owned()));
                }
            }
        }
        let find = |key: &str| tokens.named.iter().find(|(name, _)| name == key).map(|(_, text)| text.clone());
        let (bos, eos) = (find("bos_token"), find("eos_token"));
        let (pad, unk) = (find("pad_token"), find("unk_token"));
        Self { bos, eos, pad, unk, ..tokens }
    }
}

impl TokenizerFlags {
    pub(crate) fn read(config: &Map<String, Value>) -> Self {
        let flag = |key: &str| config.get(key).and_then(Value::as_bool);
        Self {
            add_bos_token: flag("add_bos_token"),
            add_eos_token: flag("add_eos_token"),
            clean_up_tokenization_spaces: flag("clean_up_tokenization_spaces").unwrap_or(false),
            truncation_left: config.get("truncation_side").and_then(Value::as_str) == Some("left"),
        }
    }
}
