//! Vocabularies of `tokenizer.json` as values of a file, and back.
#![expect(clippy::unwrap_used, reason = "tests")]

use quire_gguf::{
    GgufProblem, GgufWriter, Metadata, TokenizerFiles, read_metadata, tokenizer, tokenizer_config, write_tokenizer,
};
use serde_json::{Value, json};

fn written(tokenizer: Value, config: Value, vocab_size: usize) -> Result<Metadata, GgufProblem> {
    let mut writer = GgufWriter::default();
    let files = TokenizerFiles {
        tokenizer,
        config,
        templates: vec![("default".into(), "{{ a }}".into()), ("tools".into(), "{{ b }}".into())],
        vocab_size,
        bos_token_id: Some(1),
        end_token_ids: vec![2, 3],
        pad_token_id: None,
    };
    write_tokenizer(&mut writer, &files)?;
    Ok(read_metadata(&writer.finish())?.unwrap())
}

fn pieces(merges: &[[&str; 2]]) -> Value {
    json!({
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u{2581}"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"},
        ]},
        "pre_tokenizer": null,
        "post_processor": {"type": "TemplateProcessing", "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
        ]},
        "added_tokens": [
            {"id": 0, "content": "<unk>", "special": true},
            {"id": 1, "content": "<s>", "special": true},
            {"id": 2, "content": "</s>", "special": true},
            {"id": 99, "content": "<far>", "special": true},
        ],
        "model": {
            "type": "BPE", "byte_fallback": true, "unk_token": "<unk>",
            "vocab": {
                "<unk>": 0, "<s>": 1, "</s>": 2, "<0x0A>": 3, "a": 4, "b": 5, "c": 6, "ab": 7, "bc": 8, "abc": 9,
            },
            "merges": merges,
        },
    })
}

#[test]
fn merges_of_scores_come_back_in_their_order() {
    // Two pieces of one score, whose merges are told apart by their lengths.
    let merges = [["a", "b"], ["b", "c"], ["ab", "c"], ["a", "bc"]];
    let metadata = written(pieces(&merges), json!({"eos_token": {"content": "</s>"}}), 12).unwrap();
    assert_eq!(metadata.text("tokenizer.ggml.model").unwrap(), Some("llama"));
    assert_eq!(metadata.integers("tokenizer.ggml.token_type").unwrap().unwrap(), [2, 3, 3, 6, 1, 1, 1, 1, 1, 1, 5, 5]);
    let back: Value = serde_json::from_str(&tokenizer(&metadata).unwrap()).unwrap();
    assert_eq!(back["model"]["merges"], json!(merges));
    let ids = ["bos", "eos", "eot", "unknown"].map(|key| metadata.count(&format!("tokenizer.ggml.{key}_token_id")));
    assert_eq!(ids.map(Result::unwrap), [Some(1), Some(2), Some(3), None]);
    let config: Value = serde_json::from_str(&tokenizer_config(&metadata).unwrap()).unwrap();
    assert_eq!([&config["add_bos_token"], &config["add_eos_token"]], [&json!(true), &json!(false)]);
    assert_eq!(config["chat_template"][1], json!({"name": "tools", "template": "{{ b }}"}));
}

#[test]
fn merges_that_no_scores_have_are_refused() {
    // Pieces that are made in one way only, though others would do.
    for merges in [vec![["a", "b"], ["ab", "c"]], vec![["b", "c"], ["a", "bc"], ["a", "b"]]] {
        let refused = written(pieces(&merges), Value::Null, 10);
        assert!(matches!(refused, Err(GgufProblem::UnsupportedTokenizer { .. })), "{merges:?}");
    }
}

#[test]
fn a_splitting_has_the_name_that_it_is_read_by() {
    let names = [
        "gpt-2",
        "llama-bpe",
        "dbrx",
        "qwen2",
        "smollm",
        "tekken",
        "gpt-4o",
        "stablelm2",
        "command-r",
        "deepseek-coder",
        "deepseek-llm",
        "deepseek-v3",
    ];
    for name in names {
        let mut writer = GgufWriter::default();
        let text = |text: &str| quire_gguf::MetadataValue::Text(text.into());
        let texts = |list: &[&str]| quire_gguf::MetadataValue::Texts(list.iter().map(|&text| text.into()).collect());
        writer
            .value("tokenizer.ggml.model", &text("gpt2"))
            .value("tokenizer.ggml.pre", &text(name))
            .value("tokenizer.ggml.tokens", &texts(&["a", "b", "ab"]))
            .value("tokenizer.ggml.merges", &texts(&["a b"]));
        let metadata = read_metadata(&writer.finish()).unwrap().unwrap();
        let root: Value = serde_json::from_str(&tokenizer(&metadata).unwrap()).unwrap();
        let mut root = root;
        if name == "deepseek-coder" {
            root["normalizer"] = json!({"type": "Sequence", "normalizers": []});
        }
        let metadata = written(root, Value::Null, 3).unwrap();
        assert_eq!(metadata.text("tokenizer.ggml.pre").unwrap(), Some(name));
        assert_eq!(metadata.texts("tokenizer.ggml.merges").unwrap().unwrap(), ["a b"]);
    }
    let mut other = pieces(&[]);
    other["model"]["byte_fallback"] = json!(false);
    assert!(matches!(written(other, Value::Null, 10), Err(GgufProblem::UnsupportedTokenizer { .. })));
    let unigram = json!({"model": {"type": "Unigram", "vocab": [["a", 0.0]]}});
    assert!(matches!(written(unigram, Value::Null, 1), Err(GgufProblem::UnsupportedTokenizer { .. })));
}
