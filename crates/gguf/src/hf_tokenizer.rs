//! A file's vocabulary as `tokenizer.json` and `tokenizer_config.json` would have it.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::pre_tokenizers::{PreTokenizer, pre_tokenizer};
use crate::sentence_pieces;
use crate::vocabulary::{TokenKind, Vocabulary};
use crate::{GgufProblem, Metadata};

const MODEL_KEY: &str = "tokenizer.ggml.model";
const MERGES_KEY: &str = "tokenizer.ggml.merges";
const SCORES_KEY: &str = "tokenizer.ggml.scores";
const SPACE_PREFIX_KEY: &str = "tokenizer.ggml.add_space_prefix";
/// A whole `tokenizer.json`, which few files have.
const WHOLE_KEY: &str = "tokenizer.huggingface.json";
const TEMPLATE_KEY: &str = "tokenizer.chat_template";

const SPACE_MARK: &str = "\u{2581}";

/// The kinds of vocabularies.
enum Kind {
    /// Pieces of bytes and a list of merges.
    ByteLevel(PreTokenizer),
    /// Pieces of text with scores, bytes for what they cannot say.
    SentencePiece,
}

impl Kind {
    fn of(metadata: &Metadata) -> Result<Kind, GgufProblem> {
        let missing = || GgufProblem::MissingValue { key: MODEL_KEY.to_string() };
        match metadata.text(MODEL_KEY)?.ok_or_else(missing)? {
            "gpt2" => pre_tokenizer(metadata).map(Kind::ByteLevel),
            "llama" => Ok(Kind::SentencePiece),
            other => Err(GgufProblem::UnsupportedTokenizer {
                key: MODEL_KEY,
                found: other.to_string(),
                supported: vec!["gpt2", "llama"],
            }),
        }
    }
}

/// The text of `tokenizer.json`.
///
/// # Errors
/// The file has no tokenizer, or none of a kind that is known.
pub fn tokenizer(metadata: &Metadata) -> Result<String, GgufProblem> {
    if let Some(whole) = metadata.text(WHOLE_KEY)? {
        return Ok(whole.to_string());
    }
    let kind = Kind::of(metadata)?;
    let missing = |key: &str| GgufProblem::MissingValue { key: key.to_string() };
    let vocabulary = Vocabulary::read(metadata)?.ok_or_else(|| missing("tokenizer.ggml.tokens"))?;
    let added = added_tokens(&vocabulary);
    let pieces = pieces(&vocabulary);
    let root = match kind {
        Kind::ByteLevel(pre) => {
            let merges = metadata.texts(MERGES_KEY)?.ok_or_else(|| missing(MERGES_KEY))?;
            byte_level(&pre, added, pieces, merges)
        }
        Kind::SentencePiece => {
            let scores = metadata.floats(SCORES_KEY)?.ok_or_else(|| missing(SCORES_KEY))?;
            if scores.len() != vocabulary.tokens.len() {
                return Err(GgufProblem::InvalidValue {
                    key: SCORES_KEY.to_string(),
                    found: format!("a list of {} scores for {} tokens", scores.len(), vocabulary.tokens.len()),
                    expected: "a score for each token",
                });
            }
            let prefixed = metadata.flag(SPACE_PREFIX_KEY)?.unwrap_or(true);
            let unknown = unknown_token(metadata, &vocabulary)?;
            sentence_piece(added, pieces, sentence_pieces::merges(&vocabulary, scores), unknown, prefixed)
        }
    };
    Ok(root.to_string())
}

/// The text of `tokenizer_config.json`: named tokens, whether texts are framed, chat templates.
///
/// # Errors
/// As [`tokenizer`].
pub fn tokenizer_config(metadata: &Metadata) -> Result<String, GgufProblem> {
    let mut config = Map::new();
    let kind = if metadata.get(WHOLE_KEY).is_some() { None } else { Some(Kind::of(metadata)?) };
    if let Some(vocabulary) = Vocabulary::read(metadata)? {
        for (field, key) in [("bos_token", "bos"), ("eos_token", "eos"), ("pad_token", "padding")] {
            let named = vocabulary.named(metadata, &format!("tokenizer.ggml.{key}_token_id"))?;
            // As SentencePiece numbers them.
            let usual = match (&kind, key) {
                (Some(Kind::SentencePiece), "bos") => Some(1),
                (Some(Kind::SentencePiece), "eos") => Some(2),
                _ => None,
            };
            let usual = usual.and_then(|id: usize| vocabulary.tokens.get(id)).map(String::as_str);
            if let Some(token) = named.or(usual) {
                config.insert(field.to_string(), json!(token));
            }
        }
        if let Some(token) = unknown_token(metadata, &vocabulary)? {
            config.insert("unk_token".to_string(), json!(token));
        }
    }
    let adds_bos = match &kind {
        None => None,
        Some(Kind::ByteLevel(pre)) => Some(pre.adds_bos),
        Some(Kind::SentencePiece) => Some(true),
    };
    for (field, usual) in [("add_bos_token", adds_bos), ("add_eos_token", adds_bos.map(|_| false))] {
        if let Some(flag) = metadata.flag(&format!("tokenizer.ggml.{field}"))?.or(usual) {
            config.insert(field.to_string(), json!(flag));
        }
    }
    if let Some(templates) = chat_templates(metadata)? {
        config.insert("chat_template".to_string(), templates);
    }
    Ok(Value::Object(config).to_string())
}

/// The token that stands for what the vocabulary cannot say: the one that is named, or of that kind.
fn unknown_token<'a>(metadata: &'a Metadata, vocabulary: &Vocabulary<'a>) -> Result<Option<&'a str>, GgufProblem> {
    let named = vocabulary.named(metadata, "tokenizer.ggml.unknown_token_id")?;
    let of_kind = || (0..vocabulary.tokens.len()).find(|&id| vocabulary.kind(id) == TokenKind::Unknown);
    Ok(named.or_else(|| of_kind().map(|id| vocabulary.tokens[id].as_str())))
}

/// One template, or several with names.
fn chat_templates(metadata: &Metadata) -> Result<Option<Value>, GgufProblem> {
    let default = metadata.text(TEMPLATE_KEY)?;
    let mut templates: Vec<Value> =
        default.map(|text| json!({"name": "default", "template": text})).into_iter().collect();
    for (key, _) in metadata.iter() {
        if let Some(name) = key.strip_prefix(TEMPLATE_KEY).and_then(|rest| rest.strip_prefix('.')) {
            templates.push(json!({"name": name, "template": metadata.text(key)?}));
        }
    }
    Ok(if templates.is_empty() { None } else { Some(Value::Array(templates)) })
}

/// Tokens that are found whole in a text, before it is split.
fn added_tokens(vocabulary: &Vocabulary<'_>) -> Vec<Value> {
    let mut seen = HashSet::new();
    (0..vocabulary.tokens.len())
        .filter_map(|id| {
            let special = match vocabulary.kind(id) {
                TokenKind::Control | TokenKind::Unknown => true,
                TokenKind::UserDefined => false,
                TokenKind::Normal | TokenKind::Unused | TokenKind::Byte => return None,
            };
            let content = &vocabulary.tokens[id];
            (!content.is_empty() && seen.insert(content)).then(|| {
                json!({
                    "id": id, "content": content, "special": special,
                    "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                })
            })
        })
        .collect()
}

/// Ids by their pieces; the first of equal ones. Those that only fill the vocabulary up have no piece.
fn pieces(vocabulary: &Vocabulary<'_>) -> Map<String, Value> {
    let mut pieces = Map::with_capacity(vocabulary.tokens.len());
    for (id, token) in vocabulary.tokens.iter().enumerate() {
        if vocabulary.kind(id) != TokenKind::Unused && !pieces.contains_key(token) {
            pieces.insert(token.clone(), json!(id));
        }
    }
    pieces
}

fn byte_level(pre: &PreTokenizer, added: Vec<Value>, pieces: Map<String, Value>, merges: &[String]) -> Value {
    // A merge of what is no piece can't be applied.
    let merges: Vec<Value> = merges
        .iter()
        .filter_map(|merge| {
            let (left, right) = split_merge(merge)?;
            let known = [left, right, &format!("{left}{right}")].into_iter().all(|piece| pieces.contains_key(piece));
            known.then(|| json!([left, right]))
        })
        .collect();
    json!({
        "version": "1.0",
        "added_tokens": added,
        "normalizer": pre.normalizer,
        "pre_tokenizer": pre.steps,
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": pre.ignores_merges, "vocab": pieces, "merges": merges,
        },
    })
}

/// Two pieces with a space between; the first is not empty.
fn split_merge(merge: &str) -> Option<(&str, &str)> {
    let first = merge.chars().next()?.len_utf8();
    let space = merge.get(first..)?.find(' ')? + first;
    Some((&merge[..space], &merge[space + 1..]))
}

fn sentence_piece(
    added: Vec<Value>,
    pieces: Map<String, Value>,
    merges: Vec<[&str; 2]>,
    unknown: Option<&str>,
    prefixed: bool,
) -> Value {
    let spaces = json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE_MARK});
    let marks = json!({"type": "Replace", "pattern": {"String": SPACE_MARK}, "content": " "});
    let mut normalizers = vec![spaces];
    let mut decoders = vec![marks, json!({"type": "ByteFallback"}), json!({"type": "Fuse"})];
    if prefixed {
        normalizers.insert(0, json!({"type": "Prepend", "prepend": SPACE_MARK}));
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    json!({
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": null,
        "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": pieces, "merges": merges,
        },
    })
}
