//! What the classes of transformers have where config.json says nothing, and published files say nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use quire_models::read_config;
use quire_weights::{ConfigDocument, ModelConfig, RopeScaling};

fn read(json: &str) -> ModelConfig {
    read_config(&ConfigDocument::parse(Path::new("config.json"), json.as_bytes()).unwrap()).unwrap()
}

#[test]
fn models_that_see_images_are_tied_unless_they_say_otherwise() {
    for architecture in ["Mistral3ForConditionalGeneration", "Gemma3ForConditionalGeneration"] {
        let tied =
            |fields: &str| read(&format!(r#"{{"architectures":["{architecture}"]{fields}}}"#)).tie_word_embeddings;
        assert!(tied(r#","text_config":{}"#), "{architecture}");
        // As transformers 5 writes a tied Mistral 3.
        assert!(tied(r#","tie_word_embeddings":true,"text_config":{"tie_word_embeddings":false}"#), "{architecture}");
        assert!(!tied(r#","tie_word_embeddings":false,"text_config":{}"#), "{architecture}");
    }
}

#[test]
fn the_whole_model_says_of_which_class_it_is() {
    for (model_type, part, architecture) in [
        ("gemma3", "gemma3_text", "Gemma3ForConditionalGeneration"),
        ("gemma3_text", "", "Gemma3ForCausalLM"),
        ("mistral3", "mistral", "Mistral3ForConditionalGeneration"),
        ("mistral", "", "MistralForCausalLM"),
    ] {
        let json = format!(r#"{{"model_type":"{model_type}","text_config":{{"model_type":"{part}"}}}}"#);
        let config = read(&json);
        assert_eq!((config.architecture.as_str(), config.model_type.as_str()), (architecture, model_type));
    }
    let seeing = r#"{"model_type":"llava","text_config":{"model_type":"llama"}}"#;
    let error = read_config(&ConfigDocument::parse(Path::new("config.json"), seeing.as_bytes()).unwrap()).unwrap_err();
    assert!(error.to_string().contains("`llava` is not supported"), "{error}");
}

#[test]
fn phi_3_was_trained_on_4096_tokens_unless_it_says_otherwise() {
    let config = read(
        r#"{"architectures":["Phi3ForCausalLM"],"max_position_embeddings":131072,
            "rope_scaling":{"type":"longrope","short_factor":[1],"long_factor":[2]}}"#,
    );
    let RopeScaling::LongRope { original_max_position_embeddings, attention_factor, .. } = config.rope.unwrap().scaling
    else {
        panic!("not LongRoPE");
    };
    assert_eq!(original_max_position_embeddings, 4_096);
    // sqrt(1 + ln(131072 / 4096) / ln(4096))
    assert!((attention_factor - 1.190_238_071_423_808).abs() < 1e-9, "{attention_factor}");
}
