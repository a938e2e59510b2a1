//! Decoder tables say what the whole tokenizer says, and nothing else of it.

use crate::{fixtures, shared};
use quire_text::{ChatTemplate, Detokenizer, DetokenizerOptions, FinishKind, TextError, Tokenizer, decoded_token};

/// Ids of a row, drawn by a seed: of all kinds, and some that have no piece.
fn draw_ids(seed: u32, vocab_size: usize) -> Vec<i32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    let num_ids = next() % 24;
    // Byte pieces and special tokens lie at the ends of vocabularies.
    (0..num_ids)
        .map(|_| match next() % 3 {
            0 => next() % vocab_size.min(300),
            1 => vocab_size.saturating_sub(1 + next() % 300),
            _ => next() % (vocab_size + 3),
        })
        .map(|id| id as i32)
        .collect()
}

fn check_equal(name: &str, whole: &Tokenizer, num_rows: u32) {
    let bytes = whole.decoder_tables().unwrap_or_else(|| panic!("{name} has no tables"));
    let tables = Tokenizer::from_decoder_tables(&bytes).expect("tables");
    assert!(tables.decoder_tables().is_none());
    assert_eq!(tables.special_tokens(), whole.special_tokens(), "{name}");
    assert_eq!(tables.special_ids(), whole.special_ids(), "{name}");
    assert_eq!((tables.bos_id(), tables.eos_id()), (whole.bos_id(), whole.eos_id()), "{name}");
    assert_eq!((tables.pad_id(), tables.unk_id()), (whole.pad_id(), whole.unk_id()), "{name}");
    assert_eq!(tables.truncation_side(), whole.truncation_side(), "{name}");
    for seed in 0..num_rows {
        let ids = draw_ids(seed, whole.vocab_size());
        for skip_special_tokens in [false, true] {
            let decode = |tokenizer: &Tokenizer| tokenizer.decode(&ids, skip_special_tokens).expect("text");
            assert_eq!(decode(&tables), decode(whole), "{name} {ids:?}");
            let cleaned = |tokenizer: &Tokenizer| tokenizer.decode_cleaned(&ids, skip_special_tokens).expect("text");
            assert_eq!(cleaned(&tables), cleaned(whole), "{name} {ids:?}");
            for spaces_between_special_tokens in [false, true] {
                let stream = |tokenizer: &Tokenizer| {
                    let options = DetokenizerOptions {
                        skip_special_tokens,
                        spaces_between_special_tokens,
                        prompt_token_ids: &ids[..ids.len() / 3],
                        ..DetokenizerOptions::default()
                    };
                    let mut stream = Detokenizer::new(tokenizer, &options).expect("a stream");
                    stream.push(&ids[ids.len() / 3..], Some(FinishKind::Other)).expect("text").text
                };
                assert_eq!(stream(&tables), stream(whole), "{name} {ids:?}");
            }
        }
        if let Some((&last, earlier)) = ids.split_last() {
            let shown = |tokenizer: &Tokenizer| decoded_token(tokenizer, earlier, last).expect("text");
            assert_eq!(shown(&tables), shown(whole), "{name} {ids:?}");
        }
    }
}

#[test]
fn families_decode_alike() {
    let mut num_families = 0;
    for (name, tokenizer) in fixtures::families() {
        if tokenizer.has_exact_bytes() {
            check_equal(name, &tokenizer, 400);
            num_families += 1;
        } else {
            assert!(tokenizer.decoder_tables().is_none(), "{name}");
        }
    }
    assert!(num_families >= 4, "{num_families}");
}

#[test]
fn real_vocabularies_decode_alike() {
    let Some(folder) = shared::tokenizers("real_vocabularies_decode_alike") else { return };
    let mut num_tokenizers = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let directory = entry.expect("an entry").path();
        if directory.join("tokenizer.json").exists() {
            let tokenizer = Tokenizer::from_directory(&directory).expect("a tokenizer");
            check_equal(&directory.display().to_string(), &tokenizer, 100);
            num_tokenizers += 1;
        }
    }
    assert!(num_tokenizers >= 13, "{num_tokenizers}");
}

#[test]
fn tables_encode_nothing_and_render_chats() {
    let whole = fixtures::build(&fixtures::byte_level());
    let tables = Tokenizer::from_decoder_tables(&whole.decoder_tables().expect("tables")).expect("a tokenizer");
    assert!(matches!(tables.encode("a", false), Err(TextError::Encode { .. })));
    assert!(matches!(tables.encode_batch(&["a"], true), Err(TextError::Encode { .. })));
    assert!(matches!(quire_text::bad_word_ids(&tables, &["a".to_owned()]), Err(TextError::Encode { .. })));
    assert!(tables.piece_to_id("a").is_none());
    assert!(ChatTemplate::new("{{ bos_token }}", tables.special_tokens()).is_ok());
}

#[test]
fn broken_tables_are_refused() {
    let whole = fixtures::build(&fixtures::byte_fallback());
    let bytes = whole.decoder_tables().expect("tables");
    for length in 0..bytes.len() {
        let cut = Tokenizer::from_decoder_tables(&bytes[..length]);
        assert!(matches!(cut, Err(TextError::InvalidTokenizer { .. })), "{length} bytes");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(Tokenizer::from_decoder_tables(&longer), Err(TextError::InvalidTokenizer { .. })));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x55;
        // Refused, or a tokenizer of other text: no panic.
        if let Ok(tokenizer) = Tokenizer::from_decoder_tables(&changed) {
            let ids: Vec<i32> = (0..tokenizer.vocab_size() as i32).collect();
            assert!(tokenizer.decode(&ids, false).is_ok());
        }
    }
}
