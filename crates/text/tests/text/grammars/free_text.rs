//! Regular expressions, choices, Lark, GBNF and structural tags.

use quire_text::GrammarKind;

use super::check;

#[test]
fn regular_expressions_match_the_whole() {
    check(
        GrammarKind::Regex,
        &[
            (r"\d{3}-\d{4}", &["555-1234"], &["555-123", "a555-1234", "555-12345"]),
            ("^yes|no$", &["yes", "no"], &["maybe"]),
            (r"[^\s/]+/x", &["ab/x"], &["a b/x"]),
            ("a*", &["", "aaa"], &["b"]),
            ("[[]{2}", &["[["], &["["]),
        ],
    );
}

#[test]
fn choices_are_texts() {
    check(
        GrammarKind::Choice,
        &[(r#"["hello","hell","a\"b\\n\u0001é"]"#, &["hello", "hell", "a\"b\\n\u{1}é"], &["he", "x"])],
    );
}

#[test]
fn grammars_in_lark_and_gbnf() {
    check(
        GrammarKind::Grammar,
        &[
            ("start: NUMBER (\",\" NUMBER)*\nNUMBER: /[0-9]+/", &["1,22"], &["1,", ","]),
            ("root ::= \"a\" [b-d]+ # comment\n", &["abd"], &["a", "ae"]),
            ("root ::= pair (\",\" pair)*\npair ::= [a-z] \"=\" [0-9]{2,3}", &["a=12,b=345"], &["a=1", "a=1234"]),
            ("root ::= \"(\" root \")\" | \"x\"", &["x", "((x))"], &["(x", "()"]),
            ("root ::= list\nlist ::= item | item \",\" list\nitem ::= [0-9]", &["1", "1,2,3"], &["1,"]),
            ("root ::= (\"\\x41\" | \"\\u00e9\" | \"\\\"\" | [\\]\\n])? .", &["Ax", "éx", "\"x", "]x", "x"], &["xx"]),
            ("root ::= [^\"]* \"\\\"\"", &["ab\""], &["ab"]),
            ("root ::= a-b\n\na-b ::=\n  \"x\"\n  | \"y\"", &["x", "y"], &["z"]),
            ("root ::= a {1, 2} \"x\" * b\na ::= \"y\"\nb ::= [01]+?", &["yxx", "yy01", "y"], &["xx", "yyy"]),
            // A rule that refers to itself at its end.
            (
                "root ::= \"<\" text \">\"\ntext ::= \"\" | [^<>] text | \"<\" text \">\" text",
                &["<>", "<a<b>c>"],
                &["<", "<a<b>"],
            ),
            (
                "root ::= word ws \".\"\nword ::= [a-z] word | [A-Z]\nws ::= ([ \\t] ws)?",
                &["abC .", "C."],
                &["ab.", "."],
            ),
            ("root ::= a\na ::= \"x\" (\"y\" a | \"z\") | \"w\" a | \"v\"", &["wxywxz", "v", "wxyv"], &["xy", "w"]),
        ],
    );
}

#[test]
fn structural_tags_of_both_forms() {
    let old = r#"{"type":"structural_tag","triggers":["<f="],"structures":[
        {"begin":"<f=a>","schema":{"type":"integer"},"end":"</f>"},
        {"begin":"<f=b>","schema":{"const":"x"},"end":"</f>"}]}"#;
    let new = r#"{"type":"structural_tag","format":{"type":"sequence","elements":[
        {"type":"tag","begin":"<think>","content":{"type":"any_text"},"end":"</think>"},
        {"type":"or","elements":[
            {"type":"const_string","value":"none"},
            {"type":"tags_with_separator","separator":",","at_least_one":true,"tags":[
                {"begin":"[","content":{"type":"regex","pattern":"\\d+"},"end":"]"}]}]}]}}"#;
    let once = r#"{"type":"structural_tag","format":{"type":"triggered_tags","triggers":["@"],"at_least_one":true,
        "stop_after_first":true,"tags":[
            {"begin":"@","content":{"type":"json_schema","json_schema":{"type":"null"}},"end":"!"}]}}"#;
    check(
        GrammarKind::StructuralTag,
        &[
            (
                old,
                &["free text", "say <f=a>12</f> and <f=b>\"x\"</f> end", "<f=a>1</f>", "a < b"],
                &["<f=c>", "<f=a>x</f>", "<f=a>1", "ends in <f="],
            ),
            (new, &["<think>so < it</think>none", "<think></think>[12],[3]"], &["none", "<think>a</think>[x]"]),
            (once, &["ab@null!"], &["ab", "ab@null!x", "@1!"]),
        ],
    );
}

#[test]
fn a_tag_may_be_a_special_token() {
    let (tokenizer, compiler) = super::byte_level();
    let tag = r#"{"type":"structural_tag","format":{"type":"triggered_tags","triggers":["<s>"],"tags":[
        {"begin":"<s>[","content":{"type":"json_schema","json_schema":{"type":"integer"}},"end":"]"}]}}"#;
    let grammar = compiler.compile(&super::source(GrammarKind::StructuralTag, tag)).expect("a grammar");
    let special = tokenizer.piece_to_id("<s>").expect("a special token");
    let byte = |byte: u8| i32::from(byte);
    let mut matcher = grammar.matcher();
    matcher.accept(&[byte(b'a'), special, byte(b'['), byte(b'7'), byte(b']'), byte(b'b')]).expect("allowed");
    assert!(matcher.may_end());
    let mut matcher = grammar.matcher();
    assert_eq!(matcher.accept(&[special, byte(b'x')]).expect_err("not allowed").code(), "ERR_GRAMMAR_STUCK");
}

#[test]
fn special_tokens_within_a_tag_are_themselves() {
    let (tokenizer, compiler) = super::byte_level();
    let special = tokenizer.piece_to_id("<s>").expect("a special token");
    let tag = r#"{"type":"structural_tag","format":{"type":"or","elements":[
        {"type":"tag","begin":"[<s>a<s><s>","content":{"type":"json_schema","json_schema":{"type":"integer"}},"end":"b<s>"},
        {"type":"const_string","value":"x<s>"}]}}"#;
    let grammar = compiler.compile(&super::source(GrammarKind::StructuralTag, tag)).expect("a grammar");
    let ids = |text: &str| text.bytes().map(|byte| if byte == b'$' { special } else { i32::from(byte) }).collect();
    let plain = |text: &str| text.bytes().map(i32::from).collect();
    let rows: [(Vec<i32>, bool); 5] = [
        (ids("[$a$$7b$"), true),
        (ids("x$"), true),
        (plain("[<s>a<s><s>7b<s>"), true),
        (ids("[$a$7b$"), false),
        (ids("[$a$$7b"), false),
    ];
    for (output, wanted) in rows {
        let mut matcher = grammar.matcher();
        assert_eq!(matcher.accept(&output).is_ok() && matcher.may_end(), wanted, "{output:?}");
    }
}
