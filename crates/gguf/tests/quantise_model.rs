//! Files that are quantised anew: what they say, what they hold, and that bad ones are refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Cursor};

use quire_blocks::{BlockFormat, dequantise, quantise};
use quire_gguf::{
    ElementType, FileType, GgufParts, GgufPartsError, GgufProblem, GgufWriter, ImportanceError, ImportanceMatrix,
    InputSums, MetadataValue, QuantiseError, QuantiseJob, TensorType, quantise_model, read_header, write_importance,
    write_whole_file,
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
    write(&mut source, name, threads, None)
}

fn write(
    source: &mut GgufParts<Cursor<Vec<u8>>>,
    name: &str,
    threads: usize,
    importance: Option<&ImportanceMatrix>,
) -> Result<Vec<u8>, Failure> {
    let job = QuantiseJob { file_type: FileType::from_name(name).unwrap(), importance, threads, progress: &|_| true };
    let mut out = Vec::new();
    quantise_model(source, &job, &mut out)?;
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
        let job = QuantiseJob { file_type, importance: None, threads: 1, progress: &|share| share == 0.0 };
        quantise_model(&mut source, &job, out)
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

/// Sums of columns of which every eighth is large.
fn sums(name: &str, columns: usize, num_parts: usize) -> InputSums {
    let part = |part: usize| {
        let of = |column: usize| if (column + part).is_multiple_of(8) { 90.0 } else { 0.3 };
        ((0..columns).map(of).collect(), 3)
    };
    InputSums { name: name.into(), parts: (0..num_parts).map(part).collect() }
}

#[test]
fn importance_is_read_back_and_weighs_errors() {
    let mut source = model();
    let experts = numbers(2 * 4 * 64);
    source.tensor("blk.0.ffn_up_exps.weight", &[2, 4, 64], F32, &bytes(&experts));
    let known = [sums("blk.0.attn_q.weight", 64, 1), sums("blk.0.ffn_up_exps.weight", 64, 2)];
    let importance = ImportanceMatrix::read(&write_importance(&known, "texts", 5, 512)).unwrap();
    assert_eq!(importance.num_tensors(), 2);
    let columns = importance.columns("blk.0.ffn_up_exps.weight", 1).unwrap();
    assert!((columns.iter().sum::<f32>() - 64.0).abs() < 1e-3 && (columns[7] / columns[0] - 300.0).abs() < 0.1);
    assert_eq!(importance.columns("token_embd.weight", 0), None);
    let open = || GgufParts::read(vec![Cursor::new(source.finish())]).unwrap();
    let plain = write(&mut open(), "q4_0", 1, None).unwrap();
    let weighted = write(&mut open(), "q4_0", 1, Some(&importance)).unwrap();
    assert_eq!(write(&mut open(), "q4_0", 3, Some(&importance)).unwrap(), weighted, "three threads");
    let error = |file: &[u8], name: &str, meant: &[f32]| {
        let header = read_header(file, file.len() as u64).unwrap().unwrap();
        let range = &header.tensor(name).unwrap().bytes;
        let mut values = vec![0.0; meant.len()];
        dequantise(BlockFormat::Q4_0, &file[range.start as usize..range.end as usize], &mut values);
        let part = |row: usize| if name.contains("exps") { row / 4 } else { 0 };
        let rows = values.chunks(64).zip(meant.chunks(64)).enumerate();
        rows.flat_map(|(row, (values, meant))| {
            let columns = importance.columns(name, part(row)).unwrap();
            values.iter().zip(meant).zip(columns).map(|((value, meant), weight)| weight * (value - meant).powi(2))
        })
        .sum::<f32>()
    };
    for (name, meant) in [("blk.0.attn_q.weight", &numbers(320)), ("blk.0.ffn_up_exps.weight", &experts)] {
        let (before, after) = (error(&plain, name, meant), error(&weighted, name, meant));
        assert!(after < 0.8 * before, "{name}: {before} became {after}");
    }
}

/// As llama.cpp wrote them before they were GGUF files.
#[test]
fn the_older_form_is_read() {
    let mut file = 1_i32.to_le_bytes().to_vec();
    file.extend(3_i32.to_le_bytes());
    file.extend(b"a.b");
    for number in [4_i32, 2] {
        file.extend(number.to_le_bytes());
    }
    file.extend(bytes(&[8.0, 24.0]));
    let end = file.len();
    file.extend(7_i32.to_le_bytes());
    let importance = ImportanceMatrix::read(&file).unwrap();
    assert_eq!(importance.columns("a.b", 0), Some(&[0.5, 1.5][..]));
    for length in 0..end {
        assert!(ImportanceMatrix::read(&file[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn importance_of_something_else_is_refused() {
    let of = |known: InputSums| {
        let importance = ImportanceMatrix::read(&write_importance(&[known], "texts", 1, 512)).unwrap();
        let mut source = GgufParts::read(vec![Cursor::new(model().finish())]).unwrap();
        match write(&mut source, "q4_0", 1, Some(&importance)) {
            Err(QuantiseError::Importance(error)) => error,
            other => panic!("{:?}", other.map(|file| file.len())),
        }
    };
    let wider = of(sums("blk.0.attn_q.weight", 65, 1));
    assert!(matches!(wider, ImportanceError::Columns { found: 65, expected: 64, .. }), "{wider}");
    let experts = of(sums("blk.0.attn_q.weight", 64, 2));
    assert!(matches!(experts, ImportanceError::Parts { found: 2, expected: 1, .. }), "{experts}");
    let other = of(sums("blk.7.attn_q.weight", 64, 1));
    assert!(matches!(other, ImportanceError::OtherModel { .. }), "{other}");
    // Files that are none, cut off, or say what cannot be.
    assert!(ImportanceMatrix::read(&model().finish()).is_err());
    assert!(ImportanceMatrix::read(b"something else").is_err());
    let whole = write_importance(&[sums("a", 64, 2)], "texts", 1, 512);
    for length in 0..whole.len() - 32 {
        assert!(ImportanceMatrix::read(&whole[..length]).is_err(), "{length} bytes of {}", whole.len());
    }
    for wrong in [f64::NAN, f64::INFINITY, -1.0] {
        let known = InputSums { name: "a".into(), parts: vec![(vec![1.0, wrong], 1)] };
        assert!(ImportanceMatrix::read(&write_importance(&[known], "texts", 1, 512)).is_err(), "{wrong}");
    }
    // Experts that no token came by are not known; neither are columns of nothing.
    let known =
        InputSums { name: "a".into(), parts: vec![(vec![1.0, 3.0], 1), (vec![0.0, 0.0], 0), (vec![0.0, 0.0], 9)] };
    let importance = ImportanceMatrix::read(&write_importance(&[known], "texts", 1, 512)).unwrap();
    assert_eq!([0, 1, 2].map(|part| importance.columns("a", part).is_some()), [true, false, false]);
}
