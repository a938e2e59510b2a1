//! How a tokenizer's decoder turns pieces into text, in a form that can run one token at a time.
//! Decoders whose text cannot be told token by token get `DecoderPlan::Window`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The families of decoders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum DecoderPlan {
    /// Each character of a piece stands for a byte (GPT-2).
    ByteLevel,
    /// Replacements within pieces, `<0xNN>` pieces are bytes, and `strip` leading characters of the whole text go.
    ByteFallback { replacements: Vec<(String, String)>, strip: Option<(char, usize)> },
    /// SentencePiece's space mark; the mark that begins the text is dropped unless `keep_first`.
    Metaspace { mark: char, keep_first: bool },
    /// Pieces without `prefix` begin a word.
    WordPiece { prefix: String, cleanup: bool },
    /// No decoder: pieces joined by spaces.
    Spaced,
    /// Anything else: decode a short window of ids again and again.
    Window,
}

impl DecoderPlan {
    pub(crate) fn read(decoder: &Value) -> Self {
        if decoder.is_null() {
            return Self::Spaced;
        }
        Self::stages(decoder).unwrap_or(Self::Window)
    }

    fn stages(decoder: &Value) -> Option<Self> {
        let stages = match kind(decoder)? {
            "Sequence" => decoder.get("decoders")?.as_array()?.as_slice(),
            _ => std::slice::from_ref(decoder),
        };
        match stages {
            [only] => match kind(only)? {
                "ByteLevel" => return Some(Self::ByteLevel),
                "Metaspace" => {
                    return Some(Self::Metaspace {
                        mark: only_char(only.get("replacement")?)?,
                        keep_first: only.get("prepend_scheme").and_then(Value::as_str) == Some("never"),
                    });
                }
                "WordPiece" => {
                    return Some(Self::WordPiece {
                        prefix: only.get("prefix")?.as_str()?.to_owned(),
                        cleanup: only.get("cleanup").and_then(Value::as_bool).unwrap_or(true),
                    });
                }
                _ => {}
            },
            [] => return None,
            _ => {}
        }
        Self::byte_fallback(stages)
    }

    /// `Replace* ByteFallback Fuse Strip?`, the shape of Llama's, Mistral's and Gemma's decoders.
    fn byte_fallback(stages: &[Value]) -> Option<Self> {
        let mut replacements = Vec::new();
        let mut rest = stages;
        while let [first, tail @ ..] = rest
            && kind(first)? == "Replace"
        {
            let pattern = first.get("pattern")?.get("String")?.as_str()?;
            replacements.push((pattern.to_owned(), first.get("content")?.as_str()?.to_owned()));
            rest = tail;
        }
        let [fallback, fuse, tail @ ..] = rest else { return None };
        if kind(fallback)? != "ByteFallback" || kind(fuse)? != "Fuse" {
            return None;
        }
        let strip = match tail {
            [] => None,
            [strip] if kind(strip)? == "Strip" && strip.get("stop")?.as_u64()? == 0 => {
                let start = usize::try_from(strip.get("start")?.as_u64()?).ok()?;
                Some((only_char(strip.get("content")?)?, start))
            }
            _ => return None,
        };
        Some(Self::ByteFallback { replacements, strip })
    }
}

fn kind(stage: &Value) -> Option<&str> {
    stage.get("type")?.as_str()
}

fn only_char(value: &Value) -> Option<char> {
    let mut chars = value.as_str()?.chars();
    chars.next().filter(|_| chars.next().is_none())
}
