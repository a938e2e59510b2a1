//! Blocks against what the package gguf makes of the same bytes (`golden/make.py`), and values against their blocks.

use std::path::Path;

use quire_blocks::{BlockFormat, QUANTISED_FORMATS, dequantise, quantise, quantise_weighted};

const GOLDEN_BLOCKS: usize = 4;

fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_format_has_the_values_of_ggml_to_the_bit() {
    for format in BlockFormat::all() {
        let bytes = golden(&format!("{}.bin", format.name().to_lowercase()));
        let (blocks, expected) = bytes.split_at(GOLDEN_BLOCKS * format.block_bytes());
        let mut values = vec![0.0; GOLDEN_BLOCKS * format.block_len()];
        dequantise(format, blocks, &mut values);
        assert_eq!(bits(&values), bits(&floats(expected)), "{format}");
    }
}

#[test]
fn formats_of_one_scale_are_written_as_ggml_writes_them() {
    let values = floats(&golden("values.bin"));
    for format in [BlockFormat::Q4_0, BlockFormat::Q4_1, BlockFormat::Q5_0, BlockFormat::Q5_1, BlockFormat::Q8_0] {
        let mut blocks = vec![0; format.bytes_of(values.len()).expect("whole blocks")];
        quantise(format, &values, &mut blocks);
        assert_eq!(blocks, golden(&format!("{}.quantised", format.name().to_lowercase())), "{format}");
    }
}

/// Numbers like those of a trained matrix: a bell around 0, and now and then one far outside.
fn weights(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    (0..count).map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0).map(|value| 0.02 * value * value.abs()).collect()
}

/// The root of the mean squared error over that of the values.
fn relative_error(format: BlockFormat, values: &[f32]) -> f32 {
    let mut blocks = vec![0; format.bytes_of(values.len()).expect("whole blocks")];
    quantise(format, values, &mut blocks);
    let mut back = vec![0.0; values.len()];
    dequantise(format, &blocks, &mut back);
    let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|value| value * value).sum::<f32>();
    let error = squares(&mut values.iter().zip(&back).map(|(one, other)| one - other));
    (error / squares(&mut values.iter().copied())).sqrt()
}

#[test]
fn values_come_back_as_closely_as_their_format_allows() {
    let values = weights(64 * 256, 1);
    let errors: Vec<f32> = QUANTISED_FORMATS.iter().map(|&format| relative_error(format, &values)).collect();
    for (format, (error, most)) in
        QUANTISED_FORMATS.iter().zip(errors.iter().zip([0.12, 0.11, 0.065, 0.06, 0.01, 0.095, 0.025]))
    {
        assert!(*error < most, "{format}: {error}");
    }
    assert!(errors[5] < errors[1], "the search of Q4_K beats the plain span of Q4_1: {errors:?}");
    assert!(errors[6] < 0.5 * errors[3], "six bits are twice as close as five: {errors:?}");
}

#[test]
fn blocks_that_are_all_alike_or_not_finite_do_no_harm() {
    for value in [0.0, -0.25, 3.0, f32::MIN_POSITIVE, f32::MAX, f32::INFINITY, f32::NAN] {
        for format in QUANTISED_FORMATS {
            let values = [value; 256];
            let mut blocks = vec![0; format.bytes_of(256).expect("whole blocks")];
            quantise(format, &values, &mut blocks);
            if value.abs() > 3.0 || value.is_nan() {
                continue;
            }
            let mut back = [0.0; 256];
            dequantise(format, &blocks, &mut back);
            assert!(back.iter().all(|back| (back - value).abs() <= 0.02 * value.abs().max(1e-6)), "{format}: {back:?}");
        }
    }
}

/// Columns whose activations are large now and then, as those of trained models are.
fn importance(count: usize) -> Vec<f32> {
    weights(count, 7).iter().map(|weight| 0.05 + 500.0 * weight * weight).collect()
}

#[test]
fn what_counts_more_is_closer() {
    let values = weights(64 * 256, 1);
    let importance = importance(values.len());
    let error = |blocks: &[u8], format: BlockFormat| {
        let mut back = vec![0.0; values.len()];
        dequantise(format, blocks, &mut back);
        let errors = values.iter().zip(&back).map(|(one, other)| (one - other) * (one - other));
        errors.zip(&importance).map(|(error, importance)| error * importance).sum::<f32>()
    };
    for format in QUANTISED_FORMATS {
        let mut plain = vec![0; format.bytes_of(values.len()).expect("whole blocks")];
        let mut weighted = plain.clone();
        quantise(format, &values, &mut plain);
        quantise_weighted(format, &values, &importance, &mut weighted);
        let share = error(&weighted, format) / error(&plain, format);
        match format {
            BlockFormat::Q4_0 | BlockFormat::Q4_K => assert!(share < 0.9, "{format}: {share} of the error"),
            BlockFormat::Q6_K => assert!(share < 0.97, "{format}: {share} of the error"),
            _ => assert!(weighted == plain, "{format} is searched for"),
        }
        // Where all count alike, nothing changes; without importance Q4_0 is not searched for.
        if format != BlockFormat::Q4_0 {
            quantise_weighted(format, &values, &vec![1.0; values.len()], &mut weighted);
            assert!(weighted == plain, "{format}");
        }
    }
}

#[test]
fn importance_of_nothing_does_no_harm() {
    for value in [0.0, -0.25, f32::MAX, f32::INFINITY, f32::NAN] {
        for format in QUANTISED_FORMATS {
            let (values, mut blocks) = (vec![value; 256], vec![0; format.bytes_of(256).expect("whole blocks")]);
            quantise_weighted(format, &values, &[0.0; 256], &mut blocks);
            let mut back = vec![9.0; 256];
            dequantise(format, &blocks, &mut back);
            if value.abs() < 1.0 {
                assert!(back.iter().all(|back| (back - value).abs() < 0.02), "{format}: {value} became {}", back[0]);
            }
        }
    }
}
