//! Models in GGUF files: whole, split, in pieces, and broken.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use quire_blocks::BlockFormat;
use quire_gguf::{ElementType, GgufWriter, MetadataValue, TensorType};
use quire_weights::{DType, FileSystem, MemoryFiles, ModelDirectory, StoredFormat, WeightStream, WeightsError};

const F32: TensorType = TensorType::Elements(ElementType::F32);
const Q8_0: TensorType = TensorType::Blocks(BlockFormat::Q8_0);

fn integer(number: i128) -> MetadataValue {
    MetadataValue::Integer(number)
}

fn described() -> GgufWriter {
    let mut writer = GgufWriter::default();
    let text = |text: &str| MetadataValue::Text(text.to_string());
    writer
        .value("general.architecture", &text("llama"))
        .value("llama.embedding_length", &integer(32))
        .value("llama.feed_forward_length", &integer(64))
        .value("llama.block_count", &integer(1))
        .value("llama.attention.head_count", &integer(2))
        .value("llama.attention.head_count_kv", &integer(1))
        .value("llama.context_length", &integer(128))
        .value("llama.attention.layer_norm_rms_epsilon", &MetadataValue::Float(1e-5))
        .value("llama.rope.freq_base", &MetadataValue::Float(5e5))
        .value("tokenizer.ggml.bos_token_id", &integer(1))
        .value("tokenizer.ggml.eos_token_id", &integer(2))
        .value("tokenizer.ggml.eot_token_id", &integer(3))
        .value("general.sampling.temp", &MetadataValue::Float(0.5));
    writer
}

/// Every row of `rows` is one block, filled with the row's number.
fn numbered(rows: u8) -> Vec<u8> {
    (0..rows).flat_map(|row| [row; 34]).collect()
}

fn whole() -> Vec<u8> {
    described()
        .tensor("token_embd.weight", &[8, 32], F32, &[1; 1024])
        .tensor("blk.0.attn_q.weight", &[32, 32], Q8_0, &numbered(32))
        .tensor("blk.0.attn_k.weight", &[16, 32], Q8_0, &numbered(16))
        .tensor("blk.0.attn_v.weight", &[16, 32], Q8_0, &numbered(16))
        .tensor("output_norm.weight", &[32], F32, &[3; 128])
        .tensor("extra", &[256], TensorType::Other("IQ2_XXS"), &[0; 66])
        .finish()
}

fn check(model: &ModelDirectory) {
    let config = &model.config;
    assert_eq!(config.architecture().unwrap(), Some("LlamaForCausalLM"));
    for (field, expected) in [("vocab_size", 8), ("head_dim", 16), ("num_key_value_heads", 1), ("bos_token_id", 1)] {
        assert_eq!(config.count(field).unwrap(), Some(expected), "{field}");
    }
    assert_eq!((config.number("rope_theta").unwrap(), config.number("rms_norm_eps").unwrap()), (Some(5e5), Some(1e-5)));
    assert!(config.flag("tie_word_embeddings", false).unwrap());
    assert_eq!(model.generation.eos_token_ids, Some(vec![2, 3]));
    assert_eq!((model.generation.temperature, model.generation.do_sample), (Some(0.5), Some(true)));
    let tensors = &model.tensors;
    assert!(tensors.outputs_first("any"));
    assert_eq!(tensors.main_format(), Some(StoredFormat::Blocks(BlockFormat::Q8_0)));
    assert_eq!(tensors.get("model.norm.weight").unwrap().format, StoredFormat::Elements(DType::F32));
    // Two heads of 16 rows: the halves alternate in the file.
    let query = tensors.get("model.layers.0.self_attn.q_proj.weight").unwrap();
    let rows: Vec<u8> = query.bytes().chunks(34).map(|row| row[0]).collect();
    let head = |first: u8| (0..8).map(move |row| first + 2 * row).chain((0..8).map(move |row| first + 2 * row + 1));
    assert_eq!(rows, head(0).chain(head(16)).collect::<Vec<u8>>());
    let value = tensors.get("model.layers.0.self_attn.v_proj.weight").unwrap();
    assert_eq!(value.bytes(), numbered(16));
    let error = tensors.get("extra").unwrap_err();
    assert!(matches!(&error, WeightsError::UnsupportedDType { found, .. } if found == "IQ2_XXS"), "{error}");
    assert!(error.to_string().contains("F32, F16 and BF16, in GGUF files also Q4_0, Q4_1"), "{error}");
}

#[test]
fn a_type_that_is_not_read_is_told_before_any_tensor_is() {
    let folder = tempfile::tempdir().unwrap();
    for (name, row_bytes) in [("IQ3_S", 110), ("Q4_0_4_4", 8 * 18), ("TQ1_0", 54)] {
        let format = TensorType::Other(name);
        let file = described()
            .tensor("token_embd.weight", &[8, 32], F32, &[1; 1024])
            .tensor("blk.0.ffn_down.weight", &[1, 256], format, &vec![0; row_bytes])
            .finish();
        let error = ModelDirectory::open(&FileSystem, &written(folder.path(), "a.gguf", &file)).unwrap_err();
        let WeightsError::UnsupportedDType { name: tensor, found } = &error else { panic!("{error}") };
        assert_eq!((tensor.as_str(), found.as_str()), ("blk.0.ffn_down.weight", name));
    }
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_file_is_a_model() {
    let folder = tempfile::tempdir().unwrap();
    check(&ModelDirectory::open(&FileSystem, &written(folder.path(), "a.gguf", &whole())).unwrap());
    check(&ModelDirectory::open(&FileSystem, &written(folder.path(), "a-00001-of-00002.gguf", &whole())).unwrap());
}

#[test]
fn a_file_in_pieces_is_the_same_model() {
    let file = whole();
    let path = Path::new("/models/a.gguf");
    for piece_bytes in [1, 7, 1000, file.len()] {
        let mut stream = WeightStream::new(path, file.len() as u64).unwrap();
        for piece in file.chunks(piece_bytes) {
            stream.push(piece).unwrap();
        }
        assert!(file.starts_with(stream.gguf_header().unwrap()));
        let files = MemoryFiles::default();
        files.write_weights(path, stream.finish().unwrap());
        check(&ModelDirectory::open(&files, path).unwrap());
    }
    let mut stream = WeightStream::new(path, file.len() as u64).unwrap();
    stream.push(&file[..file.len() - 1]).unwrap();
    assert!(matches!(stream.finish(), Err(WeightsError::FileChanged { .. })));
    let mut stream = WeightStream::new(path, 64).unwrap();
    let error = stream.push(&file[..64]).unwrap_err();
    assert!(matches!(error, WeightsError::InvalidGguf { .. }), "{error}");
}

/// Part `part` of two.
fn part(part: i128) -> Vec<u8> {
    let mut writer = if part == 0 { described() } else { GgufWriter::default() };
    writer.value("split.no", &integer(part)).value("split.count", &integer(2));
    if part == 0 {
        writer.tensor("token_embd.weight", &[8, 32], F32, &[1; 1024]).tensor(
            "blk.0.attn_q.weight",
            &[32, 32],
            Q8_0,
            &numbered(32),
        );
    } else {
        writer
            .tensor("blk.0.attn_k.weight", &[16, 32], Q8_0, &numbered(16))
            .tensor("blk.0.attn_v.weight", &[16, 32], Q8_0, &numbered(16))
            .tensor("output_norm.weight", &[32], F32, &[3; 128])
            .tensor("extra", &[256], TensorType::Other("IQ2_XXS"), &[0; 66]);
    }
    writer.finish()
}

#[test]
fn parts_are_one_model_whichever_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let first = written(folder.path(), "a-00001-of-00002.gguf", &part(0));
    let second = written(folder.path(), "a-00002-of-00002.gguf", &part(1));
    check(&ModelDirectory::open(&FileSystem, &first).unwrap());
    check(&ModelDirectory::open(&FileSystem, &second).unwrap());
    let fails = |path: &Path, expected: &str| {
        let error = ModelDirectory::open(&FileSystem, path).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    };
    written(folder.path(), "a-00002-of-00002.gguf", &part(0));
    fails(&first, "the file calls itself part 1 of 2");
    written(folder.path(), "a-00002-of-00002.gguf", &described().finish());
    fails(&first, "the file is no part");
    std::fs::remove_file(&second).unwrap();
    fails(&first, "a-00002-of-00002.gguf");
    fails(&written(folder.path(), "b.gguf", &part(0)), "ends like `-00001-of-00002.gguf`");
}

#[test]
fn what_is_no_gguf_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| ModelDirectory::open(&FileSystem, path).unwrap_err();
    let other = written(folder.path(), "a.gguf", &[0; 64]);
    assert!(open(&other).to_string().contains("does not begin with `GGUF`"));
    assert!(
        open(&written(folder.path(), "a.bin", &whole())).to_string().contains("neither a directory nor a GGUF file")
    );
    assert!(open(&folder.path().join("b.gguf")).to_string().contains("does not exist"));
}

#[test]
fn a_thousand_mutations_give_an_error_or_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let file = whole();
    let mut state = 99_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let (mut num_errors, mut num_models) = (0, 0);
    for round in 0..1_500 {
        let mut mutated = file.clone();
        let at = below(1_200);
        mutated[at] = if round % 2 == 0 { below(256) as u8 } else { mutated[at] ^ (1 << below(8)) };
        if round % 9 == 0 {
            mutated.truncate(below(mutated.len()));
        }
        let path = written(folder.path(), "a.gguf", &mutated);
        match ModelDirectory::open(&FileSystem, &path) {
            Err(_) => num_errors += 1,
            Ok(model) => {
                for name in model.tensors.names() {
                    let _ = model.tensors.get(name).map(|tensor| tensor.bytes().len());
                }
                num_models += 1;
            }
        }
    }
    assert!(num_errors > 300 && num_models > 100, "{num_errors} errors, {num_models} models");
}
