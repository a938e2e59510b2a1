//! JSON schemas: each keyword with an output that it allows and one that it does not; what is refused, by its name.

use quire_text::{GrammarKind, GrammarSource, JsonOptions};

use super::{allows, byte_level, check, source};

#[test]
fn keywords_mean_what_the_specification_says() {
    check(
        GrammarKind::JsonSchema,
        &[
            ("true", &["1", "{}", "[null]"], &["x", ""]),
            (r#"{"type":"integer"}"#, &["0", "-12", "999999999999999"], &["1.5", "01", "1000000000000000"]),
            (r#"{"type":"number"}"#, &["0.5", "-3"], &["1e999", ".5"]),
            (r#"{"type":"number","exclusiveMinimum":0,"maximum":1}"#, &["1", "0.5"], &["0", "0.0", "1.1", "-1"]),
            (r#"{"type":"number","minimum":0,"exclusiveMinimum":true}"#, &["1"], &["0"]),
            (r#"{"type":"integer","multipleOf":3}"#, &["0", "9", "-6"], &["4"]),
            (r#"{"type":"string","maxLength":2}"#, &[r#""ab""#, r#""é""#], &[r#""abc""#]),
            (r#"{"type":"string","pattern":"^a.c$"}"#, &[r#""abc""#], &[r#""a\nc""#, r#""a\rc""#, r#""xabc""#]),
            (r#"{"type":"string","format":"date"}"#, &[r#""2024-02-29""#], &[r#""2023-02-29""#, r#""2023-13-01""#]),
            (r#"{"type":"string","format":"email"}"#, &[r#""a@b.de""#], &[r#""a@b""#]),
            (r#"{"enum":["a",1,{"b":[]}]}"#, &[r#""a""#, "1", r#"{"b":[]}"#], &[r#""b""#, "2"]),
            (r#"{"type":"array","items":{"type":"null"},"maxItems":1}"#, &["[]", "[null]"], &["[null,null]", "[1]"]),
            (r#"{"type":"array","items":[{"const":1}],"additionalItems":false}"#, &["[1]", "[]"], &["[1,1]", "[2]"]),
            (r#"{"prefixItems":[{"const":1}],"items":{"const":2},"type":"array"}"#, &["[1,2,2]"], &["[1,1]"]),
            (
                r#"{"type":"object","properties":{"a":{"const":1}},"required":["a"],"additionalProperties":false}"#,
                &[r#"{"a":1}"#, "{ \"a\" : 1 }"],
                &["{}", r#"{"a":2}"#, r#"{"a":1,"b":1}"#],
            ),
            // A name may not be written in another way and pass as one that is not named.
            (
                r#"{"type":"object","properties":{"a":{"const":1}}}"#,
                &[r#"{"a":1}"#, r#"{"b":2}"#],
                &[r#"{"\u0061":2}"#, r#"{"b":1,"a":2}"#],
            ),
            (
                r#"{"type":"object","patternProperties":{"^x":{"const":1}},"additionalProperties":false}"#,
                &[r#"{"x":1,"xy":1}"#],
                &[r#"{"y":1}"#, r#"{"x":2}"#],
            ),
            (r##"{"$defs":{"a/b":{"const":1}},"$ref":"#/$defs/a~1b"}"##, &["1"], &["2"]),
            (r##"{"$defs":{"x":{"$anchor":"one","const":1}},"$ref":"#one"}"##, &["1"], &["2"]),
            (r##"{"type":"array","items":{"$ref":"#"}}"##, &["[[],[[]]]"], &["[1]"]),
            (
                r##"{"oneOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"}],"$defs":{
                    "a":{"type":"object","properties":{"k":{"const":"a"}},"required":["k"],"additionalProperties":false},
                    "b":{"type":"object","properties":{"k":{"const":"b"}},"required":["k"],"additionalProperties":false}}}"##,
                &[r#"{"k":"a"}"#, r#"{"k":"b"}"#],
                &[r#"{"k":"c"}"#],
            ),
            (r#"{"type":"string","uniqueItems":true,"contains":{}}"#, &[r#""a""#], &["1"]),
            (r#"{"type":"object","unevaluatedProperties":false}"#, &["{}"], &[r#"{"a":1}"#]),
            (r#"{"x-guidance":{"lenient":true},"type":"null"}"#, &["null"], &["1"]),
        ],
    );
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let (_, compiler) = byte_level();
    let rows = [
        (r#"{"not":{"type":"string"}}"#, "not"),
        (r#"{"if":{},"then":{"const":1}}"#, "if"),
        (r#"{"type":"array","contains":{"const":1}}"#, "contains"),
        (r#"{"uniqueItems":true}"#, "uniqueItems"),
        (r#"{"propertyNames":{"pattern":"a"}}"#, "propertyNames"),
        (r#"{"dependentRequired":{"a":["b"]}}"#, "dependentRequired"),
        (r#"{"dependentSchemas":{"a":{"required":["b"]}}}"#, "dependentSchemas"),
        (r#"{"dependencies":{"a":["b"]}}"#, "dependencies"),
        (r#"{"unevaluatedItems":false}"#, "unevaluatedItems"),
        (r#"{"allOf":[{}],"unevaluatedProperties":false}"#, "unevaluatedProperties"),
        (r#"{"oneOf":[{"type":"string"},{"minLength":2}]}"#, "oneOf"),
        (r#"{"type":"object","minProperties":3}"#, "minProperties"),
        (r#"{"type":"number","multipleOf":0.01}"#, "multipleOf"),
        (r#"{"type":"string","format":"regex"}"#, "format"),
        (r#"{"type":"string","pattern":"(?=a)b"}"#, "pattern"),
        (r#"{"type":"string","pattern":"(a)\\1"}"#, "pattern"),
        (r#"{"const":"\u0001"}"#, "const"),
        (r#"{"$ref":"https://example.com/schema"}"#, "$ref"),
        (r##"{"anyOf":[{"$ref":"#"}]}"##, "$ref"),
        (r##"{"$dynamicRef":"#a"}"##, "$dynamicRef"),
    ];
    for (text, keyword) in rows {
        let error = compiler.compile(&source(GrammarKind::JsonSchema, text)).expect_err(text);
        assert_eq!((error.code(), error.keyword()), ("ERR_GRAMMAR_UNSUPPORTED", Some(keyword)), "{text}: {error}");
    }
    let deep = r#"{"properties":{"a":{"items":{"not":{}}}}}"#;
    compiler.compile(&source(GrammarKind::JsonSchema, deep)).expect("nothing is valid there, so nothing comes");
    let placed = r#"{"properties":{"a/b":{"items":{"uniqueItems":true}}}}"#;
    let error = compiler.compile(&source(GrammarKind::JsonSchema, placed)).expect_err("refused");
    assert_eq!(error.place(), Some("/properties/a~1b/items"));
}

#[test]
fn options_say_how_json_is_written() {
    let (tokenizer, compiler) = byte_level();
    let text = r#"{"type":"object","properties":{"a":{"type":"array"}},"required":["a"]}"#;
    let with = |json: JsonOptions| GrammarSource { kind: GrammarKind::JsonSchema, text: text.to_owned(), json };
    let dense = with(JsonOptions { disable_any_whitespace: true, ..JsonOptions::default() });
    let closed = with(JsonOptions { disable_additional_properties: true, ..JsonOptions::default() });
    let spaced = with(JsonOptions { whitespace_pattern: Some(" ?".to_owned()), ..JsonOptions::default() });
    let rows = [
        (&dense, r#"{"a":[]}"#, true),
        (&dense, r#"{"a": []}"#, false),
        (&closed, r#"{"a": [], "b": 1}"#, false),
        (&closed, r#"{"a": []}"#, true),
        (&spaced, r#"{"a": []}"#, true),
        (&spaced, "{\"a\":\n[]}", false),
    ];
    for (source, output, wanted) in rows {
        assert_eq!(allows(&tokenizer, &compiler, source, output), Ok(wanted), "{:?} {output}", source.json);
    }
    let wrong = with(JsonOptions { whitespace_pattern: Some("x".to_owned()), ..JsonOptions::default() });
    assert_eq!(compiler.compile(&wrong).expect_err("no whitespace").code(), "ERR_GRAMMAR_INVALID");
    let object = source(GrammarKind::JsonObject, "");
    assert_eq!(allows(&tokenizer, &compiler, &object, r#"{"a":{"b":[1,"x"]}}"#), Ok(true));
    assert_eq!(allows(&tokenizer, &compiler, &object, "[1]"), Ok(false));
}
