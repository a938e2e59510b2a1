//! The files of sentence-transformers: what they may say, and what is refused by name.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use quire_weights::{FileSystem, PoolingConfig, PoolingKind};

const TRANSFORMER: &str = r#"{"idx":0,"path":"","type":"sentence_transformers.models.Transformer"}"#;
const POOLING: &str = r#"{"idx":1,"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}"#;
const NORMALIZE: &str = r#"{"idx":2,"path":"2_Normalize","type":"sentence_transformers.models.Normalize"}"#;

fn read(modules: Option<&str>, pooling: &str, sentence: Option<(&str, &str)>) -> Result<PoolingConfig, String> {
    let directory = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
        fs::write(path, text).unwrap();
    };
    if let Some(modules) = modules {
        write("modules.json", modules);
    }
    write("1_Pooling/config.json", pooling);
    if let Some((file, text)) = sentence {
        write(file, text);
    }
    PoolingConfig::read(&FileSystem, directory.path()).map_err(|error| error.to_string())
}

#[test]
fn what_the_files_say() {
    let all = format!("[{TRANSFORMER},{POOLING},{NORMALIZE}]");
    let plain = format!("[{TRANSFORMER},{POOLING}]");
    let expected =
        |kind, normalizes, max_tokens, lowercases| PoolingConfig { kind, normalizes, max_tokens, lowercases };
    let mean = r#"{"pooling_mode_cls_token":false,"pooling_mode_mean_tokens":true}"#;
    let rows = [
        (None, mean, None, expected(None, None, None, false)),
        (Some(all.as_str()), mean, None, expected(Some(PoolingKind::Mean), Some(true), None, false)),
        (
            Some(plain.as_str()),
            r#"{"pooling_mode_lasttoken":true,"include_prompt":true}"#,
            Some(("sentence_bert_config.json", r#"{"max_seq_length":256,"do_lower_case":true}"#)),
            expected(Some(PoolingKind::Last), Some(false), Some(256), true),
        ),
        (
            Some(plain.as_str()),
            r#"{"pooling_mode":"weightedmean"}"#,
            Some(("sentence_xlm-roberta_config.json", r#"{"max_seq_length":null}"#)),
            expected(Some(PoolingKind::WeightedMean), Some(false), None, false),
        ),
        (Some(plain.as_str()), "{}", None, expected(Some(PoolingKind::Mean), Some(false), None, false)),
    ];
    for (modules, pooling, sentence, expected) in rows {
        assert_eq!(read(modules, pooling, sentence), Ok(expected), "{modules:?} {pooling} {sentence:?}");
    }
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let module = |path: &str, class: &str| format!(r#"[{{"path":"{path}","type":"{class}"}}]"#);
    let pooling = |path: &str| module(path, "sentence_transformers.models.Pooling");
    let rows = [
        (module("2_Dense", "sentence_transformers.models.Dense"), "{}", "Dense"),
        (pooling("../1_Pooling"), "{}", "the name of a folder"),
        (pooling("/etc"), "{}", "the name of a folder"),
        (pooling(""), "{}", "the name of a folder"),
        (pooling("absent"), "{}", "cannot read"),
        (pooling("1_Pooling"), r#"{"pooling_mode_cls_token":true,"pooling_mode_max_tokens":true}"#, "pooling_mode"),
        (pooling("1_Pooling"), r#"{"pooling_mode_attention":true}"#, "pooling_mode_attention"),
        (pooling("1_Pooling"), r#"{"pooling_mode":"first"}"#, "first"),
        (pooling("1_Pooling"), "[]", "expected an object"),
        ("{}".to_string(), "{}", "expected a list"),
        ("[".to_string(), "{}", "not valid JSON"),
    ];
    for (modules, pooling, expected) in rows {
        let message = read(Some(&modules), pooling, None).unwrap_err();
        assert!(message.contains(expected), "{modules} {pooling}: {message}");
    }
    let zero = Some(("sentence_bert_config.json", r#"{"max_seq_length":0}"#));
    assert!(read(None, "{}", zero).unwrap_err().contains("max_seq_length"));
}
