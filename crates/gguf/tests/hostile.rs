//! Files that are broken on purpose: each rule has its error, and thousands of mutations of a good file never panic.
#![expect(clippy::unwrap_used, reason = "tests")]

use quire_gguf::{
    Architecture, ConfigSource, ElementType, GgufProblem, GgufSummary, GgufWriter, MetadataValue, RopeFactors,
    TensorType, config, generation_config, read_header, read_metadata, tokenizer, tokenizer_config,
};

const F32: TensorType = TensorType::Elements(ElementType::F32);

fn text(text: &str) -> MetadataValue {
    MetadataValue::Text(text.to_owned())
}

fn texts(list: &[&str]) -> MetadataValue {
    MetadataValue::Texts(list.iter().map(|&text| text.to_owned()).collect())
}

/// A small file that has one of everything.
fn good() -> GgufWriter {
    let mut writer = GgufWriter::default();
    writer
        .value("general.architecture", &text("llama"))
        .value("general.alignment", &MetadataValue::Integer(32))
        .value("general.sampling.temp", &MetadataValue::Float(0.7))
        .value("llama.embedding_length", &MetadataValue::Integer(32))
        .value("llama.feed_forward_length", &MetadataValue::Integers(vec![64, 64]))
        .value("llama.block_count", &MetadataValue::Integer(2))
        .value("llama.attention.head_count", &MetadataValue::Integer(4))
        .value("llama.attention.head_count_kv", &MetadataValue::Integer(2))
        .value("llama.context_length", &MetadataValue::Integer(128))
        .value("llama.attention.layer_norm_rms_epsilon", &MetadataValue::Float(1e-5))
        .value("llama.rope.scaling.type", &text("yarn"))
        .value("llama.rope.scaling.factor", &MetadataValue::Float(2.0))
        .value("tokenizer.ggml.model", &text("llama"))
        .value("tokenizer.ggml.tokens", &texts(&["<unk>", "<s>", "</s>", "<0x0A>", "a", "b", "ab", "\u{2581}ab"]))
        .value("tokenizer.ggml.scores", &MetadataValue::Floats(vec![0.0, 0.0, 0.0, 0.0, -4.0, -5.0, -1.0, -2.0]))
        .value("tokenizer.ggml.token_type", &MetadataValue::Integers(vec![2, 3, 3, 6, 1, 1, 1, 1]))
        .value("tokenizer.ggml.eos_token_id", &MetadataValue::Integer(2))
        .value("tokenizer.ggml.add_bos_token", &MetadataValue::Bool(true))
        .value("tokenizer.chat_template", &text("{{ messages[0].content }}"))
        .value("a.list", &MetadataValue::Bools(vec![true, false]))
        .value("a.number", &MetadataValue::Integer(-1))
        .value("another", &MetadataValue::Float(1e300))
        .tensor("token_embd.weight", &[8, 32], F32, &[1; 1024])
        .tensor("blk.0.attn_q.weight", &[32, 32], TensorType::from_ggml_type(8).unwrap(), &[2; 1088])
        .tensor("output_norm.weight", &[32], F32, &[3; 128]);
    writer
}

/// A small file of an architecture, with `values` and `tensors` of its own.
fn good_of(architecture: &str, values: &[(&str, MetadataValue)], tensors: &[(&str, &[usize])]) -> GgufWriter {
    let mut writer = GgufWriter::default();
    let key = |name: &str| format!("{architecture}.{name}");
    writer.value("general.architecture", &text(architecture));
    let counts = [
        ("embedding_length", 32),
        ("feed_forward_length", 64),
        ("block_count", 2),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("context_length", 128),
    ];
    for (name, count) in counts {
        writer.value(&key(name), &MetadataValue::Integer(count));
    }
    writer.value(&key("attention.layer_norm_rms_epsilon"), &MetadataValue::Float(1e-5));
    for (name, value) in values {
        writer.value(&key(name), value);
    }
    writer.tensor("token_embd.weight", &[8, 32], F32, &[1; 1024]);
    for (name, shape) in tensors {
        writer.tensor(name, shape, F32, &vec![2; shape.iter().product::<usize>() * 4]);
    }
    writer
}

/// A file of each architecture that has more than Llama.
fn good_of_others() -> [GgufWriter; 5] {
    let (count, number) = (|count| MetadataValue::Integer(count), |number| MetadataValue::Float(number));
    [
        good_of(
            "gemma3",
            &[
                ("attention.sliding_window", count(8)),
                ("attention.sliding_window_pattern", MetadataValue::Bools(vec![true, false])),
                ("rope.freq_base_swa", number(100.0)),
                ("final_logit_softcapping", number(30.0)),
            ],
            &[],
        ),
        good_of("gemma2", &[("attention.sliding_window_pattern", count(2)), ("attention.scale", number(0.25))], &[]),
        good_of(
            "granite",
            &[("logit_scale", number(2.0)), ("attention.scale", number(0.5)), ("residual_scale", number(0.25))],
            &[],
        ),
        good_of(
            "phi3",
            &[
                ("rope.scaling.attn_factor", number(1.5)),
                ("rope.scaling.original_context_length", count(64)),
                ("rope.dimension_count", count(6)),
            ],
            &[("rope_factors_long.weight", &[4]), ("rope_factors_short.weight", &[4])],
        ),
        good_of(
            "qwen2moe",
            &[
                ("expert_count", count(4)),
                ("expert_used_count", count(2)),
                ("expert_feed_forward_length", count(16)),
                ("expert_weights_norm", MetadataValue::Bool(false)),
            ],
            &[("blk.1.ffn_gate_inp.weight", &[4, 32]), ("blk.1.ffn_gate_exps.weight", &[4, 2, 32])],
        ),
    ]
}

/// Everything that is made of a file's header.
fn use_all(file: &[u8], file_bytes: u64) -> Result<(), GgufProblem> {
    let _ = GgufSummary::read(&mut &*file, file_bytes).unwrap();
    if let Ok(Some(metadata)) = read_metadata(file) {
        let _ = (tokenizer(&metadata), tokenizer_config(&metadata), generation_config(&metadata));
    }
    let Some(header) = read_header(file, file_bytes)? else { return Ok(()) };
    for tensor in &header.tensors {
        assert!(tensor.bytes.start <= tensor.bytes.end && tensor.bytes.end <= file_bytes, "{tensor:?}");
    }
    let shape_of = |name: &str| header.tensor(name).map(|tensor| tensor.shape.clone());
    let factors_of = |name: &str| shape_of(name).map(|_| vec![1.5; 3]);
    let (short, long) = (factors_of("rope_factors_short.weight"), factors_of("rope_factors_long.weight"));
    let factors = RopeFactors { all: factors_of("rope_freqs.weight"), short, long };
    config(&ConfigSource { metadata: &header.metadata, shape_of: &shape_of, rope_factors: factors })?;
    let architecture = Architecture::of(&header.metadata)?;
    header.split()?;
    for tensor in &header.tensors {
        architecture.tensor_name(&tensor.name, &header.metadata)?;
    }
    Ok(())
}

#[test]
fn a_good_file_is_read() {
    let file = good().finish();
    use_all(&file, file.len() as u64).unwrap();
    let header = read_header(&file, file.len() as u64).unwrap().unwrap();
    assert_eq!((header.version, header.tensors.len()), (3, 3));
    assert_eq!(header.metadata.get("another"), Some(&MetadataValue::Float(1e300)));
    assert_eq!(header.metadata.get("a.number"), Some(&MetadataValue::Integer(-1)));
    let query = header.tensor("blk.0.attn_q.weight").unwrap();
    assert_eq!((query.shape.as_slice(), query.format.name()), ([32, 32].as_slice(), "Q8_0"));
    assert!(file[query.bytes.start as usize..query.bytes.end as usize].iter().all(|&byte| byte == 2));
    let mut older = file.clone();
    older[4] = 2;
    assert_eq!(read_header(&older, file.len() as u64).unwrap().unwrap().version, 2);
}

#[test]
fn a_beginning_asks_for_more_and_a_shorter_file_is_truncated() {
    let file = good().finish();
    let header_bytes = read_header(&file, file.len() as u64).unwrap().unwrap().header_bytes;
    for length in 0..file.len() {
        let start = &file[..length];
        assert_eq!(read_header(start, file.len() as u64).unwrap().is_some(), length >= header_bytes, "{length}");
        assert!(read_header(start, length as u64).is_err(), "{length}");
    }
}

#[test]
fn every_broken_rule_has_its_error() {
    let number = |value: u64| value.to_le_bytes().to_vec();
    let file = |tensors: u64, values: u64, rest: &[Vec<u8>]| {
        [b"GGUF\x03\0\0\0".to_vec(), number(tensors), number(values), rest.concat()].concat()
    };
    let name = |text: &str| [number(text.len() as u64), text.as_bytes().to_vec()].concat();
    let key = |kind: u32| [name("k"), kind.to_le_bytes().to_vec()].concat();
    let tensor = |dimensions: &[u64], kind: u32, offset: u64| {
        let sizes = dimensions.iter().flat_map(|size| size.to_le_bytes()).collect();
        let count = (dimensions.len() as u32).to_le_bytes().to_vec();
        [name("t"), count, sizes, kind.to_le_bytes().to_vec(), number(offset)].concat()
    };
    let most = u64::MAX;
    let rows: Vec<(Vec<u8>, &str)> = vec![
        (b"PK\x03\x04\0\0\0\0".to_vec(), "does not begin with `GGUF`"),
        (b"GGUF\x01\0\0\0".to_vec(), "version is 1"),
        (b"GGUF\x04\0\0\0".to_vec(), "version is 4"),
        (b"GGUF\0\0\0\x03".to_vec(), "big-endian"),
        (file(most, 0, &[]), "for the number of tensors"),
        (file(0, most, &[]), "for the number of keys"),
        (file(0, 1, &[number(1 << 40)]), "for the bytes of a name"),
        (file(0, 1, &[number(2), vec![0xff, 0xff]]), "a key is not UTF-8"),
        (file(0, 1, &[key(8), number(most)]), "for the bytes of a text"),
        (file(0, 1, &[key(8), number(1), vec![0x80]]), "a text of `k` is not UTF-8"),
        (file(0, 1, &[key(13)]), "`k` has type 13"),
        (file(0, 1, &[key(9), 9u32.to_le_bytes().to_vec(), number(1)]), "`k` has type 9"),
        (file(0, 1, &[key(9), 4u32.to_le_bytes().to_vec(), number(most)]), "for the length of a list"),
        (file(0, 1, &[key(9), 4u32.to_le_bytes().to_vec(), number(1 << 23)]), "in the middle of its metadata"),
        (file(0, 1, &[key(9), 10u32.to_le_bytes().to_vec(), number(1), number(most)]), "63 bits at most"),
        (file(0, 1, &[key(7), vec![2]]), "expected a byte 0 or 1"),
        (file(0, 2, &[key(0), vec![1], key(0), vec![1]]), "key `k` is listed twice"),
        (file(1, 0, &[name("t"), 5u32.to_le_bytes().to_vec()]), "for the dimensions of a tensor"),
        (file(1, 0, &[tensor(&[4], 99, 0)]), "unknown type 99; supported are F32, F16, BF16, Q4_0"),
        (file(1, 0, &[tensor(&[33], 8, 0)]), "a row is not whole blocks"),
        (file(1, 0, &[tensor(&[1 << 33, 1 << 33], 0, 0)]), "more bytes than can be counted"),
        (file(1, 0, &[tensor(&[1 << 62], 0, 0)]), "more bytes than can be counted"),
        (file(1, 0, &[tensor(&[1], 0, 0)]), "more than the file has"),
        (file(1, 0, &[tensor(&[1], 0, most), vec![0; 64]]), "more than the file has"),
        (file(1, 0, &[tensor(&[1], 0, 4), vec![0; 64]]), "not a multiple of the alignment"),
        (file(2, 0, &[tensor(&[1], 0, 0), tensor(&[1], 0, 0), vec![0; 64]]), "tensor `t` is listed twice"),
    ];
    for (file, expected) in rows {
        let problem = read_header(&file, file.len() as u64).expect_err(expected);
        assert!(problem.to_string().contains(expected), "{problem}, expected {expected}");
    }
    let mut overlapping = good();
    let file = overlapping.tensor("late", &[8], F32, &[0; 32]).finish();
    let header = read_header(&file, file.len() as u64).unwrap().unwrap();
    // The offset of the last tensor is the last number of the header.
    let mut file = file;
    file[header.header_bytes - 8..header.header_bytes].copy_from_slice(&32u64.to_le_bytes());
    let problem = read_header(&file, file.len() as u64).unwrap_err();
    assert!(problem.to_string().contains("inside of another tensor"), "{problem}");
}

#[test]
fn values_that_no_model_has_are_refused() {
    let rows: Vec<(&str, MetadataValue, &str)> = vec![
        ("general.architecture", text("mamba"), "`mamba` is not supported; supported are command-r, cohere2"),
        ("general.architecture", MetadataValue::Integer(1), "expected a text"),
        ("general.type", text("adapter"), "`general.type` is `adapter`; expected `model`"),
        ("general.alignment", MetadataValue::Integer(0), "a power of two"),
        ("general.alignment", MetadataValue::Integer(48), "a power of two"),
        ("general.alignment", MetadataValue::Integer(1 << 30), "a power of two"),
        ("llama.block_count", MetadataValue::Integer(-1), "a whole number from 0"),
        ("llama.block_count", text("many"), "a whole number from 0"),
        ("llama.attention.head_count", MetadataValue::Integers(vec![4, 8]), "the same number for every layer"),
        ("llama.expert_count", MetadataValue::Integer(8), "`llama.expert_used_count` is missing"),
        ("llama.attention.value_length", MetadataValue::Integer(3), "the length of the keys"),
        ("llama.attention.layer_norm_rms_epsilon", MetadataValue::Float(f64::NAN), "a finite number"),
        ("split.count", MetadataValue::Integer(-3), "a whole number from 0"),
    ];
    for (key, value, expected) in rows {
        let header = read_header(&good().finish(), u64::MAX >> 1).unwrap().unwrap();
        let mut writer = GgufWriter::default();
        for (other, other_value) in header.metadata.iter().filter(|(other, _)| *other != key) {
            writer.value(other, other_value);
        }
        let file = writer.value(key, &value).tensor("token_embd.weight", &[8, 32], F32, &[1; 1024]).finish();
        let problem = use_all(&file, file.len() as u64).expect_err(expected);
        assert!(problem.to_string().contains(expected), "{problem}, expected {expected}");
    }
}

#[test]
fn values_of_one_architecture_are_checked() {
    let (count, number) = (|count| MetadataValue::Integer(count), |number| MetadataValue::Float(number));
    let rows: Vec<(&str, &str, Option<MetadataValue>, &str)> = vec![
        ("gemma3", "attention.head_count", Some(count(0)), "`gemma3.attention.head_count` is 0"),
        ("gemma3", "attention.head_count", None, "`gemma3.attention.head_count` is missing"),
        ("gemma3", "expert_count", Some(count(2)), "experts are not read in this architecture"),
        (
            "gemma3",
            "attention.sliding_window_pattern",
            Some(MetadataValue::Bools(vec![true])),
            "a list of 1 layers; expected a flag for each layer",
        ),
        ("gemma3", "attention.sliding_window_pattern", Some(text("all")), "a whole number from 0"),
        ("gemma3", "attention.sliding_window", Some(count(-1)), "a whole number from 0"),
        ("gemma2", "attn_logit_softcapping", Some(number(f64::NAN)), "a finite number"),
        ("granite", "logit_scale", None, "`granite.logit_scale` is missing"),
        ("granite", "rope.scaling.finetuned", Some(MetadataValue::Bool(false)), "without rotary positions"),
        ("phi3", "rope.scaling.original_context_length", None, "original_context_length` is missing"),
        ("phi3", "feed_forward_length", None, "`phi3.feed_forward_length` is missing"),
        ("qwen2moe", "expert_used_count", None, "`qwen2moe.expert_used_count` is missing"),
        ("qwen2moe", "expert_count", Some(number(2.5)), "a whole number from 0"),
        ("qwen2moe", "expert_gating_func", Some(count(2)), "by softmax"),
        ("qwen2moe", "expert_weights_scale", Some(number(2.5)), "other scales are not read"),
    ];
    for (architecture, name, value, expected) in rows {
        let others = good_of_others().map(|writer| writer.finish());
        let file = others.iter().find(|file| {
            let metadata = read_metadata(file).unwrap().unwrap();
            Architecture::of(&metadata).unwrap().name() == architecture
        });
        let header = read_header(file.unwrap(), u64::MAX >> 1).unwrap().unwrap();
        let key = format!("{architecture}.{name}");
        let mut writer = GgufWriter::default();
        for (other, other_value) in header.metadata.iter().filter(|(other, _)| *other != key) {
            writer.value(other, other_value);
        }
        if let Some(value) = value {
            writer.value(&key, &value);
        }
        let factors = || (architecture == "phi3").then(|| vec![1.0; 3]);
        let file = writer.tensor("token_embd.weight", &[8, 32], F32, &[1; 1024]).finish();
        let header = read_header(&file, file.len() as u64).unwrap().unwrap();
        let problem = config(&ConfigSource {
            metadata: &header.metadata,
            shape_of: &|name| header.tensor(name).map(|tensor| tensor.shape.clone()),
            rope_factors: RopeFactors { all: None, short: factors(), long: factors() },
        });
        let problem = problem.expect_err(expected);
        assert!(problem.to_string().contains(expected), "{problem}, expected {expected}");
    }
}

#[test]
fn absurd_counts_of_layers_make_no_lists_of_their_length() {
    let (experts, window) = (("expert_count", 4), ("attention.sliding_window", 8));
    for (architecture, (key, value), other, list) in [
        ("gemma3", window, "attention.sliding_window_pattern", "layer_types"),
        ("qwen2moe", experts, "expert_used_count", "mlp_only_layers"),
    ] {
        let values = [(key, MetadataValue::Integer(value)), (other, MetadataValue::Integer(2))];
        let header = read_header(&good_of(architecture, &values, &[]).finish(), u64::MAX >> 1).unwrap().unwrap();
        let block_count = format!("{architecture}.block_count");
        let mut writer = GgufWriter::default();
        for (key, value) in header.metadata.iter().filter(|(key, _)| *key != block_count) {
            writer.value(key, value);
        }
        let metadata = read_metadata(&writer.value(&block_count, &MetadataValue::Integer((1 << 31) - 1)).finish());
        let source = ConfigSource {
            metadata: &metadata.unwrap().unwrap(),
            shape_of: &|name| (name == "token_embd.weight").then(|| vec![8, 32]),
            rope_factors: RopeFactors::default(),
        };
        let config = config(&source).unwrap();
        assert_eq!(config[list].as_array().unwrap().len(), 4_096, "{architecture}");
    }
}

#[test]
fn thousands_of_mutations_give_an_error_or_a_file() {
    let (num_errors, num_files) = mutate(&good().finish(), 8_000);
    assert!(num_errors > 2_000 && num_files > 400, "{num_errors} errors, {num_files} files");
    for file in good_of_others() {
        let (num_errors, num_files) = mutate(&file.finish(), 2_000);
        assert!(num_errors > 400 && num_files > 50, "{num_errors} errors, {num_files} files");
    }
}

/// Changes `file` in `rounds` ways: how many were refused, and how many read.
fn mutate(file: &[u8], rounds: usize) -> (usize, usize) {
    const EXTREMES: [u64; 8] = [0, 1, 31, 1 << 16, 1 << 31, 1 << 32, (1 << 63) - 1, u64::MAX];
    use_all(file, file.len() as u64).unwrap();
    let header_bytes = read_header(file, file.len() as u64).unwrap().unwrap().header_bytes;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let (mut num_errors, mut num_files) = (0, 0);
    for round in 0..rounds {
        let mut mutated = file.to_vec();
        let at = below(header_bytes);
        match round % 5 {
            0 => mutated[at] = below(256) as u8,
            1 => mutated[at] ^= 1 << below(8),
            2 => {
                let extreme = EXTREMES[below(EXTREMES.len())].to_le_bytes();
                let end = (at + 8).min(mutated.len());
                mutated[at..end].copy_from_slice(&extreme[..end - at]);
            }
            3 => {
                mutated.remove(at);
            }
            _ => mutated.insert(at, below(256) as u8),
        }
        if round % 7 == 0 {
            mutated.truncate(below(mutated.len()));
        }
        match use_all(&mutated, mutated.len() as u64) {
            Ok(()) => num_files += 1,
            Err(_) => num_errors += 1,
        }
    }
    (num_errors, num_files)
}
