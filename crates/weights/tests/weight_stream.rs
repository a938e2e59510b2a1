//! A file in pieces gives the tensors of the file, wherever it is cut; a broken one is refused as early as can be.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use quire_weights::{
    Checkpoint, HeaderProblem, MemoryFiles, ModelFiles, WeightFile, WeightForm, WeightStream, WeightsError,
};

const HEADER: &str = concat!(
    r#"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"#,
    r#""empty":{"dtype":"F16","shape":[0,7],"data_offsets":[32,32]}}"#
);

fn file() -> Vec<u8> {
    let mut bytes = (HEADER.len() as u64).to_le_bytes().to_vec();
    bytes.extend(HEADER.as_bytes());
    bytes.extend(0..32);
    bytes
}

fn path() -> &'static Path {
    Path::new("/models/a/model.safetensors")
}

fn streamed(pieces: &[&[u8]]) -> Result<WeightFile, WeightsError> {
    let length = pieces.iter().map(|piece| piece.len() as u64).sum();
    let mut stream = WeightStream::new(path(), length)?;
    for piece in pieces {
        stream.push(piece)?;
    }
    stream.finish()
}

#[test]
fn every_cut_gives_the_same_tensors() {
    let bytes = file();
    for first in 0..=bytes.len() {
        for second in [first, (first + 5).min(bytes.len()), bytes.len()] {
            let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            let tensors = Checkpoint::of_one(streamed(&pieces).unwrap());
            assert_eq!(tensors.get("a").unwrap().bytes(), (0..24).collect::<Vec<u8>>(), "cut at {first} and {second}");
            assert_eq!(tensors.get("b").unwrap().bytes(), (24..32).collect::<Vec<u8>>(), "cut at {first} and {second}");
            assert!(tensors.get("empty").unwrap().bytes().is_empty());
        }
    }
}

#[test]
fn a_tensor_that_was_taken_is_gone_when_it_is_dropped() {
    let tensors = Checkpoint::of_one(streamed(&[&file()]).unwrap());
    let taken = tensors.take("a", WeightForm::Blocks).unwrap();
    assert!(matches!(tensors.get("a"), Err(WeightsError::MissingTensor { .. })));
    assert_eq!(taken.bytes().len(), 24);
    assert_eq!(tensors.get("b").unwrap().bytes().len(), 8, "the others are there");
    // What is in a file stays there.
    let whole = Checkpoint::from_bytes(file()).unwrap();
    whole.take("a", WeightForm::Blocks).unwrap();
    assert_eq!(whole.take("a", WeightForm::Blocks).unwrap().bytes().len(), 24);
}

#[test]
fn lengths_that_are_not_kept_are_errors() {
    let bytes = file();
    let mut long = WeightStream::new(path(), bytes.len() as u64).unwrap();
    long.push(&bytes).unwrap();
    assert!(matches!(long.push(&[0]), Err(WeightsError::FileChanged { .. })));
    for kept in [0, 7, 8, 40, bytes.len() - 1] {
        let mut short = WeightStream::new(path(), bytes.len() as u64).unwrap();
        short.push(&bytes[..kept]).unwrap();
        match short.finish() {
            Err(WeightsError::FileChanged { expected, found, .. }) => {
                assert_eq!((expected, found), (bytes.len() as u64, kept as u64));
            }
            other => panic!("{kept} bytes gave {other:?}"),
        }
    }
}

#[test]
fn a_broken_header_is_refused_when_it_is_complete() {
    assert!(matches!(
        WeightStream::new(path(), 7),
        Err(WeightsError::InvalidHeader { problem: HeaderProblem::TooShort { file_bytes: 7 }, .. })
    ));
    let mut long = WeightStream::new(path(), 100).unwrap();
    let error = long.push(&u64::MAX.to_le_bytes()).unwrap_err();
    assert!(
        matches!(error, WeightsError::InvalidHeader { problem: HeaderProblem::HeaderLength { .. }, .. }),
        "{error}"
    );
    let mut other = WeightStream::new(path(), file().len() as u64 + 1).unwrap();
    let error = other.push(&file()).unwrap_err();
    assert!(
        matches!(error, WeightsError::InvalidHeader { problem: HeaderProblem::TrailingBytes { .. }, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("/models/a/model.safetensors"), "{error}");
}

#[test]
fn files_in_memory_are_found_by_their_folder() {
    let files = MemoryFiles::default();
    let folder = Path::new("/models/a");
    assert_eq!(files.is_directory(folder).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    files.write(&folder.join("config.json"), b"{}".to_vec());
    files.write_weights(path(), streamed(&[&file()]).unwrap());
    assert!(files.is_directory(folder).unwrap());
    assert!(!files.is_directory(path()).unwrap());
    assert!(files.exists(path()) && !files.exists(&folder.join("tokenizer.json")));
    assert_eq!(files.read(&folder.join("config.json"), 1).unwrap(), b"{");
    assert_eq!(files.list(folder), [folder.join("config.json")]);
    let tensors = Checkpoint::open(&files, folder).unwrap();
    assert_eq!(tensors.total_bytes(), 32);
    assert!(matches!(Checkpoint::open(&files, folder), Err(WeightsError::MissingFile { .. })), "there once");
    files.remove(folder);
    assert!(!files.exists(&folder.join("config.json")));
}
