//! Truncated, bit-flipped and hostile tokenizer files: an error each time, never a panic, a hang or a huge allocation.

use crate::fixtures;
use proptest::prelude::*;
use quire_text::{
    ChatTemplate, Detokenizer, DetokenizerOptions, RenderOptions, SpecialTokens, TemplateSources, TextError, Tokenizer,
};
use serde_json::{Value, json};

fn refused(json: &str) -> Option<TextError> {
    Tokenizer::from_json(json.as_bytes(), None, None).err()
}

/// Whatever was loaded, using it must not panic either.
fn exercise(bytes: &[u8]) {
    let Ok(tokenizer) = Tokenizer::from_json(bytes, None, None) else { return };
    let text = "hello world é \u{1F680} <s> the cats.";
    let ids = tokenizer.encode(text, true).unwrap_or_default();
    let _ = tokenizer.encode_batch(&[text, ""], false);
    let _ = tokenizer.decode(&ids, false);
    if let Ok(mut stream) = Detokenizer::new(&tokenizer, &DetokenizerOptions::default()) {
        for id in ids.iter().copied().chain(0..20) {
            let _ = stream.push(&[id], None);
        }
    }
}

#[test]
fn hostile_files_are_errors() {
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let mut rows: Vec<(&str, String)> = vec![
        ("empty", String::new()),
        ("not json", "{".to_owned()),
        ("a list", "[]".to_owned()),
        ("null", "null".to_owned()),
        ("no model", "{}".to_owned()),
        ("deep nesting", deep(100_000)),
        ("deep field", format!("{{\"model\": {}}}", deep(5_000))),
    ];
    let mut change = |name, pointer: &str, value: Value| {
        let mut file = fixtures::byte_level();
        *file.pointer_mut(pointer).expect(pointer) = value;
        rows.push((name, file.to_string()));
    };
    change("huge id", "/model/vocab/h", json!(u32::MAX));
    change("negative id", "/model/vocab/h", json!(-1));
    change("id as text", "/model/vocab/h", json!("7"));
    change("unknown model", "/model/type", json!("Oracle"));
    change("merge of nothing", "/model/merges", json!(["q"]));
    change("merge of unknown", "/model/merges", json!(["zz yy"]));
    change("huge added id", "/added_tokens/0/id", json!(u32::MAX));
    change("unknown decoder", "/decoder", json!({"type": "Magic"}));
    change(
        "bad regex",
        "/pre_tokenizer",
        json!({"type": "Split", "pattern": {"Regex": "(["}, "behavior": "Isolated", "invert": false}),
    );
    change("long prefix", "/normalizer", json!({"type": "Prepend", "prepend": "x".repeat(100_000)}));
    let double = json!({"type": "Replace", "pattern": {"String": "x"}, "content": "xx"});
    change("doubling", "/normalizer", json!({"type": "Sequence", "normalizers": vec![double; 40]}));
    for (name, file) in &rows {
        let error = refused(file);
        assert!(matches!(error, Some(TextError::InvalidTokenizer { .. })), "{name}: {error:?}");
    }
}

#[test]
fn strange_files_do_not_panic() {
    let mut rows = Vec::new();
    let mut change = |pointer: &str, value: Value| {
        let mut file = fixtures::byte_level();
        *file.pointer_mut(pointer).expect(pointer) = value;
        rows.push(file);
    };
    change("/model/merges", json!(["h e", "he he", "he ll", "h h", "h h"]));
    change("/model/continuing_subword_prefix", json!("h".repeat(50)));
    change(
        "/padding",
        json!({"strategy": {"Fixed": 1_000_000_000_000_u64}, "direction": "Right",
        "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "h"}),
    );
    change("/truncation", json!({"max_length": 0, "strategy": "LongestFirst", "stride": 5, "direction": "Left"}));
    change(
        "/pre_tokenizer",
        json!({"type": "Split", "pattern": {"Regex": "(a+)+$|(?=h)(h|h)*z"}, "behavior": "Isolated", "invert": false}),
    );
    change("/pre_tokenizer", json!({"type": "FixedLength", "length": 0}));
    change("/decoder", json!({"type": "Strip", "content": "h", "start": 0, "stop": 9}));
    change("/decoder", json!({"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": true}));
    change("/decoder", json!({"type": "Sequence", "decoders": []}));
    change("/model/vocab", json!({}));
    for file in rows {
        exercise(file.to_string().as_bytes());
    }
}

#[test]
fn configuration_of_the_wrong_type_is_an_error() {
    let file = fixtures::byte_level().to_string();
    for config in ["", "[]", "{", "null"] {
        let error = Tokenizer::from_json(file.as_bytes(), Some(config), None).err();
        assert!(matches!(error, Some(TextError::InvalidConfig { .. })), "{config:?}: {error:?}");
    }
    for config in [r#"{"chat_template": 7}"#, r#"{"chat_template": [{"name": "a"}]}"#, "x"] {
        assert!(matches!(TemplateSources::from_config(config), Err(TextError::InvalidConfig { .. })), "{config}");
    }
}

#[test]
fn special_tokens_come_from_both_files() {
    let file = fixtures::byte_fallback().to_string();
    // tokenizer_config, special_tokens_map -> ids of "h" with special tokens
    let rows = [
        ("{}", "{}", vec![1, 266]),
        (r#"{"bos_token": "<s>", "eos_token": {"content": "</s>"}, "add_eos_token": true}"#, "{}", vec![1, 266, 2]),
        (r#"{"bos_token": "<s>", "add_bos_token": false}"#, r#"{"eos_token": "</s>"}"#, vec![266]),
        (r#"{"add_bos_token": true}"#, r#"{"bos_token": {"content": "<s>"}, "eos_token": "</s>"}"#, vec![1, 266]),
    ];
    for (config, map, expected) in rows {
        let tokenizer = Tokenizer::from_json(file.as_bytes(), Some(config), Some(map)).expect("a tokenizer");
        assert_eq!(tokenizer.encode("h", true).expect("ids"), expected, "{config}");
        assert_eq!(tokenizer.encode_batch(&["h", ""], true).expect("ids")[0], expected, "{config}");
        assert_eq!(tokenizer.encode("h", false).expect("ids"), [266], "{config}");
    }
    let llama = |legacy: bool| {
        let config = format!(r#"{{"tokenizer_class": "LlamaTokenizer", "legacy": {legacy}}}"#);
        Tokenizer::from_json(file.as_bytes(), Some(&config), None).expect("a tokenizer")
    };
    for (text, written, legacy, modern) in [
        ("<s>h", vec![1, 266], vec![1, 266], vec![1, 262]),
        ("<s> h", vec![1, 259, 266], vec![1, 266], vec![1, 266]),
        (" h", vec![259, 266], vec![259, 266], vec![259, 266]),
        ("h", vec![266], vec![266], vec![266]),
    ] {
        let plain = Tokenizer::from_json(file.as_bytes(), None, None).expect("a tokenizer");
        assert_eq!(plain.encode(text, false).expect("ids"), written, "{text:?}");
        assert_eq!(llama(true).encode(text, false).expect("ids"), legacy, "{text:?}");
        assert_eq!(llama(false).encode(text, false).expect("ids"), modern, "{text:?}");
    }
}

#[test]
fn templates_are_found_as_transformers_finds_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let none = TemplateSources::from_directory(folder.path()).expect("an empty folder");
    assert!(matches!(none.select(None, false), Err(TextError::NoChatTemplate { .. })));
    let config =
        json!({"chat_template": [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]});
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).expect("written");
    let check = |name: Option<&str>, tools: bool, expected: &str| {
        let sources = TemplateSources::from_directory(folder.path()).expect("templates");
        assert_eq!(sources.select(name, tools).expect("a template"), expected, "{name:?} {tools}");
    };
    check(None, false, "d");
    check(None, true, "t");
    check(Some("default"), true, "d");
    std::fs::write(folder.path().join("chat_template.jinja"), "file").expect("written");
    std::fs::create_dir(folder.path().join("additional_chat_templates")).expect("made");
    std::fs::write(folder.path().join("additional_chat_templates/rag.jinja"), "rag").expect("written");
    check(None, false, "file");
    check(Some("rag"), false, "rag");
    let missing = Tokenizer::from_directory(folder.path());
    assert!(matches!(missing, Err(TextError::Read { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_tokenizers_do_not_panic(family in 0..3_usize, at: prop::sample::Index, bit in 0..8_u32, cut: bool, more: prop::sample::Index) {
        let file = [fixtures::byte_level(), fixtures::byte_fallback(), fixtures::word_piece()][family].to_string();
        let mut bytes = file.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if cut {
            bytes.truncate(more.index(bytes.len()));
        }
        exercise(&bytes);
    }

    #[test]
    fn damaged_templates_do_not_panic(at: prop::sample::Index, with in "[-{}%#'\"()\\[\\]|~*+a0 é]{0,3}", length in 0..4_usize) {
        let source = "{%- for m in messages -%}{% if m.role == 'user' %}{{ '<' ~ m.content | trim + '>' }}{% else %}{{ m['content'][:-1] * 2 }}{% endif %}{%- endfor %}{{ raise_exception('x') if not messages }}{# c #}{% raw %}{{ }}{% endraw %}";
        let at = at.index(source.len());
        let damaged = format!("{}{with}{}", &source[..at], &source[(at + length).min(source.len())..]);
        if let Ok(template) = ChatTemplate::new(&damaged, &SpecialTokens::default()) {
            let messages = json!([{"role": "user", "content": " é "}, {"role": "assistant", "content": "ab"}]);
            let _ = template.render(&messages, &RenderOptions::default());
        }
    }

    #[test]
    fn random_templates_do_not_panic(source in "(\\{\\{|\\}\\}|\\{%|%\\}|if |for |in |set |=|x|'|\"|1|\\+|-|~|\\*|\\(|\\)|\\[|\\]|\\||is |not |\\.|,|:| |\n|é){0,40}") {
        if let Ok(template) = ChatTemplate::new(&source, &SpecialTokens::default()) {
            let _ = template.render(&json!([]), &RenderOptions::default());
        }
    }
}
