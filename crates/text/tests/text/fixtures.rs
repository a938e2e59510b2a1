//! Tiny tokenizers, one for each family of decoders, built here so that the tests need no files.

use quire_text::Tokenizer;
use serde_json::{Value, json};

/// A byte-level BPE: the 256 bytes, a few merges, two special tokens (`<s>` 262, `</s>` 263) and an added one (264).
pub(crate) fn byte_level() -> Value {
    let mut vocab = serde_json::Map::new();
    for byte in 0..=255_u8 {
        vocab.insert(printable(byte).to_string(), json!(byte));
    }
    let merges = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("Ġ", "w"), ("Ġw", "o")];
    for (index, (left, right)) in merges.iter().enumerate() {
        vocab.insert(format!("{left}{right}"), json!(256 + index));
    }
    let merges: Vec<String> = merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": added(&[(262, "<s>", true), (263, "</s>", true), (264, "<tool>", false)]),
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": merges}
    })
}

/// A SentencePiece-like BPE with byte fallback; `<s>` 1, `</s>` 2, bytes 3..=258.
pub(crate) fn byte_fallback() -> Value {
    let mut vocab = serde_json::Map::new();
    for (id, piece) in ["<unk>", "<s>", "</s>"].iter().enumerate() {
        vocab.insert((*piece).to_owned(), json!(id));
    }
    for byte in 0..=255_u32 {
        vocab.insert(format!("<0x{byte:02X}>"), json!(3 + byte));
    }
    let pieces = ["▁", "a", "b", "h", "i", "o", "w", "▁h", "▁hi", "▁w", "é"];
    for (index, piece) in pieces.iter().enumerate() {
        vocab.insert((*piece).to_owned(), json!(259 + index));
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added(&[(0, "<unk>", true), (1, "<s>", true), (2, "</s>", true)]),
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": null,
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": vocab,
            "merges": ["▁ h", "▁h i", "▁ w"]}
    })
}

/// WordPiece: `[UNK]` 0, `[CLS]` 1, `[SEP]` 2, then words.
pub(crate) fn word_piece() -> Value {
    let words = ["[UNK]", "[CLS]", "[SEP]", "the", "cat", "##s", "##y", ".", ",", "!", "do", "not", "'", "s"];
    let vocab: serde_json::Map<String, Value> =
        words.iter().enumerate().map(|(id, word)| ((*word).to_owned(), json!(id))).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added(&[(0, "[UNK]", true), (1, "[CLS]", true), (2, "[SEP]", true)]),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": null,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab}
    })
}

/// The WordPiece vocabulary under another decoder.
pub(crate) fn with_decoder(decoder: Value) -> Value {
    let mut tokenizer = word_piece();
    tokenizer["decoder"] = decoder;
    tokenizer
}

/// All families.
pub(crate) fn families() -> Vec<(&'static str, Tokenizer)> {
    let metaspace = json!({"type": "Metaspace", "replacement": "t", "prepend_scheme": "always", "split": true});
    let window = json!({"type": "BPEDecoder", "suffix": "e"});
    let rows = [
        ("byte level", byte_level()),
        ("byte fallback", byte_fallback()),
        ("word piece", word_piece()),
        ("metaspace", with_decoder(metaspace)),
        ("no decoder", with_decoder(Value::Null)),
        ("window", with_decoder(window)),
    ];
    rows.into_iter().map(|(name, json)| (name, build(&json))).collect()
}

/// A tokenizer from its JSON.
pub(crate) fn build(json: &Value) -> Tokenizer {
    Tokenizer::from_json(json.to_string().as_bytes(), None, None).expect("a tokenizer")
}

fn added(tokens: &[(u32, &str, bool)]) -> Value {
    let token = |&(id, content, special): &(u32, &str, bool)| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": special})
    };
    tokens.iter().map(token).collect()
}

/// GPT-2's character for a byte.
fn printable(byte: u8) -> char {
    let shown = |byte: u8| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    if shown(byte) {
        return char::from(byte);
    }
    let hidden_before = (0..byte).filter(|&earlier| !shown(earlier)).count() as u32;
    char::from_u32(0x100 + hidden_before).expect("a character")
}
