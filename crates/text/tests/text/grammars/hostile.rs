//! Sources that are made to cost: each is answered, quickly, with an error or with a grammar whose masks are bounded too.

use std::fmt::Write as _;
use std::fs;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use quire_text::GrammarKind;
use serde_json::{Map, Value, json};

use super::{byte_level, source};

/// Far more than any of them takes, far less than a hang.
const LIMIT: Duration = Duration::from_secs(5);

/// How long this thread has computed: a machine that does other things meanwhile makes no source slow. Where the system
/// does not tell, the time that has passed.
fn time_computed() -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanoseconds.map_or_else(|| BEGAN.elapsed(), Duration::from_nanos)
}

fn schemas() -> Vec<Value> {
    let chain = |count: usize, link: &dyn Fn(String) -> Value, last: Value| {
        let mut definitions: Map<String, Value> =
            (0..count).map(|at| (format!("d{at}"), link(format!("#/$defs/d{}", at + 1)))).collect();
        definitions.insert(format!("d{count}"), last);
        json!({ "$ref": "#/$defs/d0", "$defs": definitions })
    };
    let properties = |count: usize, schema: &Value| -> Value {
        (0..count).map(|at| (format!("p{at}"), schema.clone())).collect::<Map<String, Value>>().into()
    };
    let negated = |mut schema: Value| {
        schema["not"] = json!({ "$ref": schema["$ref"].take() });
        schema.as_object_mut().expect("an object").remove("$ref");
        schema
    };
    vec![
        chain(3000, &|next| json!({ "properties": { "x": { "$ref": next } } }), json!({})),
        chain(
            40,
            &|next| json!({ "allOf": [{ "$ref": next.clone() }, { "$ref": next }] }),
            json!({ "type": "object" }),
        ),
        chain(
            40,
            &|next| json!({ "anyOf": [{ "$ref": next.clone() }, { "$ref": next }] }),
            json!({ "type": "string" }),
        ),
        json!({ "properties": properties(20_000, &json!({ "type": "string" })) }),
        json!({ "properties": properties(999, &json!({ "type": "string", "pattern": "^a{10}b+$" })) }),
        json!({ "required": (0..20_000).map(|at| format!("r{at}")).collect::<Vec<_>>() }),
        json!({ "enum": (0..20_000).map(|at| format!("value {at}")).collect::<Vec<_>>() }),
        json!({ "oneOf": (0..1500).map(|at| json!({ "const": at })).collect::<Vec<_>>() }),
        json!({ "allOf": (1..30).map(|at| json!({ "pattern": format!("a.{{{at}}}b") })).collect::<Vec<_>>() }),
        json!({ "type": "string", "minLength": 4_000_000_000u32 }),
        json!({ "type": "string", "pattern": "^.*x.*$", "minLength": 10_000 }),
        json!({ "type": "string", "pattern": "(a|b)*a(a|b){20}" }),
        json!({ "type": "string", "pattern": "^(([a-z]{1,50}){1,50}){1,30}$" }),
        json!({ "type": "array", "items": {}, "minItems": 1_000_000, "maxItems": 4_000_000_000u32 }),
        json!({ "type": "integer", "multipleOf": 9973 }),
        json!({ "type": "number", "minimum": 1e-300 }),
        json!({ "type": "integer", "minimum": 1e308 }),
        json!({ "$ref": "#" }),
        // Keywords that are said in other words, which multiply.
        negated(chain(
            40,
            &|next| json!({ "allOf": [{ "$ref": next.clone() }, { "$ref": next }] }),
            json!({ "type": "object" }),
        )),
        chain(
            40,
            &|next| json!({ "not": { "anyOf": [{ "$ref": next.clone() }, { "$ref": next }] } }),
            json!({ "type": "string" }),
        ),
        json!({ "allOf": (0..60).map(|at| json!({
            "if": { "properties": { (format!("p{at}")): { "const": at } }, "required": [format!("p{at}")] },
            "then": { "required": [format!("q{at}")] },
        })).collect::<Vec<_>>() }),
        json!({ "dependentRequired": properties(900, &json!(["a", "b"])) }),
        json!({ "oneOf": (0..150).map(|at| json!({ "minLength": at, "pattern": "a" })).collect::<Vec<_>>() }),
        json!({ "allOf": (1..300).map(|at| json!({ "not": { "pattern": format!("(a|b)*a(a|b){{{at}}}") } })).collect::<Vec<_>>() }),
        json!({ "not": { "enum": (0..400).map(|at| format!("value {at}")).collect::<Vec<_>>() } }),
        json!({ "contains": { "enum": (0..3000).collect::<Vec<_>>() }, "minContains": 30, "maxContains": 40 }),
        json!({ "items": { "enum": (0..20).map(|at| "x".repeat(20_000 + at)).collect::<Vec<_>>() }, "maxItems": 2, "uniqueItems": true }),
        json!({ "type": "string", "pattern": format!("^{}a", r"(?!.*\p{L}{3}x)".repeat(60)) }),
    ]
}

fn others() -> Vec<(GrammarKind, String)> {
    let mut rules = String::from("root ::= r0\n");
    let mut terminals = String::from("start: R0\n");
    for at in 0..40 {
        let _ = writeln!(rules, "r{at} ::= r{} r{}", at + 1, at + 1);
        let _ = writeln!(terminals, "R{at}: R{} R{}", at + 1, at + 1);
    }
    rules += "r40 ::= \"y\"";
    terminals += "R40: \"y\"";
    let nested = |open: &str, close: &str, count: usize| format!("{}\"a\"{}", open.repeat(count), close.repeat(count));
    vec![
        (GrammarKind::JsonSchema, "[".repeat(100_000)),
        (GrammarKind::JsonSchema, format!("{{\"a\":{}", "{\"a\":".repeat(50_000))),
        (GrammarKind::Regex, "(".repeat(30_000)),
        (GrammarKind::Regex, "(a?){5000}a{5000}".to_owned()),
        (GrammarKind::Regex, "(x+x+)+y".to_owned()),
        (GrammarKind::Regex, "[a-z]+".repeat(5000)),
        (GrammarKind::Regex, "x".repeat(1_000_000)),
        (GrammarKind::Regex, r"\p{L}{1,1000}\p{N}{1,1000}".to_owned()),
        (GrammarKind::Grammar, rules),
        (GrammarKind::Grammar, terminals),
        (GrammarKind::Grammar, format!("start: {}", nested("(", ")", 50_000))),
        (GrammarKind::Grammar, format!("root ::= {}", nested("(", ")", 50_000))),
        (GrammarKind::Grammar, format!("start: {}/a/", "~".repeat(50_000))),
        (GrammarKind::Grammar, "start: start start | \"a\"".to_owned()),
        (GrammarKind::Grammar, "start: a\na: b\nb: a".to_owned()),
        (GrammarKind::Grammar, "start: \"a\"{1000000}".to_owned()),
        (GrammarKind::Choice, json!((0..50_000).map(|at| at.to_string()).collect::<Vec<_>>()).to_string()),
        (GrammarKind::StructuralTag, nested(r#"{"format":{"type":"sequence","elements":["#, "]}}", 60)),
    ]
}

#[test]
fn every_source_is_answered_in_time() {
    let (_, compiler) = byte_level();
    let schemas = schemas().into_iter().map(|schema| (GrammarKind::JsonSchema, schema.to_string()));
    let mut mask = vec![0; compiler.vocab_size().div_ceil(32)];
    for (kind, text) in schemas.chain(others()) {
        let began = time_computed();
        let head: String = text.chars().take(80).collect();
        match compiler.compile(&source(kind, text)) {
            Ok(grammar) => {
                let mut matcher = grammar.matcher();
                // A few steps, each on the lowest id.
                for _ in 0..20 {
                    if matcher.is_complete() || matcher.fill_mask(&mut mask).is_err() {
                        break;
                    }
                    let lowest =
                        (0..compiler.vocab_size() as i32).find(|id| mask[*id as usize / 32] >> (id % 32) & 1 == 1);
                    if lowest.is_none_or(|id| matcher.accept(&[id]).is_err()) {
                        break;
                    }
                }
            }
            Err(error) => assert!(error.code().starts_with("ERR_GRAMMAR_"), "{head}: {error}"),
        }
        let took = time_computed() - began;
        assert!(took < LIMIT, "{head} took {took:?}");
    }
}
