//! Weights that several tensors make: which blocks they become and how far these are from the numbers that are meant; and
//! hostile checkpoints, each with an error that names what is wrong.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use quire_blocks::{BlockFormat, dequantise};
use quire_weights::{
    FileSystem, ModelDirectory, QuantisedProblem, StoredFormat, StoredTensor, WeightForm, WeightsError,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/quantised").join(name)
}

fn numbers(tensor: &StoredTensor<'_>) -> Vec<f32> {
    let mut values = vec![0.0; tensor.view().num_values()];
    match tensor.format {
        StoredFormat::Blocks(format) => dequantise(format, tensor.bytes(), &mut values),
        StoredFormat::Elements(_) => {
            values = tensor.bytes().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        }
        StoredFormat::Int8 => {
            let inputs = tensor.shape[1];
            for (values, row) in values.chunks_exact_mut(inputs).zip(tensor.bytes().chunks_exact(4 + inputs)) {
                let scale = f32::from_le_bytes([row[0], row[1], row[2], row[3]]);
                values.iter_mut().zip(&row[4..]).for_each(|(value, &byte)| *value = scale * f32::from(byte as i8));
            }
        }
    }
    values
}

/// The stated error of blocks: none where levels stay and scales are halves; where a least value is added, that of a half, as a
/// share of the group's largest number; where eight bits are made anew, half a step of 127 beside it, as a share of the block's.
#[test]
fn blocks_are_as_near_as_is_stated() {
    use BlockFormat::{Q4_0, Q4_1, Q8_0};
    let rows = [
        ("gptq_4_g32", Q4_0, 0.0),
        ("gptq_4_g64_asymmetric", Q4_1, 1.0 / 2_048.0),
        ("gptq_4_act_order", Q8_0, 0.5 / 127.0 + 1.0 / 2_048.0),
        ("gptq_8_v2", Q8_0, 0.0),
        ("awq_g32", Q4_1, 1.0 / 2_048.0),
        ("w8a8", Q8_0, 0.0),
        ("w4a16", Q4_0, 0.0),
        ("w4a16_asymmetric", Q4_1, 1.0 / 2_048.0),
        ("w8a8_fp8", Q8_0, 0.5 / 127.0 + 1.0 / 2_048.0),
        ("fp8_blocks", Q8_0, 0.5 / 127.0 + 1.0 / 2_048.0),
        ("fp8_tensor", Q8_0, 0.5 / 127.0 + 1.0 / 2_048.0),
    ];
    let mut folders: Vec<_> = std::fs::read_dir(fixture("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    folders.sort();
    let mut tested: Vec<_> = rows.iter().map(|row| row.0).collect();
    tested.sort_unstable();
    assert_eq!(folders, tested, "a fixture without a row");
    for (name, format, bound) in rows {
        let tensors = ModelDirectory::open(&FileSystem, &fixture(name)).unwrap().tensors;
        let weights: Vec<&str> = tensors.names().filter(|name| name.ends_with("_proj.weight")).collect();
        assert_eq!(weights.len(), 7, "{name}");
        for weight in weights {
            let blocks = tensors.take(weight, WeightForm::Blocks).unwrap();
            assert_eq!(blocks.format, StoredFormat::Blocks(format), "{name} {weight}");
            let (found, meant) = (numbers(&blocks), numbers(&tensors.take(weight, WeightForm::Numbers).unwrap()));
            assert_eq!(found.len(), meant.len());
            let span = if format == Q4_1 { 64 } else { 32 };
            for (found, meant) in found.chunks(span).zip(meant.chunks(span)) {
                let largest = meant.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
                for (found, meant) in found.iter().zip(meant) {
                    assert!((found - meant).abs() <= bound * largest, "{name} {weight}: {found} for {meant}");
                }
            }
        }
    }
}

/// Rows of bytes whose activations were meant to be rounded row by row stay as they are, the scales too.
#[test]
fn rows_of_bytes_are_kept() {
    let tensors = ModelDirectory::open(&FileSystem, &fixture("w8a8")).unwrap().tensors;
    for weight in tensors.names().filter(|name| name.ends_with("_proj.weight")) {
        let kept = tensors.take(weight, WeightForm::Quantised).unwrap();
        assert_eq!(kept.format, StoredFormat::Int8, "{weight}");
        assert_eq!(numbers(&kept), numbers(&tensors.take(weight, WeightForm::Numbers).unwrap()), "{weight}");
    }
    // Other schemes and other ways of rounding activations take blocks.
    let w4a16 = ModelDirectory::open(&FileSystem, &fixture("w4a16")).unwrap().tensors;
    let weight = w4a16.names().find(|name| name.ends_with("_proj.weight")).unwrap();
    assert_eq!(w4a16.take(weight, WeightForm::Quantised).unwrap().format, StoredFormat::Blocks(BlockFormat::Q4_0));
    for (inputs, expected) in [
        (r#"{"num_bits":8,"type":"int","dynamic":true,"strategy":"token"}"#, StoredFormat::Int8),
        (r#"{"num_bits":8,"type":"int","dynamic":false,"strategy":"token"}"#, StoredFormat::Blocks(BlockFormat::Q8_0)),
        (r#"{"num_bits":8,"dynamic":true,"strategy":"tensor"}"#, StoredFormat::Blocks(BlockFormat::Q8_0)),
        (r#"{"num_bits":4,"dynamic":true,"strategy":"token"}"#, StoredFormat::Blocks(BlockFormat::Q8_0)),
        (r#"{"dynamic":true,"strategy":"token","symmetric":false}"#, StoredFormat::Blocks(BlockFormat::Q8_0)),
        ("null", StoredFormat::Blocks(BlockFormat::Q8_0)),
    ] {
        let config = format!(
            r#"{{"quant_method":"compressed-tensors","format":"int-quantized","config_groups":{{"group_0":{{
            "weights":{{"num_bits":8,"type":"int"}},"input_activations":{inputs}}}}}}}"#
        );
        let directory = checkpoint(&config, &[("l.weight", "I8", &[3, 32]), ("l.weight_scale", "BF16", &[3, 1])], 0);
        let tensors = ModelDirectory::open(&FileSystem, directory.path()).unwrap().tensors;
        assert_eq!(tensors.take("l.weight", WeightForm::Quantised).unwrap().format, expected, "{inputs}");
    }
}

/// The place of the scale of an output and an input.
type Place = fn(usize, usize) -> usize;

/// The scales of compressed-tensors lie as the configuration says, not as their number would have it: the last group of inputs
/// may be a part of one, and blocks have any size.
#[test]
fn scales_are_of_the_groups_that_are_stated() {
    // Each scale is its place in the list, each weight 1.
    let rows: [(&str, [usize; 2], [usize; 2], Place); 4] = [
        (r#""strategy":"group","group_size":128"#, [2, 192], [2, 2], |output, input| 2 * output + input / 128),
        (r#""strategy":"group","group_size":32"#, [2, 70], [2, 3], |output, input| 3 * output + input / 32),
        (r#""strategy":"block","block_structure":[2,64]"#, [3, 96], [2, 2], |output, input| {
            2 * (output / 2) + input / 64
        }),
        (r#""strategy":"block","block_structure":"2x128""#, [4, 64], [2, 1], |output, _| output / 2),
    ];
    for (stated, shape, scales, place) in rows {
        let config = format!(
            r#"{{"quant_method":"compressed-tensors","config_groups":{{"g":{{"weights":{{"num_bits":8,"type":"int",{stated}}}}}}}}}"#
        );
        let tensors = [("l.weight", "I8", &shape[..]), ("l.weight_scale", "F32", &scales[..])];
        let directory = checkpoint(&config, &tensors, 1);
        let path = directory.path().join("model.safetensors");
        let mut file = std::fs::read(&path).unwrap();
        let num_scales = scales[0] * scales[1];
        file.truncate(file.len() - 4 * num_scales);
        file.extend((0..num_scales).flat_map(|scale| (scale as f32).to_le_bytes()));
        std::fs::write(&path, file).unwrap();
        let weights = ModelDirectory::open(&FileSystem, directory.path()).unwrap().tensors;
        let found = numbers(&weights.take("l.weight", WeightForm::Numbers).unwrap());
        let expected: Vec<f32> =
            (0..shape[0] * shape[1]).map(|index| place(index / shape[1], index % shape[1]) as f32).collect();
        assert_eq!(found, expected, "{stated}");
    }
    let config = r#"{"quant_method":"compressed-tensors","config_groups":{"g":{"weights":{"group_size":64}}}}"#;
    let other = open(config, &[("l.weight", "I8", &[2, 192]), ("l.weight_scale", "F32", &[2, 2])]);
    assert!(matches!(other, Err(WeightsError::InvalidQuantised { tensor, .. }) if tensor == "l.weight_scale"));
}

/// Opens a checkpoint of such tensors, all of zeros, and takes every one.
fn open(quantization: &str, tensors: &[(&str, &str, &[usize])]) -> Result<(), WeightsError> {
    open_filled(quantization, tensors, 0)
}

fn open_filled(quantization: &str, tensors: &[(&str, &str, &[usize])], fill: u8) -> Result<(), WeightsError> {
    let directory = checkpoint(quantization, tensors, fill);
    let tensors = ModelDirectory::open(&FileSystem, directory.path())?.tensors;
    for name in tensors.names().map(str::to_string).collect::<Vec<_>>() {
        for form in [WeightForm::Quantised, WeightForm::Blocks] {
            tensors.take(&name, form)?;
        }
    }
    Ok(())
}

fn checkpoint(quantization: &str, tensors: &[(&str, &str, &[usize])], fill: u8) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, dtype, shape) in tensors {
        let width = match *dtype {
            "I64" => 8,
            "I32" | "F32" => 4,
            "F16" | "BF16" => 2,
            _ => 1,
        };
        let begin = end;
        end += width * shape.iter().product::<usize>();
        let entry = serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, end] });
        assert!(header.insert((*name).to_string(), entry).is_none());
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.resize(file.len() + end, fill);
    std::fs::write(directory.path().join("model.safetensors"), file).unwrap();
    let config = format!(r#"{{"model_type":"llama","quantization_config":{quantization}}}"#);
    std::fs::write(directory.path().join("config.json"), config).unwrap();
    directory
}

#[test]
fn unknown_schemes_are_named() {
    let rows = [
        (r#"{}"#, "quantization_config.quant_method", "absent"),
        (r#"{"quant_method":"bitsandbytes","load_in_4bit":true}"#, "quantization_config.quant_method", "bitsandbytes"),
        (r#"{"load_in_8bit":true,"load_in_4bit":false}"#, "quantization_config.quant_method", "bitsandbytes"),
        (r#"{"quant_method":"gptq","bits":3,"group_size":128}"#, "quantization_config.bits", "3"),
        (r#"{"quant_method":"gptq","group_size":128}"#, "quantization_config.bits", "absent"),
        (
            r#"{"quant_method":"gptq","bits":4,"group_size":128,"checkpoint_format":"marlin"}"#,
            "quantization_config.checkpoint_format",
            "marlin",
        ),
        (
            r#"{"quant_method":"gptq","bits":4,"group_size":128,"dynamic":{"+:.*down.*":{"bits":8}}}"#,
            "quantization_config.dynamic",
            "+:.*down.*",
        ),
        (r#"{"quant_method":"awq","bits":4,"group_size":128,"version":"gemv"}"#, "quantization_config.version", "gemv"),
        (
            r#"{"quant_method":"awq","bits":4,"group_size":128,"checkpoint_format":"gemv"}"#,
            "quantization_config.checkpoint_format",
            "gemv",
        ),
        (
            r#"{"quant_method":"gptq","bits":4,"group_size":128,"pack_dtype":"int16"}"#,
            "quantization_config.pack_dtype",
            "int16",
        ),
        (r#"{"quant_method":"awq","w_bit":8,"q_group_size":128}"#, "quantization_config.w_bit", "8"),
        (r#"{"quant_method":"compressed-tensors","format":"marlin-24"}"#, "quantization_config.format", "marlin-24"),
        (
            r#"{"quant_method":"compressed-tensors","config_groups":{"g":{"weights":{"num_bits":3,"type":"int"}}}}"#,
            "quantization_config.config_groups.g.weights.num_bits",
            "3",
        ),
        (
            r#"{"quant_method":"compressed-tensors","config_groups":{"g":{"format":"nvfp4-pack-quantized"}}}"#,
            "quantization_config.config_groups.g.format",
            "nvfp4-pack-quantized",
        ),
        (
            r#"{"quant_method":"compressed-tensors","transform_config":{"config_groups":{"R1":{}}}}"#,
            "quantization_config.transform_config",
            "an object",
        ),
        (
            r#"{"quant_method":"compressed-tensors","sparsity_config":{"format":"sparse-24-bitmask"}}"#,
            "quantization_config.sparsity_config.format",
            "sparse-24-bitmask",
        ),
        (r#"{"quant_method":"fp8","fmt":"e5m2"}"#, "quantization_config.fmt", "e5m2"),
    ];
    for (config, expected, value) in rows {
        match open(config, &[]) {
            Err(WeightsError::UnsupportedQuantisation { field, found, .. }) => {
                assert_eq!((field.as_str(), found.as_str()), (expected, value), "{config}");
            }
            other => panic!("{config}: {other:?}"),
        }
    }
}

#[test]
fn values_that_make_no_sense_are_named() {
    let rows = [
        (r#"[]"#, "quantization_config"),
        (r#"{"quant_method":7}"#, "quantization_config.quant_method"),
        (r#"{"quant_method":"gptq","bits":4,"group_size":0}"#, "quantization_config.group_size"),
        (r#"{"quant_method":"gptq","bits":4,"group_size":-2}"#, "quantization_config.group_size"),
        (r#"{"quant_method":"gptq","bits":4,"group_size":1e300}"#, "quantization_config.group_size"),
        (r#"{"quant_method":"gptq","bits":4}"#, "quantization_config.group_size"),
        (r#"{"quant_method":"gptq","bits":"4","group_size":32}"#, "quantization_config.bits"),
        (r#"{"quant_method":"gptq","bits":4,"group_size":32,"desc_act":1}"#, "quantization_config.desc_act"),
        (r#"{"quant_method":"fp8","weight_block_size":[0,128]}"#, "quantization_config.weight_block_size"),
        (r#"{"quant_method":"fp8","weight_block_size":[128]}"#, "quantization_config.weight_block_size"),
        (r#"{"quant_method":"fp8","weight_block_size":128}"#, "quantization_config.weight_block_size"),
        (r#"{"quant_method":"fp8","weight_block_size":"128x"}"#, "quantization_config.weight_block_size"),
        (
            r#"{"quant_method":"compressed-tensors","config_groups":{"g":{"weights":{"group_size":0}}}}"#,
            "quantization_config.config_groups.g.weights.group_size",
        ),
    ];
    for (config, expected) in rows {
        match open(config, &[]) {
            Err(WeightsError::InvalidField { field, .. }) => assert_eq!(field, expected, "{config}"),
            other => panic!("{config}: {other:?}"),
        }
    }
}

const GPTQ: &str = r#"{"quant_method":"gptq","bits":4,"group_size":32}"#;
const AWQ: &str = r#"{"quant_method":"awq","bits":4,"group_size":32}"#;
const WORDS: &str =
    r#"{"quant_method":"compressed-tensors","config_groups":{"g":{"weights":{"num_bits":4,"type":"int"}}}}"#;
const FP8: &str = r#"{"quant_method":"fp8","weight_block_size":[16,32]}"#;

type Tensors<'a> = Vec<(&'a str, &'a str, &'a [usize])>;

fn gptq_tensors() -> Tensors<'static> {
    vec![
        ("a.qweight", "I32", &[8, 16]),
        ("a.qzeros", "I32", &[2, 2]),
        ("a.scales", "F16", &[2, 16]),
        ("a.g_idx", "I32", &[64]),
    ]
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let awq: Tensors<'_> =
        vec![("a.qweight", "I32", &[64, 2]), ("a.qzeros", "I32", &[2, 2]), ("a.scales", "F16", &[2, 16])];
    let words: Tensors<'_> = vec![
        ("a.weight_packed", "I32", &[16, 8]),
        ("a.weight_scale", "BF16", &[16, 2]),
        ("a.weight_zero_point", "I32", &[2, 2]),
    ];
    let fp8: Tensors<'_> = vec![("a.weight", "F8_E4M3", &[40, 70]), ("a.weight_scale_inv", "F32", &[3, 3])];
    for (config, tensors) in [(GPTQ, gptq_tensors()), (AWQ, awq.clone()), (FP8, fp8.clone())] {
        open(config, &tensors).unwrap();
    }
    let replaced = |tensors: &Tensors<'static>, name: &'static str, dtype: &'static str, shape: &'static [usize]| {
        let mut tensors = tensors.clone();
        tensors.retain(|tensor| tensor.0 != name);
        tensors.push((name, dtype, shape));
        tensors
    };
    let rows = [
        (GPTQ, replaced(&gptq_tensors(), "a.qweight", "F32", &[8, 16]), "a.qweight"),
        (GPTQ, replaced(&gptq_tensors(), "a.qweight", "I32", &[8, 16, 1]), "a.qweight"),
        (GPTQ, replaced(&gptq_tensors(), "a.qweight", "I32", &[0, 16]), "a.qweight"),
        (GPTQ, replaced(&gptq_tensors(), "a.scales", "F16", &[3, 16]), "a.scales"),
        (GPTQ, replaced(&gptq_tensors(), "a.scales", "I8", &[2, 16]), "a.scales"),
        (GPTQ, replaced(&gptq_tensors(), "a.qzeros", "I32", &[2, 16]), "a.qzeros"),
        (GPTQ, replaced(&gptq_tensors(), "a.g_idx", "I32", &[63]), "a.g_idx"),
        (GPTQ, replaced(&gptq_tensors(), "a.g_idx", "I64", &[64]), "a.g_idx"),
        (GPTQ, replaced(&gptq_tensors(), "a.weight", "F16", &[16, 64]), "a.weight"),
        (AWQ, replaced(&awq, "a.qzeros", "I32", &[1, 2]), "a.qzeros"),
        (AWQ, replaced(&awq, "a.scales", "F16", &[2, 2]), "a.scales"),
        // Sizes of 0, which no matrix has.
        (WORDS, replaced(&words, "a.weight_shape", "I64", &[2]), "a.weight_packed"),
        (WORDS, replaced(&words, "a.weight_shape", "F32", &[2]), "a.weight_shape"),
        (WORDS, replaced(&words, "a.weight_shape", "I64", &[1]), "a.weight_shape"),
        (FP8, replaced(&fp8, "a.weight_scale_inv", "F32", &[3, 2]), "a.weight_scale_inv"),
        (FP8, replaced(&fp8, "a.weight_scale_inv", "F32", &[]), "a.weight_scale_inv"),
        (FP8, replaced(&fp8, "a.weight", "F8_E5M2", &[40, 70]), "a.weight"),
    ];
    for (config, tensors, expected) in rows {
        match open(config, &tensors) {
            Err(WeightsError::InvalidQuantised { tensor, .. }) => assert_eq!(tensor, expected, "{tensors:?}"),
            other => panic!("{tensors:?}: {other:?}"),
        }
    }
    for (config, tensors) in [(GPTQ, gptq_tensors()), (AWQ, awq), (FP8, fp8)] {
        for missing in 1..tensors.len().min(3) {
            let mut tensors = tensors.clone();
            let name = tensors.remove(missing).0;
            let found = open(config, &tensors);
            let is_missing = matches!(&found, Err(WeightsError::MissingTensor { name: found, .. })
                if *found == name || (name == "a.weight_scale_inv" && found == "a.weight_scale"));
            assert!(is_missing, "{name}: {found:?}");
        }
    }
    let act_order = r#"{"quant_method":"gptq","bits":4,"group_size":32,"desc_act":true}"#;
    let without_order = &gptq_tensors()[..3];
    assert!(
        matches!(open(act_order, without_order), Err(WeightsError::MissingTensor { name, .. }) if name == "a.g_idx")
    );
}

#[test]
fn groups_that_are_not_there_are_named() {
    match open_filled(GPTQ, &gptq_tensors(), 0xff) {
        Err(WeightsError::InvalidQuantised { tensor, problem }) => {
            assert_eq!(tensor, "a.g_idx");
            assert_eq!(problem, QuantisedProblem::Group { input: 0, found: -1, num_groups: 2 });
        }
        other => panic!("{other:?}"),
    }
}

/// Any sizes of the scheme's own fields with tensors of fixed sizes: an error or a weight, never a panic.
#[test]
fn absurd_group_sizes_are_errors_or_fit() {
    for group_size in [-1_i64, 1, 2, 31, 33, 63, 64, 65, 1 << 22, 1 << 23, i64::MAX, i64::MIN] {
        for (method, tensors) in [("gptq", gptq_tensors()), ("awq", gptq_tensors())] {
            let config = format!(r#"{{"quant_method":"{method}","bits":4,"group_size":{group_size}}}"#);
            let found = open(&config, &tensors);
            assert!(found.is_err() || (method == "gptq" && [33, 63].contains(&group_size)), "{config}: {found:?}");
        }
    }
}
