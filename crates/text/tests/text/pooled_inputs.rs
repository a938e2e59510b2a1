//! Inputs of encoders: types of tokens, pairs, the cut inside the special tokens, against ids of transformers.

use std::path::{Path, PathBuf};

use quire_text::{InputLimit, PooledInput, PooledText, Tokenizer, TruncationSide};
use serde_json::Value;

use crate::shared;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/pooling").join(name)
}

fn encode(tokenizer: &Tokenizer, texts: &[PooledText<'_>], limit: Option<InputLimit>) -> Vec<PooledInput> {
    tokenizer.encode_pooled(texts, limit).expect("inputs")
}

fn right(max_tokens: usize) -> Option<InputLimit> {
    Some(InputLimit { max_tokens, side: TruncationSide::Right })
}

#[test]
fn ids_and_types_are_those_of_transformers() {
    // 48 is the length that the sentence model of the first has, 96 the number of positions of the second.
    for (name, max_tokens) in [("bert", 48), ("bert_cross_encoder", 96)] {
        let tokenizer = Tokenizer::from_directory(&fixture(name)).expect("a tokenizer");
        let golden = shared::json(&fixture(name).join("golden.json"));
        let cases = golden["sequences"].as_array().expect("sequences");
        let texts: Vec<PooledText<'_>> = cases
            .iter()
            .map(|case| PooledText { text: case["text"].as_str().expect("text"), pair: case["pair"].as_str() })
            .collect();
        let ids = |value: &Value| serde_json::from_value::<Vec<i32>>(value.clone()).expect("ids");
        let found = encode(&tokenizer, &texts, right(max_tokens));
        assert!(found.iter().any(|input| input.token_ids.len() == max_tokens), "{name}: no case is cut");
        for (found, case) in found.iter().zip(cases) {
            assert_eq!(found.token_ids, ids(&case["token_ids"]), "{name} {:?}", case["text"]);
            assert_eq!(found.token_types, ids(&case["token_types"]), "{name} {:?}", case["text"]);
        }
    }
}

#[test]
fn a_cut_keeps_the_special_tokens_and_the_named_end() {
    let tokenizer = Tokenizer::from_directory(&fixture("bert")).expect("a tokenizer");
    let single = [PooledText { text: "the cat sat on mat", pair: None }];
    let pair = [PooledText { text: "the cat", pair: Some("dog sat on mat") }];
    let left = |max_tokens| Some(InputLimit { max_tokens, side: TruncationSide::Left });
    let rows: [(&[PooledText<'_>], Option<InputLimit>, &[i32]); 8] = [
        (&single, None, &[2, 5, 6, 8, 9, 10, 3]),
        (&single, right(7), &[2, 5, 6, 8, 9, 10, 3]),
        (&single, right(4), &[2, 5, 6, 3]),
        (&single, left(4), &[2, 9, 10, 3]),
        (&single, right(2), &[2, 3]),
        (&single, right(1), &[2]),
        // Of a pair the longer text is cut first.
        (&pair, right(7), &[2, 5, 6, 3, 7, 8, 3]),
        (&pair, right(5), &[2, 5, 3, 7, 3]),
    ];
    for (texts, limit, expected) in rows {
        let found = encode(&tokenizer, texts, limit);
        assert_eq!(found[0].token_ids, expected, "{limit:?}");
        assert_eq!(found[0].token_types.len(), expected.len(), "{limit:?}");
    }
}

#[test]
fn without_a_limit_inputs_are_what_encode_gives() {
    let Some(folder) = shared::tokenizers("without_a_limit_inputs_are_what_encode_gives") else { return };
    let texts = ["Hello, world! \u{1F469}\u{200D}\u{1F680} é 你好 \n\n\tdone", " leading", ""];
    for name in ["bert-base-uncased", "llama-2", "llama-3.1", "gpt2", "qwen2.5", "mistral-v3"] {
        let tokenizer = Tokenizer::from_directory(&folder.join(name)).expect("a tokenizer");
        let inputs = encode(&tokenizer, &texts.map(|text| PooledText { text, pair: None }), None);
        for (text, input) in texts.iter().zip(inputs) {
            assert_eq!(input.token_ids, tokenizer.encode(text, true).expect("ids"), "{name} {text:?}");
            assert!(input.token_types.iter().all(|&kind| kind == 0), "{name} {text:?}");
        }
    }
}
