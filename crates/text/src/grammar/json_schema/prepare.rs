//! From a schema's text, or its value, to the schema that llguidance gets: rewritten, with the style of its output laid down.

use serde_json::{Map, Value, json};

use super::rewriter;
use crate::grammar::error::GrammarError;
use crate::grammar::regex;
use crate::grammar::source::JsonOptions;
use crate::grammar::stand_ins::StandIn;

const KIND: &str = "JSON schema";
/// Escapes in strings: none with `\u`, or a key could be written in two ways and pass as one that is not named.
const ESCAPES: &str = "nrbtf\\\"";

/// A schema as llguidance may have it.
#[derive(Debug)]
pub(in crate::grammar) struct Prepared {
    pub(in crate::grammar) schema: Value,
    /// What stands in it for texts that no schema describes.
    pub(in crate::grammar) stand_ins: Vec<StandIn>,
}

/// The schema as text, rewritten.
pub(in crate::grammar) fn prepare(text: &str, options: &JsonOptions) -> Result<Prepared, GrammarError> {
    let schema: Value = serde_json::from_str(text).map_err(|error| {
        let reason = error.to_string();
        // The parser's only limit is on depth.
        if reason.contains("recursion limit") {
            return GrammarError::TooComplex { kind: KIND, limit: "nested too deep".to_owned() };
        }
        GrammarError::Invalid { kind: KIND, place: String::new(), reason }
    })?;
    prepare_value(&schema, options)
}

/// Any object.
pub(in crate::grammar) fn prepare_object(options: &JsonOptions) -> Result<Prepared, GrammarError> {
    // There is nothing here that could say what other properties are.
    let options = JsonOptions { disable_additional_properties: false, ..options.clone() };
    prepare_value(&json!({ "type": "object" }), &options)
}

/// The same for a schema that is a part of something else.
pub(in crate::grammar) fn prepare_value(schema: &Value, options: &JsonOptions) -> Result<Prepared, GrammarError> {
    let (rewritten, stand_ins) = rewriter::rewrite(schema, options)?;
    let mut root = match rewritten {
        Value::Object(root) => root,
        // `true` or `false`, in the form that takes options.
        other => Map::from_iter([("allOf".to_owned(), json!([other]))]),
    };
    root.insert("x-guidance".to_owned(), style(options)?);
    Ok(Prepared { schema: Value::Object(root), stand_ins })
}

fn style(options: &JsonOptions) -> Result<Value, GrammarError> {
    let mut style = json!({ "json_allowed_escapes": ESCAPES, "whitespace_flexible": !options.disable_any_whitespace });
    if let Some(pattern) = &options.whitespace_pattern
        && !options.disable_any_whitespace
    {
        style["whitespace_pattern"] = json!(whitespace(pattern)?);
    }
    Ok(style)
}

/// A pattern that matches nothing but the whitespace of JSON, so that JSON stays JSON.
fn whitespace(pattern: &str) -> Result<String, GrammarError> {
    let invalid = |reason: &str| GrammarError::Invalid {
        kind: "whitespace pattern",
        place: String::new(),
        reason: reason.to_owned(),
    };
    let translated = regex::translate(&pattern.replace(r"\s", r"[ \t\n\r]"))?;
    let parsed = regex_syntax::parse(&translated).map_err(|error| invalid(&error.to_string()))?;
    let is_white = |code: u32| matches!(code, 0x20 | 0x0A | 0x0D | 0x09);
    let mut left = vec![&parsed];
    while let Some(node) = left.pop() {
        use regex_syntax::hir::{Class, HirKind};
        let allowed = match node.kind() {
            HirKind::Literal(literal) => literal.0.iter().all(|byte| is_white(u32::from(*byte))),
            HirKind::Class(Class::Unicode(class)) => {
                class.ranges().iter().all(|range| (range.start() as u32..=range.end() as u32).all(is_white))
            }
            HirKind::Class(Class::Bytes(_)) | HirKind::Look(_) => false,
            _ => true,
        };
        if !allowed {
            return Err(invalid("it must match space, tab, line feed and carriage return only"));
        }
        left.extend(node.kind().subs());
    }
    Ok(translated)
}

pub(super) fn invalid(place: &str, reason: impl Into<String>) -> GrammarError {
    GrammarError::Invalid { kind: KIND, place: place.to_owned(), reason: reason.into() }
}

pub(super) fn unsupported(place: &str, keyword: &str, reason: impl Into<String>) -> GrammarError {
    GrammarError::Unsupported {
        kind: KIND,
        keyword: keyword.to_owned(),
        place: place.to_owned(),
        reason: reason.into(),
    }
}

pub(super) fn too_complex(limit: impl Into<String>) -> GrammarError {
    GrammarError::TooComplex { kind: KIND, limit: limit.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_stays_whitespace() {
        for pattern in [" ?", r"[ \t]*", r"\s{0,4}", "\n"] {
            whitespace(pattern).expect(pattern);
        }
        for pattern in ["a", ".", r"[^a]", "( |x)", r"\d"] {
            assert_eq!(whitespace(pattern).expect_err(pattern).code(), "ERR_GRAMMAR_INVALID", "{pattern}");
        }
    }
}
