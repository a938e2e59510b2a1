//! Forced tokens are those that masks would force one by one, on every family of tokenizers; the end comes where nothing can
//! follow; ids beyond the vocabulary are never allowed.

use quire_text::{GrammarCompiler, GrammarKind, Tokenizer};

use super::{BYTE_LEVEL_EOS, byte_level, source};
use crate::fixtures;

const SCHEMA: &str = r#"{"type":"object","properties":{"hello world":{"enum":["hello","hell"]}},"required":["hello world"],"additionalProperties":false}"#;

/// The output of always taking the lowest id that is allowed.
fn lowest(tokenizer: &Tokenizer, compiler: &GrammarCompiler, text: &str, eos: i32, forces: bool) -> (Vec<i32>, usize) {
    let mut matcher = compiler.compile(&source(GrammarKind::Choice, text)).expect("a grammar").matcher();
    let mut mask = vec![0; compiler.vocab_size().div_ceil(32)];
    let (mut ids, mut num_drawn) = (Vec::new(), 0);
    while !matcher.is_complete() {
        matcher.fill_mask(&mut mask).expect("a mask");
        let allowed = (0..compiler.vocab_size() as i32).filter(|id| mask[*id as usize / 32] >> (id % 32) & 1 == 1);
        let lowest = allowed.min().expect("an id");
        matcher.accept(&[lowest]).expect("an allowed id");
        num_drawn += 1;
        if lowest == eos {
            break;
        }
        ids.push(lowest);
        if forces {
            matcher.take_forced(&mut ids).expect("forced ids");
        }
    }
    assert!(ids.iter().all(|id| tokenizer.token_bytes(*id).is_some()));
    (ids, num_drawn)
}

#[test]
fn forced_tokens_are_what_masks_force() {
    let families = [(fixtures::byte_level(), BYTE_LEVEL_EOS), (fixtures::byte_fallback(), 2)];
    for (json, eos) in families {
        let tokenizer = fixtures::build(&json);
        let compiler = GrammarCompiler::new(&tokenizer, tokenizer.vocab_size(), &[eos]).expect("a compiler");
        let choice = r#"["hi who wowow","hi hihi"]"#;
        let (slow, num_slow) = lowest(&tokenizer, &compiler, choice, eos, false);
        let (fast, num_fast) = lowest(&tokenizer, &compiler, choice, eos, true);
        assert_eq!(slow, fast);
        assert!(num_fast < num_slow, "{num_fast} {num_slow}");
        let text: Vec<u8> =
            fast.iter().flat_map(|id| tokenizer.token_bytes(*id).unwrap_or_default().to_vec()).collect();
        assert!([&b"hi who wowow"[..], b"hi hihi"].contains(&text.as_slice()), "{:?}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn the_beginning_of_an_object_is_forced_as_the_tokenizer_writes_it() {
    let (tokenizer, compiler) = byte_level();
    let dense = quire_text::GrammarSource {
        json: quire_text::JsonOptions { disable_any_whitespace: true, ..Default::default() },
        ..source(GrammarKind::JsonSchema, SCHEMA)
    };
    let mut matcher = compiler.compile(&dense).expect("a grammar").matcher();
    let mut forced = Vec::new();
    matcher.take_forced(&mut forced).expect("forced ids");
    let text: Vec<u8> = forced.iter().flat_map(|id| tokenizer.token_bytes(*id).unwrap_or_default().to_vec()).collect();
    assert!(br#"{"hello world":"hell"#.starts_with(&text) && text.len() > 10, "{:?}", String::from_utf8_lossy(&text));
}

#[test]
fn an_id_that_is_not_allowed_is_an_error_and_the_end_is_the_end() {
    let (_, compiler) = byte_level();
    let grammar = compiler.compile(&source(GrammarKind::Choice, r#"["x"]"#)).expect("a grammar");
    let mut matcher = grammar.matcher();
    assert_eq!(matcher.accept(&[i32::from(b'y')]).expect_err("not allowed").code(), "ERR_GRAMMAR_STUCK");
    let mut matcher = grammar.matcher();
    assert!(!matcher.may_end());
    matcher.accept(&[i32::from(b'x')]).expect("allowed");
    assert!(matcher.may_end() && matcher.is_complete());
}

#[test]
fn a_model_without_an_end_and_with_more_ids_than_the_tokenizer() {
    let tokenizer = fixtures::build(&fixtures::byte_level());
    let vocab_size = tokenizer.vocab_size() + 40;
    let compiler = GrammarCompiler::new(&tokenizer, vocab_size, &[]).expect("a compiler");
    let mut matcher = compiler.compile(&source(GrammarKind::Regex, "a*")).expect("a grammar").matcher();
    let mut mask = vec![u32::MAX; vocab_size.div_ceil(32)];
    matcher.fill_mask(&mut mask).expect("a mask");
    let allowed: Vec<usize> = (0..mask.len() * 32).filter(|id| mask[id / 32] >> (id % 32) & 1 == 1).collect();
    assert_eq!(allowed, [usize::from(b'a')]);
}

#[test]
fn word_pieces_have_bytes_and_a_window_has_none() {
    let tokenizer = fixtures::build(&fixtures::word_piece());
    let compiler = GrammarCompiler::new(&tokenizer, tokenizer.vocab_size(), &[2]).expect("a compiler");
    let mut matcher =
        compiler.compile(&source(GrammarKind::Choice, r#"[" the cats"," the dog"]"#)).expect("a grammar").matcher();
    let mut ids = Vec::new();
    matcher.take_forced(&mut ids).expect("forced ids");
    assert_eq!(ids.first().copied(), tokenizer.piece_to_id("the"));
    let window = fixtures::build(&fixtures::with_decoder(serde_json::json!({"type": "Fuse"})));
    let error = GrammarCompiler::new(&window, window.vocab_size(), &[2]).expect_err("no bytes");
    assert_eq!(error.code(), "ERR_GRAMMAR_UNSUPPORTED");
}
