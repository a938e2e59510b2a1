//! Ids of real tokenizers, and streams over real vocabularies.

use crate::shared;
use quire_text::{Detokenizer, DetokenizerOptions, FinishKind, Tokenizer};

#[test]
fn ids_equal_the_vectors() {
    let Some(folder) = shared::tokenizers("ids_equal_the_vectors") else { return };
    let (mut num_tokenizers, mut num_cases) = (0, 0);
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let directory = entry.expect("an entry").path();
        if !directory.join("tokenizer.json").exists() {
            continue;
        }
        let tokenizer = Tokenizer::from_directory(&directory).expect("a tokenizer");
        num_tokenizers += 1;
        let mut texts = vec!["Hello, world! \u{1F469}\u{200D}\u{1F680} é 你好 \n\n\tdone".to_owned()];
        if directory.join("vectors.json").exists() {
            let vectors = shared::json(&directory.join("vectors.json"));
            for case in vectors["cases"].as_array().expect("cases") {
                let text = case["text"].as_str().expect("text");
                let expected: Vec<i32> = serde_json::from_value(case["ids"].clone()).expect("ids");
                let ids = tokenizer.encode(text, false).expect("ids");
                assert_eq!(ids, expected, "{} {text:?}", directory.display());
                texts.push(text.to_owned());
                num_cases += 1;
            }
        }
        for text in &texts {
            check_stream(&tokenizer, text);
        }
    }
    assert!(num_tokenizers >= 13 && num_cases >= 300, "{num_tokenizers} tokenizers, {num_cases} cases");
}

fn check_stream(tokenizer: &Tokenizer, text: &str) {
    for special in [false, true] {
        let ids = tokenizer.encode(text, special).expect("ids");
        for skip_special_tokens in [false, true] {
            let options = DetokenizerOptions { skip_special_tokens, ..DetokenizerOptions::default() };
            let mut stream = Detokenizer::new(tokenizer, &options).expect("a stream");
            let whole = tokenizer.decode(&ids, skip_special_tokens).expect("text");
            let mut streamed = String::new();
            for id in &ids {
                let delta = stream.push(&[*id], None).expect("a delta");
                // Some added tokens are no byte sequences: one-shot decoding shows them so too.
                assert!(!delta.text.contains('\u{FFFD}') || whole.contains('\u{FFFD}'));
                streamed.push_str(&delta.text);
            }
            streamed.push_str(&stream.push(&[], Some(FinishKind::Other)).expect("the end").text);
            assert_eq!(streamed, whole, "{text:?}");
        }
    }
}

#[test]
fn opt_adds_its_bos_once() {
    let Some(folder) = shared::tokenizers("opt_adds_its_bos_once") else { return };
    let tokenizer = Tokenizer::from_directory(&folder.join("opt")).expect("a tokenizer");
    let ids = tokenizer.encode("The capital of France is", true).expect("ids");
    assert_eq!(ids, [2, 133, 812, 9, 1470, 16]);
    assert_eq!(tokenizer.encode("The capital of France is", false).expect("ids"), ids[1..]);
}

#[test]
fn prompts_of_real_models_have_the_ids_of_transformers() {
    let test = "prompts_of_real_models_have_the_ids_of_transformers";
    let Some(folder) = shared::folder("models", test) else { return };
    let mut num_prompts = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let directory = entry.expect("an entry").path();
        if !directory.join("tokenizer.json").exists() {
            continue;
        }
        let tokenizer = Tokenizer::from_directory(&directory).expect("a tokenizer");
        let golden = shared::json(&directory.join("golden.json"));
        for case in golden["cases"].as_array().expect("cases") {
            let Some(prompt) = case["prompt"].as_str() else { continue };
            let list = |key: &str| serde_json::from_value::<Vec<i32>>(case[key].clone()).expect("ids");
            let (prompt_token_ids, output) = (list("prompt_token_ids"), list("output_token_ids"));
            let name = directory.display();
            assert_eq!(tokenizer.encode(prompt, true).expect("ids"), prompt_token_ids, "{name} {prompt:?}");
            let decoded = tokenizer.decode(&output, true).expect("text");
            assert_eq!(Some(decoded.as_str()), case["text"].as_str(), "{name} {prompt:?}");
            let options = DetokenizerOptions { prompt_token_ids: &prompt_token_ids, ..DetokenizerOptions::default() };
            let mut stream = Detokenizer::new(&tokenizer, &options).expect("a stream");
            let text = stream.push(&output, Some(FinishKind::Other)).expect("text").text;
            assert_eq!(text.trim_start(), decoded.trim_start(), "{name} {prompt:?}");
            num_prompts += 1;
        }
    }
    assert!(num_prompts > 10, "{num_prompts} prompts");
}
