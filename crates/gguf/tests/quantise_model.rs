//! Files that are quantised anew: what they say, what they hold, and that bad ones are refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Cursor};

use quire_blocks::{BlockFormat, dequantise, quantise};
use quire_gguf::{
    ElementType, FileType, GgufParts, GgufPartsError, GgufProblem, GgufWriter, MetadataValue, QuantiseError,
    QuantiseJob, TensorType, quantise_model, read_header, write_whole_file,
};

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 7_919) % 257) as f32 / 128.0 - 1.0).collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

const F32: TensorType = TensorType::Elements(ElementType::F32);

fn model() -> GgufWriter {
    let mut writer = GgufWriter::default();
    writer
        .value("general.architecture", &MetadataValue::Text("llama".into()))
        .value("general.alignment", &MetadataValue::Integer(32))
        .value("general.file_type", &MetadataValue::Integer(1))
        .value("llama.rope.freq_base", &MetadataValue::Float(10_000.0))
        .value("tokenizer.ggml.tokens", &MetadataValue::Texts(vec!["a".into(), "\u{e9}".into()]))
        .value("tokenizer.ggml.token_type", &MetadataValue::Integers(vec![1, 3]))
        .value("tokenizer.chat_template", &MetadataValue::Text("{{ messages }}".into()))
        .tensor("token_embd.weight", &[3, 256], F32, &bytes(&numbers(768)))
        .tensor("blk.0.attn_norm.weight", &[256], F32, &bytes(&numbers(256)))
        .tensor("blk.0.attn_q.weight", &[5, 64], F32, &bytes(&numbers(320)));
    writer
}

type Failure = QuantiseError<GgufPartsError>;

fn written(parts: Vec<Vec<u8>>, name: &str, threads: usize) -> Result<Vec<u8>, Failure> {
    let mut source = GgufParts::read(parts.into_iter().map(Cursor::new).collect()).map_err(QuantiseError::Source)?;
    let job = QuantiseJob { file_type: FileType::from_name(name).unwrap(), threads, progress: &|_| true };
    let mut out = Vec::new();
    quantise_model(&mut source, &job, &mut out)?;
    Ok(out)
}

#[test]
fn metadata_stays_and_matrices_are_quantised() {
    let file = written(vec![model().finish()], "q4_0", 2).unwrap();
    let header = read_header(&file, file.len() as u64).unwrap().unwrap();
    let metadata = &header.metadata;
    assert_eq!(metadata.text("tokenizer.chat_template").unwrap(), Some("{{ messages }}"));
    assert_eq!(metadata.texts("tokenizer.ggml.tokens").unwrap().unwrap(), ["a", "\u{e9}"]);
    assert_eq!(metadata.integers("tokenizer.ggml.token_type").unwrap().unwrap(), [1, 3]);
    assert_eq!(metadata.count("general.file_type").unwrap(), Some(2));
    assert_eq!(metadata.count("general.quantization_version").unwrap(), Some(2));
    assert_eq!(metadata.get("general.alignment"), None);
    let formats: Vec<(&str, &str)> =
        header.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.format.name())).collect();
    let expected = [("token_embd.weight", "Q6_K"), ("blk.0.attn_norm.weight", "F32"), ("blk.0.attn_q.weight", "Q4_0")];
    assert_eq!(formats, expected);
    let of = |name: &str| {
        let range = &header.tensor(name).unwrap().bytes;
        &file[range.start as usize..range.end as usize]
    };
    assert_eq!(of("blk.0.attn_norm.weight"), bytes(&numbers(256)));
    let mut blocks = vec![0; BlockFormat::Q4_0.bytes_of(320).unwrap()];
    quantise(BlockFormat::Q4_0, &numbers(320), &mut blocks);
    assert_eq!(of("blk.0.attn_q.weight"), blocks);
    let mut values = vec![0.0; 768];
    dequantise(BlockFormat::Q6_K, of("token_embd.weight"), &mut values);
    assert!(values.iter().zip(numbers(768)).all(|(found, meant)| (found - meant).abs() < 0.05));
    for threads in [1, 64] {
        assert_eq!(written(vec![model().finish()], "q4_0", threads).unwrap(), file, "{threads} threads");
    }
}

#[test]
fn parts_become_one_file() {
    let mut first = model();
    first.value("split.no", &MetadataValue::Integer(0)).value("split.count", &MetadataValue::Integer(2));
    let mut second = GgufWriter::default();
    second.value("split.no", &MetadataValue::Integer(1)).value("split.count", &MetadataValue::Integer(2)).tensor(
        "output.weight",
        &[2, 32],
        F32,
        &bytes(&numbers(64)),
    );
    let file = written(vec![first.finish(), second.finish()], "q8_0", 1).unwrap();
    let header = read_header(&file, file.len() as u64).unwrap().unwrap();
    assert_eq!(header.split().unwrap(), None);
    assert_eq!(header.tensors.len(), 4);
    assert!(header.tensors.iter().all(|tensor| tensor.shape.len() == 1 || tensor.format.name() == "Q8_0"));
}

#[test]
fn bad_files_are_refused() {
    let whole = model().finish();
    let twice = written(vec![whole.clone(), whole.clone()], "q8_0", 1);
    assert!(matches!(twice, Err(QuantiseError::Source(GgufPartsError::Problem(GgufProblem::Duplicate { .. })))));
    for length in 0..whole.len() {
        assert!(written(vec![whole[..length].to_vec()], "q8_0", 1).is_err(), "{length} bytes of {}", whole.len());
    }
}

#[test]
fn elements_are_written_too() {
    let file = written(vec![model().finish()], "bf16", 1).unwrap();
    let header = read_header(&file, file.len() as u64).unwrap().unwrap();
    assert_eq!(header.tensor("blk.0.attn_q.weight").unwrap().format.name(), "BF16");
    // Numbers of 8 bits survive both ways.
    let again = written(vec![file], "f32", 2).unwrap();
    let header = read_header(&again, again.len() as u64).unwrap().unwrap();
    let range = header.tensor("blk.0.attn_q.weight").unwrap().bytes.clone();
    assert_eq!(again[range.start as usize..range.end as usize], bytes(&numbers(320)));
}

#[test]
fn a_file_has_its_name_when_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("new.gguf");
    let left = || std::fs::read_dir(folder.path()).unwrap().count();
    let full: Result<u64, Failure> =
        write_whole_file(&output, |_| Err(QuantiseError::Write(io::ErrorKind::StorageFull.into())));
    assert!(matches!(full, Err(QuantiseError::Write(error)) if error.kind() == io::ErrorKind::StorageFull));
    assert_eq!(left(), 0);
    let stopped = write_whole_file(&output, |out| {
        let mut source = GgufParts::read(vec![Cursor::new(model().finish())]).map_err(QuantiseError::Source)?;
        let file_type = FileType::from_name("q8_0").unwrap();
        quantise_model(&mut source, &QuantiseJob { file_type, threads: 1, progress: &|share| share == 0.0 }, out)
    });
    assert!(matches!(stopped, Err(QuantiseError::Stopped)));
    assert_eq!(left(), 0);
    std::fs::write(&output, "old").unwrap();
    let whole: Result<u64, Failure> =
        write_whole_file(&output, |out| out.write_all(b"whole").map_err(QuantiseError::Write));
    assert_eq!(whole.unwrap(), 5);
    assert_eq!(std::fs::read(&output).unwrap(), b"whole");
    assert_eq!(left(), 1);
}
