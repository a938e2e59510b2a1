//! Tokenizers out of GGUF files against the `tokenizer.json` that they were made of: the same ids, the same texts.

use std::path::{Path, PathBuf};

use quire_gguf::{GgufWriter, MetadataValue};
use quire_text::{TemplateSources, TextError, Tokenizer};
use serde_json::Value;

use crate::shared;

/// Folders of real tokenizers, and what converters call their splitting; nothing for SentencePiece.
const REAL: [(&str, Option<&str>); 8] = [
    ("gpt2", Some("gpt-2")),
    ("llama-3.1", Some("llama-bpe")),
    ("qwen2.5", Some("qwen2")),
    ("starcoder", Some("starcoder")),
    ("deepseek-coder", Some("deepseek-coder")),
    ("llama-2", None),
    ("mistral-v1", None),
    ("mistral-v3", None),
];

/// The scores of the pieces in a `tokenizer.model`, SentencePiece's message: field 1 is a piece, in which field 2 is its score.
fn scores(model: &[u8]) -> Vec<f64> {
    fields(model).into_iter().filter(|(number, _)| *number == 1).map(|(_, piece)| score(piece)).collect()
}

fn score(piece: &[u8]) -> f64 {
    let found = fields(piece).into_iter().find(|(number, _)| *number == 2);
    found.map_or(0.0, |(_, bytes)| f64::from(f32::from_le_bytes(bytes.try_into().expect("a float"))))
}

/// The fields of a message of protocol buffers: their numbers and bytes.
fn fields(message: &[u8]) -> Vec<(u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let length = bytes.iter().position(|byte| byte & 128 == 0).expect("the end of a number") + 1;
        let (number, rest) = bytes.split_at(length);
        *bytes = rest;
        number.iter().rev().fold(0, |sum, byte| (sum << 7) | u64::from(byte & 127))
    }
    let (mut rest, mut found) = (message, Vec::new());
    while !rest.is_empty() {
        let tag = varint(&mut rest);
        let before = rest;
        let length = match tag & 7 {
            0 => {
                varint(&mut rest);
                let length = before.len() - rest.len();
                rest = before;
                length
            }
            1 => 8,
            2 => varint(&mut rest) as usize,
            _ => 4,
        };
        let (bytes, after) = rest.split_at(length);
        found.push((tag >> 3, bytes));
        rest = after;
    }
    found
}

/// What a converter writes of a `tokenizer.json`.
fn converted(root: &Value, pre: Option<&str>, scores: &[f64], config: &Value) -> GgufWriter {
    let vocab = root["model"]["vocab"].as_object().expect("a vocabulary");
    let added = root["added_tokens"].as_array().expect("added tokens");
    let unknown = root["model"]["unk_token"].as_str();
    let ids = vocab.values().chain(added.iter().map(|token| &token["id"])).map(|id| id.as_u64().expect("an id"));
    let size = ids.max().expect("tokens") as usize + 1;
    let mut tokens: Vec<String> = (0..size).map(|id| format!("[PAD{id}]")).collect();
    let mut kinds = vec![5; size];
    for (piece, id) in vocab {
        let id = id.as_u64().expect("an id") as usize;
        tokens[id].clone_from(piece);
        let is_byte = pre.is_none() && piece.len() == 6 && piece.starts_with("<0x");
        kinds[id] = if is_byte { 6 } else { 1 };
    }
    for token in added {
        let id = token["id"].as_u64().expect("an id") as usize;
        tokens[id] = token["content"].as_str().expect("content").to_owned();
        let special = token["special"].as_bool() == Some(true);
        kinds[id] = if Some(tokens[id].as_str()) == unknown {
            2
        } else if special {
            3
        } else {
            4
        };
    }
    let mut writer = GgufWriter::default();
    let text = |text: &str| MetadataValue::Text(text.to_owned());
    writer.value("tokenizer.ggml.model", &text(if pre.is_some() { "gpt2" } else { "llama" }));
    match pre {
        Some(pre) => {
            writer.value("tokenizer.ggml.pre", &text(pre));
            let merge = |merge: &Value| match merge {
                Value::Array(pair) => {
                    format!("{} {}", pair[0].as_str().expect("a piece"), pair[1].as_str().expect("a piece"))
                }
                merge => merge.as_str().expect("a merge").to_owned(),
            };
            let merges = root["model"]["merges"].as_array().expect("merges").iter().map(merge).collect();
            writer.value("tokenizer.ggml.merges", &MetadataValue::Texts(merges));
        }
        None => {
            let mut scores = scores.to_vec();
            scores.resize(size, 0.0);
            writer.value("tokenizer.ggml.scores", &MetadataValue::Floats(scores));
        }
    }
    let id_of = |field: &str| {
        let value = &config[field];
        let content = value.as_str().or_else(|| value["content"].as_str())?;
        tokens.iter().position(|token| token == content)
    };
    for (field, key) in [("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown")] {
        if let Some(id) = id_of(field) {
            writer.value(&format!("tokenizer.ggml.{key}_token_id"), &MetadataValue::Integer(id as i128));
        }
    }
    if let Some(template) = config["chat_template"].as_str() {
        writer.value("tokenizer.chat_template", &text(template));
    }
    writer.value("tokenizer.ggml.tokens", &MetadataValue::Texts(tokens));
    writer.value("tokenizer.ggml.token_type", &MetadataValue::Integers(kinds));
    writer
}

fn written(folder: &Path, name: &str, file: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, file).expect("a file");
    path
}

#[test]
fn ids_are_those_of_the_tokenizer_that_was_converted() {
    let test = "ids_are_those_of_the_tokenizer_that_was_converted";
    let Some(folder) = shared::tokenizers(test) else { return };
    let target = tempfile::tempdir().expect("a folder");
    let sonnets = folder.join("../prompts/sonnet.txt");
    let sonnets = std::fs::read_to_string(sonnets).unwrap_or_default();
    let mut num_cases = 0;
    for (name, pre) in REAL {
        let directory = folder.join(name);
        let config = directory.join("tokenizer_config.json");
        let config = if config.exists() { shared::json(&config) } else { Value::Null };
        let model = std::fs::read(directory.join("tokenizer.model")).unwrap_or_default();
        let writer = converted(&shared::json(&directory.join("tokenizer.json")), pre, &scores(&model), &config);
        let path = written(target.path(), &format!("{name}.gguf"), &writer.finish());
        let original = Tokenizer::from_directory(&directory).expect("a tokenizer");
        let tokenizer = Tokenizer::from_directory(&path).expect("a tokenizer out of the file");
        let vectors = directory.join("vectors.json");
        let vectors = if vectors.exists() { shared::json(&vectors) } else { Value::Null };
        let cases = vectors["cases"].as_array().into_iter().flatten();
        let texts = cases.filter_map(|case| case["text"].as_str()).chain(sonnets.lines().take(60));
        for text in texts {
            let ids = original.encode(text, false).expect("ids");
            assert_eq!(tokenizer.encode(text, false).expect("ids"), ids, "{name} {text:?}");
            assert_eq!(
                tokenizer.decode(&ids, true).expect("text"),
                original.decode(&ids, true).expect("text"),
                "{name}"
            );
            num_cases += 1;
        }
        assert_eq!((tokenizer.bos_id(), tokenizer.eos_id()), (original.bos_id(), original.eos_id()), "{name}");
        if let Some(template) = config["chat_template"].as_str() {
            let sources = TemplateSources::from_directory(&path).expect("templates");
            assert_eq!(sources.select(None, false).expect("a template"), template, "{name}");
        }
    }
    assert!(num_cases >= 300, "{num_cases} cases");
}

#[test]
fn what_is_no_tokenizer_has_an_error_that_says_so() {
    let target = tempfile::tempdir().expect("a folder");
    let text = |text: &str| MetadataValue::Text(text.to_owned());
    let texts = |list: &[&str]| MetadataValue::Texts(list.iter().map(|&text| text.to_owned()).collect());
    let tokens = ("tokenizer.ggml.tokens", texts(&["a", "b", "ab"]));
    let rows: Vec<(Vec<(&str, MetadataValue)>, &str)> = vec![
        (vec![], "`tokenizer.ggml.model` is missing"),
        (vec![("tokenizer.ggml.model", text("rwkv"))], "`rwkv` is not supported; supported are gpt2, llama"),
        (
            vec![("tokenizer.ggml.model", text("gpt2")), ("tokenizer.ggml.pre", text("viking"))],
            "`viking` is not supported",
        ),
        (vec![("tokenizer.ggml.model", text("gpt2"))], "`tokenizer.ggml.tokens` is missing"),
        (vec![("tokenizer.ggml.model", text("gpt2")), tokens.clone()], "`tokenizer.ggml.merges` is missing"),
        (vec![("tokenizer.ggml.model", text("llama")), tokens.clone()], "`tokenizer.ggml.scores` is missing"),
        (
            vec![
                ("tokenizer.ggml.model", text("llama")),
                tokens.clone(),
                ("tokenizer.ggml.scores", MetadataValue::Floats(vec![0.0])),
            ],
            "a score for each token",
        ),
        (
            vec![
                ("tokenizer.ggml.model", text("llama")),
                tokens,
                ("tokenizer.ggml.token_type", MetadataValue::Integers(vec![1])),
            ],
            "a kind for each token",
        ),
    ];
    for (values, expected) in rows {
        let mut writer = GgufWriter::default();
        for (key, value) in &values {
            writer.value(key, value);
        }
        let path = written(target.path(), "model.gguf", &writer.finish());
        let error = Tokenizer::from_directory(&path).expect_err(expected);
        assert!(matches!(error, TextError::InvalidGguf { .. }) && error.code() == "ERR_INVALID_TOKENIZER", "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let path = written(target.path(), "model.gguf", b"GGUF\x03\0\0\0");
    assert!(Tokenizer::from_directory(&path).expect_err("short").to_string().contains("in the middle of its metadata"));
    let path = written(target.path(), "model.gguf", b"PK\x03\x04____");
    assert!(Tokenizer::from_directory(&path).expect_err("other").to_string().contains("does not begin with `GGUF`"));
}

#[test]
fn merges_of_what_is_no_piece_and_equal_tokens_do_no_harm() {
    let target = tempfile::tempdir().expect("a folder");
    let texts = |list: &[&str]| MetadataValue::Texts(list.iter().map(|&text| text.to_owned()).collect());
    let mut writer = GgufWriter::default();
    writer
        .value("tokenizer.ggml.model", &MetadataValue::Text("gpt2".to_owned()))
        .value("tokenizer.ggml.tokens", &texts(&["a", "b", "ab", "a", "<end>", ""]))
        .value("tokenizer.ggml.token_type", &MetadataValue::Integers(vec![1, 1, 1, 1, 3, 3]))
        .value("tokenizer.ggml.merges", &texts(&["a b", "a c", "ab b", "", " ", "b"]))
        .value("tokenizer.ggml.eos_token_id", &MetadataValue::Integer(4))
        .value("tokenizer.ggml.bos_token_id", &MetadataValue::Integer(77))
        .value("tokenizer.ggml.add_eos_token", &MetadataValue::Bool(true));
    let path = written(target.path(), "model.gguf", &writer.finish());
    let tokenizer = Tokenizer::from_directory(&path).expect("a tokenizer");
    assert_eq!(tokenizer.encode("abba<end>", true).expect("ids"), [2, 1, 0, 4, 4]);
    assert_eq!((tokenizer.bos_id(), tokenizer.eos_id()), (None, Some(4)));
}

/// A file that names a splitting, over a vocabulary of two letters.
fn split_by(pre: &str) -> Result<Tokenizer, TextError> {
    let target = tempfile::tempdir().expect("a folder");
    let texts = |list: &[&str]| MetadataValue::Texts(list.iter().map(|&text| text.to_owned()).collect());
    let mut writer = GgufWriter::default();
    writer
        .value("tokenizer.ggml.model", &MetadataValue::Text("gpt2".to_owned()))
        .value("tokenizer.ggml.pre", &MetadataValue::Text(pre.to_owned()))
        .value("tokenizer.ggml.tokens", &texts(&["a", "b", "ab"]))
        .value("tokenizer.ggml.merges", &texts(&["a b"]));
    Tokenizer::from_directory(&written(target.path(), "model.gguf", &writer.finish()))
}

#[test]
fn every_splitting_that_is_said_to_be_supported_works() {
    let refused = split_by("no such splitting").expect_err("an unknown name").to_string();
    let names = refused.split_once("supported are ").expect("a list").1.trim_end_matches('.');
    let mut num_names = 0;
    for name in names.split(", ") {
        // A pattern that does not compile once was one that an editor had normalized: ώ stood for its twin at U+1F7D.
        let tokenizer = split_by(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(tokenizer.encode("ab", false).expect("ids"), [2], "{name}");
        num_names += 1;
    }
    assert!(num_names > 30, "{names}");
}
