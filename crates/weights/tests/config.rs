//! config.json and generation_config.json as transformers reads them, and what it refuses.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use proptest::prelude::*;
use quire_weights::{
    ConfigClass, ConfigDocument, DType, FieldNames, GenerationConfig, ModelConfig, RopeScaling, RotaryFields,
    SlidingWindowRule, WeightsError,
};

const CLASS: ConfigClass = ConfigClass {
    model_type: "llama",
    names: FieldNames::LLAMA,
    vocab_size: 32_000,
    hidden_size: 4_096,
    intermediate_size: Some(11_008),
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: Some(8),
    head_dim: None,
    max_position_embeddings: 2_048,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-6,
    tie_word_embeddings: false,
    bos_token_id: Some(1),
    eos_token_id: Some(2),
    pad_token_id: None,
    rotary: Some(RotaryFields::LLAMA),
    sliding_window: SlidingWindowRule::PerLayer,
};

fn document(json: &str) -> ConfigDocument {
    ConfigDocument::parse(Path::new("config.json"), json.as_bytes()).unwrap()
}

fn read(json: &str) -> ModelConfig {
    ModelConfig::read(&document(json), &CLASS).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn refused(json: &str) -> String {
    match ModelConfig::read(&document(json), &CLASS) {
        Err(error @ WeightsError::InvalidField { .. }) => error.to_string(),
        other => panic!("{json}: expected an invalid field, got {other:?}"),
    }
}

#[test]
fn absent_fields_have_the_defaults_of_the_class() {
    let config = read("{}");
    assert_eq!((config.vocab_size, config.hidden_size, config.intermediate_size), (32_000, 4_096, 11_008));
    assert_eq!((config.num_attention_heads, config.num_key_value_heads, config.head_dim), (32, 8, 128));
    assert_eq!((config.num_hidden_layers, config.max_position_embeddings), (32, 2_048));
    assert_eq!((config.activation.as_str(), config.norm_epsilon, config.tie_word_embeddings), ("silu", 1e-6, false));
    assert_eq!((config.bos_token_id, config.eos_token_ids.as_slice(), config.pad_token_id), (Some(1), &[2][..], None));
    assert_eq!(config.dtype, None);
    let rope = config.rope.unwrap();
    assert_eq!((rope.theta, rope.scaling), (10_000.0, RopeScaling::None));
}

#[test]
fn nulls_mean_what_transformers_takes_them_for() {
    let config = read(
        r#"{"num_key_value_heads":null,"head_dim":null,"eos_token_id":null,"bos_token_id":null,"rope_scaling":null,
            "rope_parameters":null,"torch_dtype":null,"tie_word_embeddings":null,"sliding_window":null,"layer_types":null}"#,
    );
    assert_eq!((config.num_key_value_heads, config.head_dim), (32, 128));
    assert_eq!((config.bos_token_id, config.eos_token_ids.len(), config.tie_word_embeddings), (None, 0, false));
}

#[test]
fn end_tokens_are_a_number_or_a_list() {
    for (json, expected) in [
        (r#"{"eos_token_id":7}"#, vec![7]),
        (r#"{"eos_token_id":[7,8]}"#, vec![7, 8]),
        (r#"{"eos_token_id":[]}"#, vec![]),
        (r#"{"eos_token_id":-1}"#, vec![]),
        ("{}", vec![2]),
    ] {
        assert_eq!(read(json).eos_token_ids, expected, "{json}");
    }
}

#[test]
fn both_names_of_the_dtype_are_read() {
    for (json, expected) in [
        (r#"{"torch_dtype":"bfloat16"}"#, Some(DType::Bf16)),
        (r#"{"dtype":"float16","torch_dtype":"bfloat16"}"#, Some(DType::F16)),
        (r#"{"torch_dtype":"torch.float32"}"#, Some(DType::F32)),
        (r#"{"torch_dtype":"float8_e4m3fn"}"#, None),
    ] {
        assert_eq!(read(json).dtype, expected, "{json}");
    }
}

#[test]
fn rotary_fields_go_by_the_names_of_the_class() {
    let rotary = RotaryFields {
        theta: "rotary_emb_base",
        partial_rotary_factor: "rotary_pct",
        default_share: 0.25,
        ..RotaryFields::LLAMA
    };
    let class = ConfigClass { rotary: Some(rotary), ..CLASS };
    for (json, theta, share) in [
        ("{}", 10_000.0, 0.25),
        (r#"{"rope_theta":5e5,"partial_rotary_factor":0.5}"#, 10_000.0, 0.25),
        (r#"{"rotary_emb_base":5e5,"rotary_pct":1.0}"#, 5e5, 1.0),
        (r#"{"rope_parameters":{"rope_theta":7,"partial_rotary_factor":0.5},"rotary_pct":1.0}"#, 7.0, 0.5),
    ] {
        let rope = ModelConfig::read(&document(json), &class).unwrap().rope.unwrap();
        assert_eq!((rope.theta, rope.partial_rotary_factor), (theta, share), "{json}");
    }
    let error = ModelConfig::read(&document(r#"{"rotary_pct":1.5}"#), &class).unwrap_err().to_string();
    assert!(error.contains("rotary_pct") && error.contains("1.5"), "{error}");
}

#[test]
fn rotary_scaling_is_read_in_both_styles() {
    let llama3 = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8_192,
    };
    let yarn = |factor: f64, original: usize| RopeScaling::Yarn {
        factor,
        original_max_position_embeddings: original,
        beta_fast: 32.0,
        beta_slow: 1.0,
        attention_factor: None,
        mscale: None,
        mscale_all_dim: None,
        truncate: true,
    };
    let rows = [
        (r#"{"rope_theta":5e5}"#, 5e5, RopeScaling::None),
        (r#"{"rope_scaling":{"type":"linear","factor":2}}"#, 1e4, RopeScaling::Linear { factor: 2.0 }),
        (
            r#"{"rope_scaling":{"rope_type":"dynamic","type":"linear","factor":2}}"#,
            1e4,
            RopeScaling::Dynamic { factor: 2.0 },
        ),
        (
            r#"{"rope_theta":5e5,"rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
                "original_max_position_embeddings":8192}}"#,
            5e5,
            llama3.clone(),
        ),
        (
            r#"{"rope_theta":1,"rope_parameters":{"rope_theta":5e5,"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,
                "high_freq_factor":4.0,"original_max_position_embeddings":8192}}"#,
            5e5,
            llama3,
        ),
        (r#"{"rope_scaling":{"type":"yarn","factor":4}}"#, 1e4, yarn(4.0, 2_048)),
        (r#"{"rope_scaling":{"type":"yarn","original_max_position_embeddings":512}}"#, 1e4, yarn(4.0, 512)),
        (
            r#"{"original_max_position_embeddings":1024,"rope_scaling":{"type":"yarn","factor":4,"original_max_position_embeddings":512}}"#,
            1e4,
            yarn(4.0, 1_024),
        ),
        (r#"{"rope_scaling":{},"rope_parameters":{"rope_type":"default","rope_theta":7}}"#, 7.0, RopeScaling::None),
    ];
    for (json, theta, scaling) in rows {
        let rope = read(json).rope.unwrap();
        assert_eq!((rope.theta, rope.scaling), (theta, scaling), "{json}");
    }
}

#[test]
fn windows_are_decided_layer_by_layer() {
    let layers = |windowed: std::ops::Range<usize>, window: usize| -> Vec<Option<usize>> {
        (0..4).map(|layer| windowed.contains(&layer).then_some(window)).collect()
    };
    let rows = [
        (r#"{"num_hidden_layers":4,"sliding_window":8}"#, layers(0..0, 8)),
        (r#"{"num_hidden_layers":4,"use_sliding_window":true,"sliding_window":8}"#, layers(0..0, 8)),
        (
            r#"{"num_hidden_layers":4,"use_sliding_window":true,"sliding_window":8,"max_window_layers":1}"#,
            layers(1..4, 8),
        ),
        (r#"{"num_hidden_layers":4,"use_sliding_window":true,"max_window_layers":2}"#, layers(2..4, 4_096)),
        (
            r#"{"num_hidden_layers":4,"use_sliding_window":true,"sliding_window":null,"max_window_layers":2}"#,
            layers(0..0, 0),
        ),
        (
            r#"{"num_hidden_layers":4,"use_sliding_window":true,"sliding_window":8,
                "layer_types":["sliding_attention","full_attention","full_attention","full_attention"]}"#,
            layers(0..1, 8),
        ),
    ];
    for (json, expected) in rows {
        assert_eq!(read(json).sliding_windows, expected, "{json}");
    }
}

#[test]
fn windows_alternate_or_hold_for_all_layers() {
    let windows = |rule: SlidingWindowRule, json: &str| {
        let class = ConfigClass { sliding_window: rule, num_hidden_layers: 4, ..CLASS };
        ModelConfig::read(&document(json), &class).map(|config| config.sliding_windows)
    };
    let second = SlidingWindowRule::Alternating { period: 2, period_field: Some("sliding_window_pattern") };
    for (rule, json, expected) in [
        (second, "{}", [Some(4_096), None, Some(4_096), None]),
        (second, r#"{"sliding_window":8,"sliding_window_pattern":3}"#, [Some(8), Some(8), None, Some(8)]),
        (second, r#"{"sliding_window":null}"#, [None; 4]),
        (
            second,
            r#"{"sliding_window":8,"layer_types":["full_attention","full_attention","full_attention","sliding_attention"]}"#,
            [None, None, None, Some(8)],
        ),
        (SlidingWindowRule::WhenUsed, r#"{"sliding_window":8}"#, [None; 4]),
        (SlidingWindowRule::WhenUsed, r#"{"sliding_window":8,"use_sliding_window":true}"#, [Some(8); 4]),
        (SlidingWindowRule::WhenUsed, r#"{"sliding_window":0,"use_sliding_window":false}"#, [None; 4]),
    ] {
        assert_eq!(windows(rule, json).unwrap(), expected, "{json}");
    }
    let error = windows(second, r#"{"sliding_window_pattern":0}"#).unwrap_err().to_string();
    assert!(error.contains("sliding_window_pattern"), "{error}");
}

#[test]
fn layers_with_a_window_have_rotary_positions_of_their_own() {
    let rotary =
        RotaryFields { default_theta: 1e6, windowed_theta: Some(("rope_local_base_freq", 1e4)), ..RotaryFields::LLAMA };
    let class = ConfigClass { rotary: Some(rotary), ..CLASS };
    let linear = RopeScaling::Linear { factor: 8.0 };
    for (json, full, windowed, scaling) in [
        ("{}", 1e6, 1e4, RopeScaling::None),
        (r#"{"rope_local_base_freq":5,"rope_theta":7}"#, 7.0, 5.0, RopeScaling::None),
        (r#"{"rope_scaling":{"rope_type":"linear","factor":8}}"#, 1e6, 1e4, linear.clone()),
        (
            r#"{"rope_parameters":{"full_attention":{"rope_type":"linear","factor":8,"rope_theta":3},
                "sliding_attention":{"rope_type":"default","rope_theta":2}}}"#,
            3.0,
            2.0,
            linear,
        ),
    ] {
        let config = ModelConfig::read(&document(json), &class).unwrap();
        let rope = config.rope.unwrap();
        assert_eq!((rope.theta, rope.scaling), (full, scaling), "{json}");
        let rope = config.windowed_rope.unwrap();
        assert_eq!((rope.theta, rope.scaling), (windowed, RopeScaling::None), "{json}");
    }
    assert_eq!(read("{}").windowed_rope, None);
}

#[test]
fn factors_of_long_sequences_are_read_under_all_their_names() {
    for name in ["longrope", "su", "yarn"] {
        let json = format!(
            r#"{{"max_position_embeddings":4096,"original_max_position_embeddings":64,
                "rope_scaling":{{"type":"{name}","short_factor":[1,1.5],"long_factor":[2,3]}}}}"#
        );
        let RopeScaling::LongRope { short_factor, long_factor, attention_factor, original_max_position_embeddings } =
            read(&json).rope.unwrap().scaling
        else {
            panic!("{json}");
        };
        assert_eq!((short_factor, long_factor), (vec![1.0, 1.5], vec![2.0, 3.0]));
        // sqrt(1 + ln(4096 / 64) / ln(64))
        assert!((attention_factor - 2.0_f64.sqrt()).abs() < 1e-12, "{attention_factor}");
        assert_eq!(original_max_position_embeddings, 64);
    }
    for (scaling, field) in [
        (r#"{"type":"longrope","long_factor":[2]}"#, "short_factor"),
        (r#"{"type":"longrope","short_factor":[1],"long_factor":[0]}"#, "long_factor"),
        (r#"{"type":"longrope","short_factor":["a"],"long_factor":[1]}"#, "short_factor"),
        (r#"{"type":"longrope","short_factor":[1],"long_factor":{}}"#, "long_factor"),
    ] {
        let error = refused(&format!(r#"{{"rope_scaling":{scaling}}}"#));
        assert!(error.contains(field), "{scaling}: {error}");
    }
    let one =
        r#"{"original_max_position_embeddings":1,"rope_scaling":{"type":"su","short_factor":[1],"long_factor":[1]}}"#;
    assert!(refused(one).contains("original_max_position_embeddings"));
}

#[test]
fn a_trained_length_of_the_class_outranks_the_one_among_rotary_parameters() {
    let rotary = RotaryFields { trained_length: Some(128), ..RotaryFields::LLAMA };
    let class = ConfigClass { rotary: Some(rotary), ..CLASS };
    let trained_length = |class: &ConfigClass, beside: &str, among: &str| {
        let json = format!(
            r#"{{"max_position_embeddings":4096{beside},
                "rope_scaling":{{"type":"longrope","short_factor":[1],"long_factor":[1]{among}}}}}"#
        );
        match ModelConfig::read(&document(&json), class).unwrap().rope.unwrap().scaling {
            RopeScaling::LongRope { original_max_position_embeddings, .. } => original_max_position_embeddings,
            other => panic!("{json}: {other:?}"),
        }
    };
    let stated = |length: usize| format!(r#","original_max_position_embeddings":{length}"#);
    for (class, beside, among, expected) in
        [(&class, 0, 0, 128), (&class, 0, 64, 128), (&class, 32, 64, 32), (&CLASS, 0, 64, 64), (&CLASS, 0, 0, 4096)]
    {
        let text = |length| if length == 0 { String::new() } else { stated(length) };
        assert_eq!(trained_length(class, &text(beside), &text(among)), expected, "{beside} {among}");
    }
}

#[test]
fn a_part_of_a_model_reads_as_if_it_stood_alone() {
    let whole = document(
        r#"{"architectures":["Whole"],"model_type":"whole","eos_token_id":[1,106],
            "text_config":{"architectures":["Part"],"model_type":"part","hidden_size":64}}"#,
    );
    let part = whole.overlaid("text_config").unwrap();
    assert_eq!((part.architecture().unwrap(), part.model_type().unwrap()), (Some("Whole"), Some("whole")));
    assert_eq!(part.count("hidden_size").unwrap(), Some(64));
    assert_eq!(part.token_ids("eos_token_id").unwrap(), Some(vec![1, 106]));
    assert!(part.get("text_config").is_none());
    assert_eq!(part.overlaid("text_config").unwrap().count("hidden_size").unwrap(), Some(64));
    // Whether the output matrix is the embedding, the whole model says.
    let tied = |json: &str| document(json).overlaid("text_config").unwrap().flag("tie_word_embeddings", true).unwrap();
    assert!(tied(r#"{"text_config":{"tie_word_embeddings":false}}"#));
    assert!(tied(r#"{"tie_word_embeddings":true,"text_config":{"tie_word_embeddings":false}}"#));
    assert!(!tied(r#"{"tie_word_embeddings":false,"text_config":{"tie_word_embeddings":true}}"#));
    assert!(!tied(r#"{"tie_word_embeddings":false}"#));
    let error = document(r#"{"text_config":[]}"#).overlaid("text_config").unwrap_err().to_string();
    assert!(error.contains("text_config"), "{error}");
}

#[test]
fn impossible_values_are_refused_with_the_field_named() {
    let rows = [
        (r#"{"hidden_size":0}"#, "hidden_size"),
        (r#"{"hidden_size":null}"#, "hidden_size"),
        (r#"{"hidden_size":-64}"#, "hidden_size"),
        (r#"{"hidden_size":64.5}"#, "hidden_size"),
        (r#"{"hidden_size":"64"}"#, "hidden_size"),
        (r#"{"hidden_size":true}"#, "hidden_size"),
        (r#"{"hidden_size":1e30}"#, "hidden_size"),
        (r#"{"hidden_size":99999999999999999999}"#, "hidden_size"),
        (r#"{"hidden_size":2147483647}"#, "hidden_size"),
        (r#"{"hidden_size":100}"#, "hidden_size"),
        (r#"{"num_hidden_layers":1000000}"#, "num_hidden_layers"),
        (r#"{"num_attention_heads":0}"#, "num_attention_heads"),
        (r#"{"num_key_value_heads":0}"#, "num_key_value_heads"),
        (r#"{"num_key_value_heads":5}"#, "num_key_value_heads"),
        (r#"{"head_dim":1048576}"#, "head_dim"),
        (r#"{"vocab_size":2147483647}"#, "vocab_size"),
        (r#"{"rms_norm_eps":-1}"#, "rms_norm_eps"),
        (r#"{"rms_norm_eps":"1e-6"}"#, "rms_norm_eps"),
        (r#"{"eos_token_id":"2"}"#, "eos_token_id"),
        (r#"{"eos_token_id":[2,-5]}"#, "eos_token_id"),
        (r#"{"eos_token_id":4294967296}"#, "eos_token_id"),
        (r#"{"tie_word_embeddings":1}"#, "tie_word_embeddings"),
        (r#"{"torch_dtype":7}"#, "torch_dtype"),
        (r#"{"architectures":"LlamaForCausalLM"}"#, "architectures"),
        (r#"{"architectures":[1]}"#, "architectures"),
        (r#"{"rope_theta":0}"#, "rope_theta"),
        (r#"{"rope_scaling":[]}"#, "rope_scaling"),
        (r#"{"rope_scaling":{"type":"linear"}}"#, "rope_scaling.factor"),
        (r#"{"rope_scaling":{"type":"linear","factor":0}}"#, "rope_scaling.factor"),
        (r#"{"rope_scaling":{"type":"mrope","factor":2}}"#, "rope_scaling.rope_type"),
        (
            r#"{"rope_scaling":{"type":"llama3","factor":2,"low_freq_factor":4,"high_freq_factor":4}}"#,
            "high_freq_factor",
        ),
        (r#"{"use_sliding_window":true,"sliding_window":0}"#, "sliding_window"),
        (r#"{"layer_types":["full_attention"]}"#, "layer_types"),
        (r#"{"num_hidden_layers":1,"layer_types":["linear_attention"]}"#, "layer_types"),
    ];
    for (json, field) in rows {
        let message = refused(json);
        assert!(message.contains(field), "{json}: {message}");
    }
}

#[test]
fn files_that_are_no_objects_are_refused() {
    let parse = |bytes: &[u8]| ConfigDocument::parse(Path::new("config.json"), bytes);
    for bytes in [&b""[..], b"[]", b"7", b"{", b"{\"a\":NaNs}", b"{\"a\":-NaN}", b"\xff\xfe{}", b"{} {}"] {
        assert!(matches!(parse(bytes), Err(WeightsError::InvalidJson { .. })), "{bytes:?}");
    }
    assert!(matches!(parse(&vec![b' '; 5 << 20]), Err(WeightsError::FileTooLarge { .. })));
    let deep = format!(r#"{{"a":{}"#, "[".repeat(100_000));
    assert!(matches!(parse(deep.as_bytes()), Err(WeightsError::InvalidJson { .. })));
}

#[test]
fn words_that_python_has_for_numbers_are_passed_over_and_no_numbers() {
    // As mixtures of attention and state spaces have it.
    let config =
        read(r#"{"a":"\\\" NaN, [Infinity]","time_step_limit":[0.0,Infinity],"b":-Infinity,"c":NaN,"vocab_size":7}"#);
    assert_eq!(config.vocab_size, 7);
    assert_eq!(config.document.text("a").unwrap(), Some(r#"\" NaN, [Infinity]"#));
    for (json, found) in [
        (r#"{"rms_norm_eps":NaN}"#, "NaN"),
        (r#"{"rope_theta":Infinity}"#, "Infinity"),
        (r#"{"rope_scaling":{"type":"linear","factor":-Infinity}}"#, "-Infinity"),
        (r#"{"vocab_size":Infinity}"#, "Infinity"),
    ] {
        let message = refused(json);
        assert!(message.contains(&format!("\"{found}\"")), "{json}: {message}");
    }
}

#[test]
fn generation_configs_are_read() {
    let read = |json: &str| GenerationConfig::from_document(&document(json));
    assert_eq!(read("{}").unwrap(), GenerationConfig::default());
    let full = read(
        r#"{"eos_token_id":[1,2],"bos_token_id":3,"pad_token_id":[4],"do_sample":true,"temperature":0.6,"top_k":20,
            "top_p":0.9,"min_p":0.05,"repetition_penalty":1.1,"max_new_tokens":64,"_from_model_config":true}"#,
    )
    .unwrap();
    assert_eq!(full.eos_token_ids, Some(vec![1, 2]));
    assert_eq!((full.bos_token_id, full.pad_token_id, full.do_sample), (Some(3), Some(4), Some(true)));
    assert_eq!((full.temperature, full.top_k, full.top_p), (Some(0.6), Some(20), Some(0.9)));
    assert_eq!((full.min_p, full.repetition_penalty, full.max_new_tokens), (Some(0.05), Some(1.1), Some(64)));
    for json in [r#"{"temperature":"hot"}"#, r#"{"top_k":-1}"#, r#"{"do_sample":3}"#, r#"{"eos_token_id":{}}"#] {
        assert!(matches!(read(json), Err(WeightsError::InvalidField { .. })), "{json}");
    }
}

const REAL: &str = r#"{"architectures":["LlamaForCausalLM"],"hidden_size":64,"num_attention_heads":8,"head_dim":8,"eos_token_id":[1,2],
    "rope_scaling":{"rope_type":"yarn","factor":4.0,"mscale":1.0},"use_sliding_window":true,"layer_types":null,"num_hidden_layers":3}"#;

proptest! {
    #[test]
    fn damaged_configs_are_an_error_or_sound(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = REAL.as_bytes().to_vec();
        for (place, byte) in damage {
            let index = place.index(bytes.len());
            bytes[index] = byte;
        }
        if let Ok(document) = ConfigDocument::parse(Path::new("config.json"), &bytes) {
            let _ = GenerationConfig::from_document(&document);
            if let Ok(config) = ModelConfig::read(&document, &CLASS) {
                prop_assert!(config.num_attention_heads % config.num_key_value_heads == 0);
                prop_assert_eq!(config.sliding_windows.len(), config.num_hidden_layers);
            }
        }
    }

    #[test]
    fn arbitrary_numbers_are_an_error_or_sound(
        field in prop::sample::select(vec!["hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim",
            "num_hidden_layers", "vocab_size", "intermediate_size", "max_position_embeddings", "rope_theta"]),
        number in any::<f64>(),
        whole in any::<i64>(),
        as_float in any::<bool>(),
    ) {
        let json = if as_float { format!(r#"{{"{field}":{number:e}}}"#) } else { format!(r#"{{"{field}":{whole}}}"#) };
        let document = ConfigDocument::parse(Path::new("config.json"), json.as_bytes());
        if let Ok(config) = document.and_then(|document| ModelConfig::read(&document, &CLASS)) {
            prop_assert!(config.num_attention_heads * config.head_dim <= 1 << 20);
        }
    }
}
