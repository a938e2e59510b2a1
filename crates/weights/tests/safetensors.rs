//! Safetensors files, good and hostile: a typed error for each bad one, never a panic, never memory beyond the file.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use quire_weights::{Checkpoint, DType, HeaderProblem, StoredFormat, WeightsError};

/// A file with this header and this many zero bytes behind it.
fn file(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data_bytes, 0);
    bytes
}

const GOOD: &str = concat!(
    r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#,
    r#""b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"empty":{"dtype":"F16","shape":[0,7],"data_offsets":[32,32]},"#,
    r#""mask":{"dtype":"U8","shape":[],"data_offsets":[32,33]}}  "#
);

fn problem(bytes: Vec<u8>) -> HeaderProblem {
    match Checkpoint::from_bytes(bytes) {
        Err(WeightsError::InvalidHeader { problem, .. }) => problem,
        other => panic!("expected a header problem, got {other:?}"),
    }
}

#[test]
fn a_good_file_gives_its_tensors() {
    let mut bytes = file(GOOD, 33);
    let data = bytes.len() - 33;
    for (index, byte) in bytes[data..].iter_mut().enumerate() {
        *byte = index as u8;
    }
    let tensors = Checkpoint::from_bytes(bytes).unwrap();
    assert_eq!(tensors.names().collect::<Vec<_>>(), ["a", "b", "empty", "mask"]);
    let rows: [(&str, DType, &[usize], std::ops::Range<u8>); 3] =
        [("a", DType::F32, &[2, 3], 0..24), ("b", DType::Bf16, &[4], 24..32), ("empty", DType::F16, &[0, 7], 0..0)];
    for (name, dtype, shape, bytes) in rows {
        let view = tensors.get(name).unwrap();
        assert_eq!((view.format, view.shape), (StoredFormat::Elements(dtype), shape), "{name}");
        assert_eq!(view.bytes(), bytes.collect::<Vec<u8>>(), "{name}");
    }
    assert_eq!(tensors.total_bytes(), 33);
    assert!(matches!(tensors.get("mask"), Err(WeightsError::UnsupportedDType { found, .. }) if found == "U8"));
    assert!(matches!(tensors.get("c"), Err(WeightsError::MissingTensor { num_tensors: 4, .. })));
}

#[test]
fn every_broken_rule_has_its_error() {
    let tensor = |fields: &str| format!(r#"{{"a":{{{fields}}}}}"#);
    // (header, data bytes, what the error says)
    let rows: Vec<(String, usize, &str)> = vec![
        (String::new(), 0, "starts with `{`"),
        ("[]".into(), 0, "starts with `{`"),
        (" {}".into(), 0, "starts with `{`"),
        ("{".into(), 0, "header JSON"),
        ("{} x".into(), 0, "header JSON"),
        ("{}".into(), 1, "1 bytes follow the header"),
        (r#"{"a":1}"#.into(), 0, "header JSON"),
        (tensor(r#""dtype":"F32","shape":[1]"#), 4, "data_offsets"),
        (tensor(r#""dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1"#), 4, "extra"),
        (tensor(r#""dtype":"F32","shape":[1],"data_offsets":[0,4,8]"#), 4, "header JSON"),
        (tensor(r#""dtype":"F32","shape":[1],"data_offsets":[0]"#), 4, "header JSON"),
        (tensor(r#""dtype":"F32","shape":[-1],"data_offsets":[0,4]"#), 4, "header JSON"),
        (tensor(r#""dtype":"F32","shape":[1.5],"data_offsets":[0,4]"#), 4, "header JSON"),
        (tensor(r#""dtype":"F32","shape":[1],"data_offsets":[0,-4]"#), 4, "header JSON"),
        (tensor(r#""dtype":"Q9","shape":[1],"data_offsets":[0,4]"#), 4, "unknown dtype `Q9`"),
        (tensor(r#""dtype":"F32","shape":[1],"data_offsets":[4,0]"#), 4, "occupies bytes 4..0"),
        (tensor(r#""dtype":"F32","shape":[1],"data_offsets":[4,8]"#), 8, "expected it to begin at 0"),
        (tensor(r#""dtype":"F32","shape":[2],"data_offsets":[0,8]"#), 4, "end by 4"),
        (tensor(r#""dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]"#), 4, "occupies bytes"),
        (tensor(r#""dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551616]"#), 4, "header JSON"),
        (tensor(r#""dtype":"F32","shape":[2],"data_offsets":[0,4]"#), 4, "does not take 4 bytes"),
        (tensor(r#""dtype":"F4","shape":[1],"data_offsets":[0,1]"#), 1, "does not take 1 bytes"),
        (tensor(r#""dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]"#), 0, "does not take 0 bytes"),
        (tensor(r#""dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]"#), 0, "does not take 0 bytes"),
        (tensor(r#""dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]"#), 4, "at most 16"),
        (
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}}"#.into(),
            7,
            "tensor `b` occupies bytes 3..7",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}}"#.into(),
            9,
            "tensor `b` occupies bytes 5..9",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}"#.into(),
            8,
            "tensor `a` is listed twice",
        ),
    ];
    for (header, data_bytes, expected) in rows {
        let message = problem(file(&header, data_bytes)).to_string();
        assert!(message.contains(expected), "{header}: {message}");
    }
}

#[test]
fn lengths_that_the_file_does_not_have_are_refused() {
    for (length, rest) in [(3_u64, 2_usize), (u64::MAX, 0), (1 << 40, 100), (100_000_001, 0)] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.resize(8 + rest, b' ');
        assert!(matches!(problem(bytes), HeaderProblem::HeaderLength { header_bytes, .. } if header_bytes == length));
    }
    for length in 0..8 {
        assert!(matches!(problem(vec![0; length]), HeaderProblem::TooShort { .. }));
    }
}

#[test]
fn a_deep_header_does_not_overflow_the_stack() {
    let deep = format!(r#"{{"__metadata__":{}"#, "[".repeat(1_000_000));
    assert!(matches!(problem(file(&deep, 0)), HeaderProblem::Json { .. }));
}

#[test]
fn every_truncation_is_refused() {
    let bytes = file(GOOD, 33);
    for length in 0..bytes.len() {
        assert!(Checkpoint::from_bytes(bytes[..length].to_vec()).is_err(), "{length} of {} bytes", bytes.len());
    }
}

/// Whatever the flipped bit did, what is handed out lies inside the file.
#[test]
fn every_bit_flip_is_an_error_or_a_sound_file() {
    let bytes = file(GOOD, 33);
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        check_sound(flipped);
    }
}

fn check_sound(bytes: Vec<u8>) {
    let length = bytes.len() as u64;
    let Ok(tensors) = Checkpoint::from_bytes(bytes) else { return };
    assert!(tensors.total_bytes() <= length);
    for name in tensors.names() {
        if let Ok(view) = tensors.get(name) {
            let StoredFormat::Elements(dtype) = view.format else { panic!("{name} is {}", view.format) };
            assert_eq!(view.bytes().len(), view.view().num_values() * dtype.size_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_an_error_or_a_sound_file(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check_sound(bytes);
    }

    #[test]
    fn arbitrary_headers_are_an_error_or_a_sound_file(
        header in r#"\{("[ab]":\{"dtype":"(F32|U8|BF16)","shape":\[[0-9]{0,3}\],"data_offsets":\[[0-9]{1,2},[0-9]{1,20}\]\},?){0,3}\}"#,
        data_bytes in 0_usize..64,
    ) {
        check_sound(file(&header, data_bytes));
    }

    #[test]
    fn arbitrary_damage_is_an_error_or_a_sound_file(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = file(GOOD, 33);
        for (place, byte) in damage {
            let index = place.index(bytes.len());
            bytes[index] = byte;
        }
        let length = bytes.len();
        bytes.truncate(length - cut.index(length / 2));
        check_sound(bytes);
    }
}
