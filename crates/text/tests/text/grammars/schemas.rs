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
            // A bound beyond the numbers that are wanted is one still.
            (r#"{"maximum":1e16}"#, &["1", "-5", "null"], &["100000000000000000", "1e17"]),
            (r#"{"minimum":-1e16}"#, &["-1"], &["-100000000000000000"]),
            (r#"{"enum":[5,20000000000000000],"maximum":1e16}"#, &["5"], &["20000000000000000"]),
            (r#"{"type":"integer","multipleOf":3}"#, &["0", "9", "-6"], &["4"]),
            (r#"{"type":"string","maxLength":2}"#, &[r#""ab""#, r#""é""#], &[r#""abc""#]),
            (r#"{"type":"string","pattern":"^a.c$"}"#, &[r#""abc""#], &[r#""a\nc""#, r#""a\rc""#, r#""xabc""#]),
            (r#"{"type":"string","format":"date"}"#, &[r#""2024-02-29""#], &[r#""2023-02-29""#, r#""2023-13-01""#]),
            (r#"{"format":"date"}"#, &[r#""0400-02-29""#, r#""0010-01-01""#], &[r#""0000-01-01""#, r#""0000-02-29""#]),
            (
                r#"{"type":"string","format":"duration"}"#,
                &[r#""P1Y2M""#, r#""PT90S""#, r#""P999999W""#],
                &[r#""P1234567D""#, r#""P""#],
            ),
            (
                r#"{"type":"string","format":"url"}"#,
                &[r#""https://example.com""#, r##""http://a.b.org:8080/c/?d=e#f""##],
                &[r#""a:b""#, r#""http://localhost""#, r#""https://example.com?a""#],
            ),
            (
                r#"{"type":"string","format":"uri"}"#,
                &[r#""http://localhost:8080/a?b""#, r#""urn:a:b""#],
                &[r#""http://localhost:70000""#, r#""a""#],
            ),
            (r#"{"type":"string","format":"email"}"#, &[r#""a@b.de""#], &[r#""a@b""#, r#""a@b.c0""#]),
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
fn keywords_that_are_said_in_other_words_mean_the_same() {
    check(
        GrammarKind::JsonSchema,
        &[
            (r#"{"not":{"type":["object","array"]}}"#, &["1", r#""a""#, "null"], &["{}", "[]"]),
            (
                r#"{"type":"string","not":{"enum":["","no","none",1]}}"#,
                &[r#""n""#, r#""nones""#],
                &[r#""""#, r#""no""#],
            ),
            (r#"{"not":{"enum":[true,null,"a"]}}"#, &["false", "1", r#""b""#], &["true", "null", r#""a""#]),
            (r#"{"type":"integer","not":{"enum":[3,0]}}"#, &["1", "-4", "2", "30"], &["0", "3"]),
            (r#"{"type":"number","not":{"const":0}}"#, &["0.5", "-1"], &["0", "0.0"]),
            (r#"{"type":"string","not":{"pattern":"^a|z$"}}"#, &[r#""baz1""#, r#""""#], &[r#""ab""#, r#""xz""#]),
            (r#"{"type":"string","not":{"maxLength":0}}"#, &[r#"" ""#], &[r#""""#]),
            (r#"{"not":{"not":{"type":"integer","minimum":3}}}"#, &["3"], &["2", "null"]),
            (
                r##"{"type":"object","not":{"$ref":"#/$defs/both"},"$defs":{"both":{"required":["a","b"]}}}"##,
                &["{}", r#"{"a":1}"#, r#"{"b":1}"#],
                &[r#"{"a":1,"b":1}"#],
            ),
            (
                r#"{"type":"object","properties":{"k":{"enum":["x","y"]},"v":{}},"required":["k","v"],
                    "if":{"properties":{"k":{"const":"x"}}},"then":{"properties":{"v":{"type":"integer"}}},
                    "else":{"properties":{"v":{"type":"null"}}}}"#,
                &[r#"{"k":"x","v":1}"#, r#"{"k":"y","v":null}"#],
                &[r#"{"k":"x","v":null}"#, r#"{"k":"y","v":1}"#],
            ),
            (
                r#"{"type":"object","properties":{"age":{"type":"integer"}},"required":["age"],
                    "if":{"properties":{"age":{"minimum":18}}},"then":{"required":["id"]}}"#,
                &[r#"{"age":17}"#, r#"{"age":18,"id":1}"#],
                &[r#"{"age":18}"#],
            ),
            (
                r#"{"type":"object","properties":{"card":{},"city":{}},"dependentRequired":{"card":["city"]}}"#,
                &["{}", r#"{"city":1}"#, r#"{"card":1,"city":1}"#],
                &[r#"{"card":1}"#],
            ),
            (
                r#"{"type":"object","dependencies":{"a":{"properties":{"b":{"const":1}}},"c":"d"}}"#,
                &[r#"{"b":2}"#, r#"{"a":0,"b":1}"#, r#"{"c":0,"d":0}"#],
                &[r#"{"a":0,"b":2}"#, r#"{"c":0}"#],
            ),
            (r#"{"type":"object","propertyNames":{"type":"string"}}"#, &[r#"{"a":1}"#], &["[]"]),
            (
                r##"{"type":"object","propertyNames":{"$ref":"#/$defs/c"},"additionalProperties":{"type":"integer"},
                    "$defs":{"c":{"enum":["r","g"]}}}"##,
                &["{}", r#"{"r":1,"g":2}"#, r#"{"g":2}"#],
                &[r#"{"b":1}"#, r#"{"r":"x"}"#],
            ),
            (r#"{"type":"object","propertyNames":{"pattern":"^x"}}"#, &[r#"{"xa":1}"#], &[r#"{"a":1}"#]),
            (
                r#"{"type":"object","properties":{"ab":{"const":1},"c":{}},"propertyNames":{"minLength":2}}"#,
                &[r#"{"ab":1}"#, r#"{"xy":2}"#],
                &[r#"{"c":1}"#, r#"{"ab":2}"#],
            ),
            (r#"{"contains":{"const":1}}"#, &["[1]", "[0,{},1,0]", "2", "{}"], &["[]", "[0,2]"]),
            (
                r#"{"type":"array","items":{"enum":[0,1]},"contains":{"const":1},"minContains":2,"maxContains":2}"#,
                &["[1,1]", "[0,1,1,0]"],
                &["[1]", "[1,1,1]", "[0,1,0]", "[1,1,2]"],
            ),
            (
                r#"{"type":"array","items":{"enum":["a","b"]},"uniqueItems":true,"minItems":1}"#,
                &[r#"["a"]"#, r#"["b","a"]"#],
                &["[]", r#"["a","a"]"#],
            ),
            (
                r#"{"type":"array","items":{"type":"boolean"},"uniqueItems":true}"#,
                &["[]", "[true,false]"],
                &["[true,true]"],
            ),
            (r#"{"uniqueItems":true,"items":{"const":1}}"#, &["[]", "[1]", r#""a""#], &["[1,1]"]),
            (
                r##"{"type":"object","$ref":"#/$defs/a","properties":{"b":{}},"unevaluatedProperties":false,
                    "$defs":{"a":{"properties":{"a":{"const":1}}}}}"##,
                &[r#"{"a":1,"b":2}"#, "{}"],
                &[r#"{"c":1}"#, r#"{"a":2}"#],
            ),
            (
                r#"{"type":"array","prefixItems":[{"const":1}],"unevaluatedItems":{"type":"null"}}"#,
                &["[1]", "[1,null]"],
                &["[1,2]"],
            ),
            (
                r#"{"additionalItems":{"type":"integer"},"unevaluatedItems":{"type":"string"}}"#,
                &[r#"["a"]"#, "[]"],
                &["[1]", r#"["a",1]"#],
            ),
            (r#"{"items":[{"const":1}],"additionalItems":{},"unevaluatedItems":false}"#, &["[1,2]"], &["[2]"]),
            // Names that contain one of the characters, however many of them follow.
            (
                r#"{"type":"object","patternProperties":{"[a-z-_.:]{1,255}":{"type":"integer"}}}"#,
                &[r#"{"a":1,"_Ab":2,"A":""}"#],
                &[r#"{"a":""}"#, r#"{"AbC":""}"#],
            ),
            (r#"{"type":"string","pattern":"\\d+x*|^ab?"}"#, &[r#""x1x""#, r#""ac""#], &[r#""bx""#, r#""ba""#]),
            (
                r#"{"type":"object","oneOf":[{"required":["a"]},{"required":["b"]}]}"#,
                &[r#"{"a":1}"#, r#"{"b":1}"#],
                &["{}", r#"{"a":1,"b":1}"#],
            ),
            (r#"{"oneOf":[{"type":"string"},{"minLength":2}]}"#, &[r#""a""#, "1"], &[r#""ab""#]),
            (r#"{"oneOf":[{"type":"integer","maximum":3},{"type":"integer","minimum":2}]}"#, &["1", "4"], &["2", "3"]),
            (
                r#"{"type":"string","pattern":"^(?=.*[0-9])(?!ad)[a-z0-9]{3,4}$"}"#,
                &[r#""abc1""#, r#""1ad""#],
                &[r#""abc""#, r#""ad1""#, r#""ab1cd""#],
            ),
            (
                r#"{"type":"number","multipleOf":0.01,"minimum":0}"#,
                &["0", "12.5", "12.50", "19.98", "1000", "0.3"],
                &["0.29", "0.001", "-1", "1.005", "1000000000.01", "1e2", "01"],
            ),
            (
                r#"{"type":["number","null"],"multipleOf":0.1,"minimum":0,"maximum":2}"#,
                &["0.1", "0", "2", "null"],
                &["0.3", "0.15", "2.1", "-0.1", r#""a""#],
            ),
            (r#"{"enum":[0.29,0.3,"a"],"multipleOf":0.01}"#, &["0.3", r#""a""#], &["0.29"]),
            (
                r##"{"type":"array","items":{"$ref":"#/$defs/price"},"maxItems":2,
                    "$defs":{"price":{"type":"number","exclusiveMinimum":0,"multipleOf":0.05}}}"##,
                &["[]", "[0.05, 7.5 ]"],
                &["[0]", "[0.01]", "[1,1,1]"],
            ),
            (
                r#"{"type":"object","properties":{"a":{},"b":{},"c":false},"minProperties":1}"#,
                &[r#"{"a":1}"#, r#"{"b":1}"#, r#"{"z":1}"#, r#"{"a":1,"b":2,"z":3}"#],
                &["{}", r#"{"c":1}"#],
            ),
            (
                r#"{"type":"object","properties":{"a":{},"b":{},"c":{},"d":{}},"required":["b"],"minProperties":3,
                    "maxProperties":3,"additionalProperties":false}"#,
                &[r#"{"a":1,"b":1,"c":1}"#, r#"{"b":1,"c":1,"d":1}"#],
                &[r#"{"a":1,"b":1}"#, r#"{"a":1,"c":1,"d":1}"#, r#"{"a":1,"b":1,"c":1,"d":1}"#],
            ),
            (
                r#"{"type":"object","properties":{"a":{},"b":{}},"maxProperties":1}"#,
                &["{}", r#"{"a":1}"#, r#"{"z":1}"#],
                &[r#"{"a":1,"b":1}"#, r#"{"b":1,"z":1}"#, r#"{"y":1,"z":1}"#],
            ),
            (
                r#"{"type":"object","propertyNames":{"pattern":"^[a-z]+$","maxLength":3,"minLength":2}}"#,
                &["{}", r#"{"ab":1,"abc":1}"#],
                &[r#"{"a":1}"#, r#"{"abcd":1}"#],
            ),
            (
                r#"{"type":"object","properties":{"k":{}},"unevaluatedProperties":false,"anyOf":[
                    {"properties":{"a":{"const":1}},"required":["a"]},{"properties":{"b":{}},"required":["b"]}]}"#,
                &[r#"{"a":1}"#, r#"{"k":1,"b":1}"#],
                &["{}", r#"{"a":2}"#, r#"{"b":1,"z":1}"#],
            ),
            (
                r#"{"type":"object","properties":{"k":{"type":"boolean"}},"required":["k"],"unevaluatedProperties":false,
                    "if":{"properties":{"k":{"const":true}}},"then":{"properties":{"t":{}}},"else":{"properties":{"e":{}}}}"#,
                &[r#"{"k":true,"t":1}"#, r#"{"k":false,"e":1}"#, r#"{"k":false}"#],
                &[r#"{"k":true,"e":1}"#, r#"{"k":false,"t":1}"#],
            ),
            (
                r##"{"$dynamicAnchor":"node","type":"object","properties":{"next":{"$dynamicRef":"#node"}},
                    "additionalProperties":false}"##,
                &[r#"{"next":{"next":{}}}"#],
                &[r#"{"next":1}"#],
            ),
            (
                r#"{"$schema":"http://json-schema.org/draft-07/schema#","contains":{"const":1},"minContains":0}"#,
                &["[1]"],
                &["[]", "[2]"],
            ),
            (
                r#"{"type":"array","items":{"enum":[1,2,3,4,5,6,7,8]},"uniqueItems":true,"minItems":2}"#,
                &["[1,8]", "[2,3,5]"],
                &["[1]", "[1,1]", "[2,2,3]"],
            ),
            (
                r#"{"type":["array","null"],"items":{"enum":["a","b","c","d","e","f","g","h","i","j"]},"uniqueItems":true,
                    "minItems":1}"#,
                &[r#"["a"]"#, r#"["a", "c","j" ]"#, "null"],
                &["[]", r#"["a","a"]"#, r#"["b","a"]"#, r#"["k"]"#, "1"],
            ),
            (
                r#"{"type":"string","pattern":"^(?!^[-+.]*$)[+-]?0*(?:\\d{0,3}|(?=[\\d.]{1,6}0*$)\\d{0,3}\\.\\d{0,2}0*$)"}"#,
                &[r#""0""#, r#""-12.5""#, r#""999.99""#],
                &[r#""""#, r#""1234""#, r#""1.234""#, r#""a""#],
            ),
            (r#"{"format":"ends_with","allOf":[{"pattern":"^a"},{"pattern":"z$"}]}"#, &[r#""abz""#], &[r#""ab""#]),
            // What a library calls its own format, beside the pattern that says what it means.
            (r#"{"type":"string","format":"starts_with","pattern":"^ab"}"#, &[r#""abc""#], &[r#""b""#]),
            (r#"{"type":"string","format":"regex"}"#, &[r#""a+[bc]""#], &[r#""(""#, r#""+""#]),
        ],
    );
}

#[test]
fn many_properties_may_be_left_out() {
    let (tokenizer, compiler) = byte_level();
    let names = (0..900).map(|at| (format!("p{at}"), serde_json::json!({ "type": "string" })));
    let properties = serde_json::Value::Object(names.collect());
    let schema = serde_json::json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let source = source(GrammarKind::JsonSchema, schema.to_string());
    for (output, wanted) in [("{}", true), (r#"{"p0":"a","p899":"b"}"#, true), (r#"{"p900":"a"}"#, false)] {
        assert_eq!(allows(&tokenizer, &compiler, &source, output), Ok(wanted), "{output}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let (_, compiler) = byte_level();
    let rows = [
        (r#"{"not":{"multipleOf":3}}"#, "not"),
        (r#"{"not":{"enum":[[1]]}}"#, "not"),
        (r#"{"if":{"format":"date"},"then":{"const":1}}"#, "if"),
        (r#"{"type":"array","contains":{"const":1},"minContains":1000}"#, "contains"),
        (r#"{"uniqueItems":true}"#, "uniqueItems"),
        (r#"{"type":"array","items":{"enum":[1,2,3,4,5,6,7,8,9,10]},"uniqueItems":true,"minItems":4}"#, "uniqueItems"),
        (
            r#"{"items":{"enum":[1,2,3,4,5,6,7,8,9,10]},"uniqueItems":true,"allOf":[{"items":{"minimum":3}}]}"#,
            "uniqueItems",
        ),
        (r#"{"propertyNames":{"pattern":"a","maxLength":3}}"#, "propertyNames"),
        (r##"{"propertyNames":{"$ref":"#/$defs/a","maxLength":3},"$defs":{"a":{"pattern":"a"}}}"##, "propertyNames"),
        (r##"{"not":{"$ref":"#/$defs/a","maxLength":3},"$defs":{"a":{"pattern":"a"}}}"##, "not"),
        (r#"{"allOf":[{}],"unevaluatedItems":false}"#, "unevaluatedItems"),
        (r##"{"$ref":"#/$defs/a","$defs":{"a":{"$id":"b"}},"unevaluatedProperties":false}"##, "unevaluatedProperties"),
        (r#"{"oneOf":[{"type":"string"},{"format":"date"}]}"#, "oneOf"),
        (r#"{"oneOf":[{"type":"integer"},{"type":"number"}]}"#, "oneOf"),
        (r#"{"type":"object","minProperties":3}"#, "minProperties"),
        (r#"{"type":"number","multipleOf":0.00001}"#, "multipleOf"),
        (r#"{"type":"number","multipleOf":0.01,"minimum":1e10}"#, "multipleOf"),
        (r#"{"multipleOf":0.01,"allOf":[{"minimum":5}]}"#, "multipleOf"),
        (
            r#"{"allOf":[{"additionalProperties":{"multipleOf":0.01}},{"properties":{"a":{"minimum":5}}}]}"#,
            "multipleOf",
        ),
        ("{\"anyOf\":[{\"multipleOf\":0.01},{\"const\":\"\u{10FFFF}\"}]}", "multipleOf"),
        (r#"{"type":"string","format":"colour"}"#, "format"),
        (r#"{"type":"string","pattern":"a(?=a)b"}"#, "pattern"),
        (r#"{"type":"string","pattern":"(a)\\1"}"#, "pattern"),
        (r#"{"type":"string","format":"emoji","pattern":"^\\p{Extended_Pictographic}+$"}"#, "pattern"),
        (r#"{"const":"\u0001"}"#, "const"),
        (r#"{"$ref":"https://example.com/schema"}"#, "$ref"),
        (r##"{"anyOf":[{"$ref":"#"}]}"##, "$ref"),
        (r##"{"$dynamicRef":"#a","$defs":{"b":{"$dynamicAnchor":"a"},"c":{"$dynamicAnchor":"a"}}}"##, "$dynamicRef"),
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
