//! Streams of text: equal to one-shot decoding, and stop strings found wherever they fall.

use crate::fixtures;
use proptest::prelude::*;
use quire_text::{
    Delta, Detokenizer, DetokenizerOptions, FinishKind, TextError, Tokenizer, bad_word_ids, decoded_token,
};

/// Byte-level ids of a text: its bytes.
fn ids(text: &str) -> Vec<i32> {
    text.bytes().map(i32::from).collect()
}

struct Run {
    text: String,
    stop: Option<usize>,
    deltas: Vec<String>,
}

fn run(tokenizer: &Tokenizer, steps: &[&[i32]], options: &DetokenizerOptions<'_>, finish: FinishKind) -> Run {
    let mut detokenizer = Detokenizer::new(tokenizer, options).expect("options");
    let mut run = Run { text: String::new(), stop: None, deltas: Vec::new() };
    for (index, step) in steps.iter().enumerate() {
        let finish = (index + 1 == steps.len()).then_some(finish);
        let Delta { text, stop } = detokenizer.push(step, finish).expect("ids");
        run.text.push_str(&text);
        run.deltas.push(text);
        if stop.is_some() {
            run.stop = stop;
            let after = detokenizer.push(&[104], None).expect("ids");
            assert_eq!(after, Delta::default(), "a stopped stream gives nothing more");
            break;
        }
    }
    run
}

fn one_by_one(tokenizer: &Tokenizer, ids: &[i32], options: &DetokenizerOptions<'_>, finish: FinishKind) -> Run {
    let steps: Vec<&[i32]> = ids.chunks(1).collect();
    run(tokenizer, &steps, options, finish)
}

#[test]
fn stop_strings() {
    let tokenizer = fixtures::build(&fixtures::byte_level());
    // text, stop, include, min_tokens -> text, index
    type Row = (&'static str, &'static [&'static str], bool, usize, &'static str, Option<usize>);
    let rows: [Row; 14] = [
        ("say STOP now", &["STOP"], false, 0, "say ", Some(0)),
        ("say STOP now", &["STOP"], true, 0, "say STOP", Some(0)),
        ("say STO", &["STOP"], false, 0, "say STO", None),
        ("abcde", &["cd", "bcde"], false, 0, "ab", Some(0)),
        ("abcde", &["bcde", "cd"], false, 0, "ab", Some(1)),
        ("abcd", &["cd", "bcd"], false, 0, "ab", Some(0)),
        ("abcd", &["bcd", "cd"], false, 0, "a", Some(0)),
        ("aabaabaac", &["aabaac"], false, 0, "aab", Some(0)),
        ("xx stop xx stop", &["stop"], false, 8, "xx stop xx ", Some(0)),
        ("stop", &["stop"], false, 4, "stop", None),
        ("stop", &["stop"], false, 3, "", Some(0)),
        ("né 你好 end", &["好"], false, 0, "né 你", Some(0)),
        ("né 你好 end", &["你X", "é 你好"], false, 0, "n", Some(1)),
        ("aaa", &["a"], true, 0, "a", Some(0)),
    ];
    for (text, stop, include_stop_str_in_output, min_tokens, expected, index) in rows {
        let stop: Vec<String> = stop.iter().map(|&text| text.to_owned()).collect();
        let options =
            DetokenizerOptions { stop: &stop, include_stop_str_in_output, min_tokens, ..DetokenizerOptions::default() };
        let found = one_by_one(&tokenizer, &ids(text), &options, FinishKind::Other);
        assert_eq!((found.text.as_str(), found.stop), (expected, index), "{text:?} {stop:?}");
    }
}

#[test]
fn a_stop_token_is_not_text() {
    let tokenizer = fixtures::build(&fixtures::byte_level());
    let stop = vec!["lo!".to_owned()];
    for (include, skip, finish, expected) in [
        (false, true, FinishKind::StopToken, "hel"),
        (true, true, FinishKind::StopToken, "helo"),
        (false, true, FinishKind::Other, "helo"),
    ] {
        let options = DetokenizerOptions {
            include_stop_str_in_output: include,
            skip_special_tokens: skip,
            ..DetokenizerOptions::default()
        };
        assert_eq!(one_by_one(&tokenizer, &ids("helo"), &options, finish).text, expected);
    }
    let options = DetokenizerOptions { stop: &stop, ..DetokenizerOptions::default() };
    let held = one_by_one(&tokenizer, &[104, 108, 111, 263], &options, FinishKind::StopToken);
    assert_eq!(held.deltas, ["h", "", "", "lo"]);
    // A stop string of the same step wins.
    let both = run(&tokenizer, &[&[104, 108, 111, 33, 263]], &options, FinishKind::StopToken);
    assert_eq!((both.text.as_str(), both.stop), ("h", Some(0)));
}

#[test]
fn prompts_prime_the_stream() {
    let tokenizer = fixtures::build(&fixtures::byte_fallback());
    let hi = 267;
    let bytes: Vec<i32> = "é".bytes().map(|byte| 3 + i32::from(byte)).collect();
    // prompt, skip_special_tokens, output -> text
    type Row<'a> = (&'a [i32], bool, &'a [i32], &'a str);
    let rows: [Row<'_>; 6] = [
        (&[], true, &[hi], "hi"),
        (&[1], true, &[hi], "hi"),
        (&[1], false, &[hi], " hi"),
        (&[1, hi], true, &[hi], " hi"),
        (&[hi, bytes[0]], true, &[bytes[1]], "é"),
        (&[hi, bytes[0]], true, &[hi], "\u{FFFD} hi"),
    ];
    for (prompt_token_ids, skip_special_tokens, output, expected) in rows {
        let options = DetokenizerOptions { prompt_token_ids, skip_special_tokens, ..DetokenizerOptions::default() };
        assert_eq!(one_by_one(&tokenizer, output, &options, FinishKind::Other).text, expected, "{prompt_token_ids:?}");
    }
    let long: Vec<i32> = std::iter::once(hi).chain(std::iter::repeat_n(1, 200)).collect();
    let options = DetokenizerOptions { prompt_token_ids: &long, ..DetokenizerOptions::default() };
    assert_eq!(one_by_one(&tokenizer, &[hi], &options, FinishKind::Other).text, " hi");
}

#[test]
fn added_tokens_stand_close_when_asked() {
    let tokenizer = fixtures::build(&fixtures::with_decoder(serde_json::Value::Null));
    for (spaces_between_special_tokens, expected) in [(true, "[CLS] [SEP] [SEP] cat"), (false, "[CLS][SEP][SEP] cat")] {
        let options = DetokenizerOptions {
            skip_special_tokens: false,
            spaces_between_special_tokens,
            ..DetokenizerOptions::default()
        };
        assert_eq!(one_by_one(&tokenizer, &[1, 2, 2, 4], &options, FinishKind::Other).text, expected);
    }
}

#[test]
fn unfinished_characters_wait() {
    for (name, tokenizer, offset) in
        [("byte level", fixtures::byte_level(), 0), ("byte fallback", fixtures::byte_fallback(), 3)]
    {
        let tokenizer = fixtures::build(&tokenizer);
        let emoji: Vec<i32> = "👩‍🚀é".bytes().map(|byte| offset + i32::from(byte)).collect();
        let options = DetokenizerOptions::default();
        let whole = one_by_one(&tokenizer, &emoji, &options, FinishKind::Other);
        assert!(whole.deltas.iter().all(|delta| !delta.contains('\u{FFFD}')), "{name}");
        assert_eq!(whole.text, "👩‍🚀é", "{name}");
        let cut = one_by_one(&tokenizer, &emoji[..3], &options, FinishKind::Other);
        assert_eq!(cut.deltas[..2], ["", ""], "{name}");
        assert!(cut.text.starts_with('\u{FFFD}'), "{name}");
    }
}

#[test]
fn bad_options_are_errors() {
    let tokenizer = fixtures::build(&fixtures::byte_level());
    let stop = vec!["a".to_owned(), String::new()];
    let empty = Detokenizer::new(&tokenizer, &DetokenizerOptions { stop: &stop, ..DetokenizerOptions::default() });
    assert!(matches!(empty, Err(TextError::EmptyString { field: "stop" })));
    let mut stream = Detokenizer::new(&tokenizer, &DetokenizerOptions::default()).expect("a stream");
    assert!(matches!(stream.push(&[-1], None), Err(TextError::UnknownTokenId { token_id: -1, .. })));
    assert_eq!(stream.push(&[i32::MAX, 104], None).expect("padding has no text").text, "h");
    assert!(bad_word_ids(&tokenizer, &[" ".to_owned()]).is_err());
}

#[test]
fn words_and_single_tokens() {
    let tokenizer = fixtures::build(&fixtures::byte_level());
    // "hello" is one id; " hello" is two. "wo" is two ids and " wo" one.
    let words = bad_word_ids(&tokenizer, &["hello".to_owned(), " wo".to_owned(), "w".to_owned()]).expect("words");
    assert_eq!(words, [vec![259], vec![119, 111], vec![119], vec![260]]);
    let bytes = ids("é");
    assert_eq!(decoded_token(&tokenizer, &[], bytes[0]).expect("text"), "");
    assert_eq!(decoded_token(&tokenizer, &[104, bytes[0]], bytes[1]).expect("text"), "é");
    assert_eq!(decoded_token(&tokenizer, &[104], 259).expect("text"), "hello");
    assert_eq!(tokenizer.token_bytes(bytes[0]), Some(&[0xC3][..]));
    assert_eq!(tokenizer.token_bytes(261), Some(&b" wo"[..]));
    assert_eq!(tokenizer.token_bytes(263), Some(&b"</s>"[..]));
    assert_eq!((tokenizer.token_bytes(290), tokenizer.token_bytes(-1)), (None, None));
    assert_eq!((tokenizer.vocab_size(), tokenizer.special_ids()), (265, vec![262, 263]));
}

/// The text before the stop string that ends first, by trying every end.
fn stopped_by_search(text: &str, stop: &[String]) -> (String, Option<usize>) {
    for end in (0..=text.len()).filter(|&end| text.is_char_boundary(end)) {
        if let Some(index) = stop.iter().position(|stop| text[..end].ends_with(stop.as_str())) {
            return (text[..end - stop[index].len()].to_owned(), Some(index));
        }
    }
    (text.to_owned(), None)
}

fn steps(ids: &[i32], cuts: &[usize]) -> Vec<Vec<i32>> {
    let mut steps = vec![Vec::new()];
    for (index, &id) in ids.iter().enumerate() {
        if cuts.get(index % cuts.len().max(1)).is_some_and(|cut| cut % 3 == 0) {
            steps.push(Vec::new());
        }
        if let Some(step) = steps.last_mut() {
            step.push(id);
        }
    }
    steps
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any ids, invalid bytes included, in any steps.
    #[test]
    fn deltas_equal_the_whole_text(picks in prop::collection::vec(0..400_i32, 0..60), cuts in prop::collection::vec(0..9_usize, 1..9), skip: bool) {
        for (name, tokenizer) in fixtures::families() {
            let ids: Vec<i32> = picks.iter().map(|pick| pick % (tokenizer.vocab_size() as i32 + 2)).collect();
            let ids = if name == "byte fallback" { without_bytes(&ids) } else { ids };
            let options = DetokenizerOptions { skip_special_tokens: skip, ..DetokenizerOptions::default() };
            let parts = steps(&ids, &cuts);
            let parts: Vec<&[i32]> = parts.iter().map(Vec::as_slice).collect();
            let streamed = run(&tokenizer, &parts, &options, FinishKind::Other).text;
            prop_assert_eq!(streamed, tokenizer.decode(&ids, skip).expect("text"), "{}", name);
        }
    }

    /// Any text, as bytes of both kinds.
    #[test]
    fn text_survives(text in "\\PC{0,40}", cuts in prop::collection::vec(0..9_usize, 1..9)) {
        for (tokenizer, offset) in [(fixtures::byte_level(), 0), (fixtures::byte_fallback(), 3)] {
            let tokenizer = fixtures::build(&tokenizer);
            let ids: Vec<i32> = text.bytes().map(|byte| offset + i32::from(byte)).collect();
            let parts = steps(&ids, &cuts);
            let parts: Vec<&[i32]> = parts.iter().map(Vec::as_slice).collect();
            let streamed = run(&tokenizer, &parts, &DetokenizerOptions::default(), FinishKind::Other);
            let expected = if offset == 3 { text.strip_prefix(' ').unwrap_or(&text) } else { &text };
            prop_assert_eq!(streamed.text, expected);
        }
    }

    /// Whatever the steps, the same text is found and nothing of a stop string leaks before it.
    #[test]
    fn stop_strings_are_found_wherever_they_fall(text in "[abé]{0,30}", stop in prop::collection::vec("[abé]{1,4}", 0..4), cuts in prop::collection::vec(0..9_usize, 1..9)) {
        let tokenizer = fixtures::build(&fixtures::byte_level());
        let options = DetokenizerOptions { stop: &stop, ..DetokenizerOptions::default() };
        let ids = ids(&text);
        let parts = steps(&ids, &cuts);
        let parts: Vec<&[i32]> = parts.iter().map(Vec::as_slice).collect();
        let streamed = run(&tokenizer, &parts, &options, FinishKind::Other);
        prop_assert_eq!((streamed.text, streamed.stop), stopped_by_search(&text, &stop));
    }
}

/// Byte pieces that are not UTF-8 are the one case in which a stream says more than one-shot decoding.
fn without_bytes(ids: &[i32]) -> Vec<i32> {
    ids.iter().copied().filter(|id| !(3..259).contains(id) || (3..131).contains(id)).collect()
}
