//! Directories: one file or shards, what may be missing, names that would leave the directory, files that change.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use quire_weights::{Checkpoint, FileSystem, ModelDirectory, WeightsError};

fn shard(names: &[&str]) -> Vec<u8> {
    let entry = |(index, name): (usize, &&str)| {
        format!(r#""{name}":{{"dtype":"F32","shape":[1],"data_offsets":[{},{}]}}"#, 4 * index, 4 * index + 4)
    };
    let header = format!("{{{}}}", names.iter().enumerate().map(entry).collect::<Vec<_>>().join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + 4 * names.len(), 0);
    bytes
}

fn write_index(directory: &Path, entries: &str) {
    fs::write(directory.join("model.safetensors.index.json"), format!(r#"{{"weight_map":{entries}}}"#)).unwrap();
}

#[test]
fn shards_are_found_through_the_index() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("one.safetensors"), shard(&["a", "unlisted"])).unwrap();
    fs::write(directory.path().join("two.safetensors"), shard(&["b"])).unwrap();
    write_index(directory.path(), r#"{"a":"one.safetensors","b":"two.safetensors"}"#);
    let tensors = Checkpoint::open(&FileSystem, directory.path()).unwrap();
    assert_eq!(tensors.names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(tensors.get("b").unwrap().bytes(), [0; 4]);
}

#[test]
fn bad_indexes_are_refused() {
    let outside = "not a file name inside the model directory";
    let rows = [
        (r#"{"a":"../one.safetensors"}"#, outside),
        (r#"{"a":"/etc/passwd"}"#, outside),
        (r#"{"a":"sub/one.safetensors"}"#, outside),
        (r#"{"a":"..\\one.safetensors"}"#, outside),
        (r#"{"a":"C:one.safetensors"}"#, outside),
        (r#"{"a":".."}"#, outside),
        (r#"{"a":""}"#, outside),
        (r#"{"a":"one\u0000.safetensors"}"#, outside),
        (r#"{"a":7}"#, "expected a file name"),
        ("[]", "expected an object"),
        ("null", "expected an object"),
        (r#"{"a":"absent.safetensors"}"#, "cannot read"),
        (r#"{"missing":"one.safetensors"}"#, "tensor `missing` is missing"),
    ];
    for (weight_map, expected) in rows {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("one.safetensors"), shard(&["a"])).unwrap();
        write_index(directory.path(), weight_map);
        let message = Checkpoint::open(&FileSystem, directory.path()).unwrap_err().to_string();
        assert!(message.contains(expected), "{weight_map}: {message}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let open = || ModelDirectory::open(&FileSystem, directory.path());
    assert!(matches!(
        ModelDirectory::open(&FileSystem, &directory.path().join("nowhere")),
        Err(WeightsError::NotADirectory { problem: "does not exist", .. })
    ));
    assert!(matches!(open(), Err(WeightsError::MissingFile { file: "config.json", .. })));
    fs::write(directory.path().join("config.json"), "{}").unwrap();
    assert!(matches!(
        ModelDirectory::open(&FileSystem, &directory.path().join("config.json")),
        Err(WeightsError::NotADirectory { problem: "is neither a directory nor a GGUF file", .. })
    ));
    let weights = "model.safetensors or model.safetensors.index.json";
    assert!(matches!(open(), Err(WeightsError::MissingFile { file, .. }) if file == weights));
    fs::create_dir(directory.path().join("model.safetensors")).unwrap();
    assert!(matches!(open(), Err(WeightsError::Io { .. })));
    fs::remove_dir(directory.path().join("model.safetensors")).unwrap();
    fs::write(directory.path().join("model.safetensors"), shard(&["a"])).unwrap();
    assert!(open().unwrap().tensors.contains("a"));
    fs::write(directory.path().join("generation_config.json"), "nonsense").unwrap();
    assert!(matches!(open(), Err(WeightsError::InvalidJson { .. })));
}

#[test]
fn a_file_that_shrinks_or_grows_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let bytes = shard(&["a"]);
    fs::write(&path, &bytes).unwrap();
    let tensors = Checkpoint::open(&FileSystem, directory.path()).unwrap();
    assert!(tensors.get("a").is_ok());
    for length in [bytes.len() as u64 + 1, 3] {
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
        assert!(matches!(tensors.get("a"), Err(WeightsError::FileChanged { found, .. }) if found == length));
    }
}
