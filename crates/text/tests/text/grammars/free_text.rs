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
            (once, &["@null!"], &["", "ab", "ab@null!", "@null!x", "@1!"]),
        ],
    );
}

#[test]
fn formats_of_structural_tags() {
    let tag = |format: &str| format!(r#"{{"type":"structural_tag","format":{format}}}"#);
    let text = |value: &str| format!(r#"{{"type":"const_string","value":"{value}"}}"#);
    let of = |kind: &str, fields: &str| tag(&format!(r#"{{"type":"{kind}","content":{}{fields}}}"#, text("ab")));
    let excludes = tag(r#"{"type":"any_text","excludes":["bc","xabq"]}"#);
    let counted =
        tag(r#"{"type":"tag","begin":"[","content":{"type":"any_text","max_chars":2,"excludes":["no"]},"end":"]"}"#);
    let until = tag(r#"{"type":"sequence","elements":[{"type":"any_text"},{"type":"const_string","value":"go"},
            {"type":"any_text","excludes":["<"]},{"type":"tag","begin":"<t>","content":{"type":"regex","pattern":"\\d"},"end":""}]}"#);
    let triggered = |fields: &str| {
        tag(&format!(
            r#"{{"type":"triggered_tags","triggers":["@"],"tags":[{{"begin":"@n","content":{},"end":"!"}}]{fields}}}"#,
            text("1")
        ))
    };
    let (first, without) = (triggered(r#","at_least_one":true"#), triggered(r#","excludes":["xx"]"#));
    let dispatch = tag(r#"{"type":"tag","begin":"(","end":")","content":{"type":"dispatch","excludes":["?"],"rules":[
            ["<n>",{"type":"regex","pattern":"\\d"}],["<o>",{"type":"json_schema","json_schema":{"type":"null"}}]]}}"#);
    let once = tag(r#"{"type":"dispatch","loop":false,"rules":[["*",{"type":"const_string","value":"1"}]]}"#);
    let dense = tag(r#"{"type":"json_schema","json_schema":{"type":"array"},"max_whitespace_cnt":1}"#);
    let lark = tag(r#"{"type":"grammar","syntax":"lark","grammar":"start: \"::=\""}"#);
    check(
        GrammarKind::StructuralTag,
        &[
            (&of("optional", ""), &["", "ab"], &["a", "abab"]),
            (&of("star", ""), &["", "ab", "ababab"], &["aba"]),
            (&of("plus", ""), &["ab", "abab"], &[""]),
            (&of("repeat", r#","min":1,"max":2"#), &["ab", "abab"], &["", "ababab"]),
            (&of("repeat", r#","min":2,"max":-1"#), &["abab", "abababab"], &["ab"]),
            (&excludes, &["", "b c", "xab"], &["abc", "xabq", "xbc"]),
            (&counted, &["[]", "[xé]", "[on]"], &["[abc]", "[no]", "[x"]),
            (&until, &["a gogo<t>1", "go<t>2"], &["a<t>1", "go<t>x", "go<<t>1"]),
            (&first, &["@n1!", "@n1!text@n1!x"], &["", "x@n1!", "@n1!@x"]),
            (&without, &["a@n1!x", "x"], &["axx", "xx@n1!", "@n1!xx"]),
            (&dispatch, &["()", "(a<n>1b<o>null)", "(<x>)"], &["(<n>)", "(a?)", "(<o>1)", "("]),
            (&once, &["a", "a*1", "*1"], &["*2", "*1a"]),
            (&dense, &["[ 1,2 ]", "[1]"], &["[  1]"]),
            (&lark, &["::="], &["x"]),
        ],
    );
}

#[test]
fn fields_of_structural_tags_that_nobody_checks_are_refused() {
    let (_, compiler) = super::byte_level();
    let rows = [
        (r#"{"type":"any_text","max_tokens":3}"#, "max_tokens"),
        (r#"{"type":"json_schema","json_schema":true,"style":"qwen_xml"}"#, "style"),
        (r#"{"type":"json_schema","json_schema":true,"excludes":["a"]}"#, "excludes"),
        (r#"{"type":"any_tokens"}"#, "any_tokens"),
        (
            r#"{"type":"sequence","elements":[{"type":"any_text"},{"type":"regex","pattern":"a"}]}"#,
            "any_text before other elements of a sequence",
        ),
    ];
    for (format, keyword) in rows {
        let text = format!(r#"{{"format":{format}}}"#);
        let error = compiler.compile(&super::source(GrammarKind::StructuralTag, text)).expect_err(format);
        assert_eq!((error.code(), error.keyword()), ("ERR_GRAMMAR_UNSUPPORTED", Some(keyword)), "{format}: {error}");
    }
}

#[test]
fn tokens_of_structural_tags_are_themselves() {
    let (tokenizer, compiler) = super::byte_level();
    let special = tokenizer.piece_to_id("<s>").expect("a special token");
    let tag = format!(
        r#"{{"format":{{"type":"sequence","elements":[
            {{"type":"tag","begin":{{"type":"token","token":"<s>"}},"content":{{"type":"any_text"}},
                "end":{{"type":"token","token":{special}}}}},
            {{"type":"token","token":"<s>"}}]}}}}"#
    );
    let grammar = compiler.compile(&super::source(GrammarKind::StructuralTag, tag)).expect("a grammar");
    let a = i32::from(b'a');
    let rows = [
        (vec![special, a, a, special, special], true),
        (vec![special, special, special], true),
        (vec![a], false),
        (vec![special, a, special], false),
    ];
    for (ids, wanted) in rows {
        let mut matcher = grammar.matcher();
        assert_eq!(matcher.accept(&ids).is_ok() && matcher.may_end(), wanted, "{ids:?}");
    }
    let unknown = r#"{"format":{"type":"token","token":"nothing"}}"#;
    let empty =
        r#"{"format":{"type":"sequence","elements":[{"type":"any_text"},{"type":"tag","begin":"a","end":"b"}]}}"#;
    for wrong in [unknown, empty] {
        let error = compiler.compile(&super::source(GrammarKind::StructuralTag, wrong)).expect_err(wrong);
        assert_eq!(error.code(), "ERR_GRAMMAR_INVALID", "{wrong}");
    }
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
