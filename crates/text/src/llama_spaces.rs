//! Where Llama's tokenizers put their space mark. Their `tokenizer.json` puts one before every stretch of text between
//! special tokens; transformers' `LlamaTokenizer` replaces that step, so that a stretch after a special token gets none
//! (`legacy: false`), or none when it begins with a space (`legacy: true`). The start of a text keeps the file's rule,
//! which is SentencePiece's.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

const MARK: char = '\u{2581}';

/// What is done to a text before the tokenizer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spaces {
    /// Nothing.
    AsWritten,
    /// A text that begins with a space gets the mark that the replaced step would give it.
    KeepLeading,
}

impl Spaces {
    pub(crate) fn prepare(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::KeepLeading if text.starts_with([' ', MARK]) => Cow::Owned(format!(" {text}")),
            _ => Cow::Borrowed(text),
        }
    }
}

/// Replaces the step in the parsed `tokenizer.json` when transformers would.
pub(crate) fn replace_pipeline(root: &mut Value, config: &Map<String, Value>) -> Spaces {
    let class = config.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default();
    let written = json!({"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": MARK.to_string()},
        {"type": "Replace", "pattern": {"String": " "}, "content": MARK.to_string()},
    ]});
    let is_llama = matches!(class, "LlamaTokenizer" | "LlamaTokenizerFast");
    let prefixed = config.get("add_prefix_space").and_then(Value::as_bool).unwrap_or(true);
    let null = root.get("pre_tokenizer").is_none_or(Value::is_null);
    if !is_llama || !prefixed || !null || root.get("normalizer") != Some(&written) {
        return Spaces::AsWritten;
    }
    let legacy = config.get("legacy").and_then(Value::as_bool).unwrap_or(false);
    let scheme = if legacy { "always" } else { "first" };
    root["normalizer"] = Value::Null;
    root["pre_tokenizer"] =
        json!({"type": "Metaspace", "replacement": MARK.to_string(), "prepend_scheme": scheme, "split": false});
    Spaces::KeepLeading
}
