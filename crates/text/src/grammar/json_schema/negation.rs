//! The schema that holds where another does not, in the keywords that the rewriter knows. What comes out may be narrower
//! (a number is never taken for one that is not whole), never wider; so it is not negated again.

use serde_json::{Map, Value, json};

use super::formats;
use super::keywords::{self, Keyword};
use super::prepare::{too_complex, unsupported};
use super::references::{References, num_parts};
use crate::grammar::error::GrammarError;
use crate::grammar::limits::COMPLEMENT_PARTS;
use crate::grammar::{regex, string_language};

const TYPES: [&str; 6] = ["null", "boolean", "number", "string", "array", "object"];
/// Schemas within each other, through references.
const MAX_DEPTH: usize = 16;
/// Values of one list.
const MAX_VALUES: usize = 500;

#[derive(Clone, Copy)]
pub(super) struct Negation<'a> {
    pub(super) references: &'a References<'a>,
    /// The keyword that asks, for messages, and where it stands.
    pub(super) keyword: &'a str,
    pub(super) place: &'a str,
    depth: usize,
}

impl<'a> Negation<'a> {
    pub(super) fn new(references: &'a References<'a>, keyword: &'a str, place: &'a str) -> Self {
        Self { references, keyword, place, depth: 0 }
    }

    fn refused(&self, name: &str) -> GrammarError {
        unsupported(self.place, self.keyword, format!("it would have to be known where {name} does not hold"))
    }

    /// The negation of `schema`.
    pub(super) fn of(mut self, schema: &Value) -> Result<Value, GrammarError> {
        self.depth += 1;
        self.references.spend(1, self.place)?;
        if self.depth > MAX_DEPTH {
            return Err(too_complex(format!("negated schemas more than {MAX_DEPTH} deep (at {})", self.place)));
        }
        let fields = match schema {
            Value::Bool(holds) => return Ok(json!(!holds)),
            Value::Object(fields) => fields,
            _ => return Err(unsupported(self.place, self.keyword, "a schema must be an object or a boolean")),
        };
        let mut branches = Vec::new();
        for (name, value) in fields {
            match self.of_keyword(name, value, fields)? {
                Value::Bool(false) => {}
                Value::Bool(true) => return Ok(json!(true)),
                branch => branches.push(branch),
            }
        }
        Ok(any_of(branches))
    }

    fn all(self, schemas: &Value, name: &str) -> Result<Vec<Value>, GrammarError> {
        let list = schemas.as_array().ok_or_else(|| self.refused(name))?;
        list.iter().map(|schema| self.of(schema)).collect()
    }

    /// Where a keyword does not hold.
    fn of_keyword(self, name: &str, value: &Value, fields: &Map<String, Value>) -> Result<Value, GrammarError> {
        let refused = || self.refused(name);
        let whole = |offset: i64| {
            let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..4e9).contains(number));
            number.map(|number| number as i64 + offset).ok_or_else(refused)
        };
        let number_type = if fields.get("type") == Some(&json!("integer")) { "integer" } else { "number" };
        Ok(match name {
            "type" => of_types(value).ok_or_else(refused)?,
            "const" => self.of_values(std::slice::from_ref(value), name)?,
            "enum" => self.of_values(value.as_array().ok_or_else(refused)?, name)?,
            "pattern" => {
                let translated = regex::translate(value.as_str().ok_or_else(refused)?)?;
                self.references.spend(COMPLEMENT_PARTS, self.place)?;
                json!({ "type": "string", "pattern": string_language::complement(&translated).ok_or_else(refused)? })
            }
            "format" => {
                let format = value.as_str().and_then(formats::lookup);
                if format != Some(formats::Format::Anything) {
                    return Err(refused());
                }
                json!(false)
            }
            "minLength" | "minItems" | "minProperties" => match whole(-1)? {
                -1 => json!(false),
                most => json!({ "type": type_of_count(name), (format!("max{}", &name[3..])): most }),
            },
            "maxLength" | "maxItems" | "maxProperties" => {
                json!({ "type": type_of_count(name), (format!("min{}", &name[3..])): whole(1)? })
            }
            "minimum" if !value.is_number() || fields.get("exclusiveMinimum").is_some_and(Value::is_boolean) => {
                return Err(refused());
            }
            "maximum" if !value.is_number() || fields.get("exclusiveMaximum").is_some_and(Value::is_boolean) => {
                return Err(refused());
            }
            "exclusiveMinimum" | "exclusiveMaximum" if !value.is_number() => return Err(refused()),
            "minimum" => json!({ "type": number_type, "exclusiveMaximum": value }),
            "maximum" => json!({ "type": number_type, "exclusiveMinimum": value }),
            "exclusiveMinimum" => json!({ "type": number_type, "maximum": value }),
            "exclusiveMaximum" => json!({ "type": number_type, "minimum": value }),
            "required" => {
                let names = value.as_array().ok_or_else(refused)?;
                let lacking = names.iter().filter_map(Value::as_str).map(lacks);
                of_object(any_of(lacking.collect()))
            }
            "properties" => {
                let mut branches = Vec::new();
                for (key, schema) in value.as_object().ok_or_else(refused)? {
                    let other = self.of(schema)?;
                    if other != json!(false) {
                        branches.push(json!({ "properties": { (key.as_str()): other }, "additionalProperties": true, "required": [key] }));
                    }
                }
                of_object(any_of(branches))
            }
            "items" if !value.is_array() && !fields.contains_key("prefixItems") => {
                let other = self.of(value)?;
                if other == json!(false) { other } else { json!({ "type": "array", "contains": other }) }
            }
            "contains" if !fields.contains_key("minContains") && !fields.contains_key("maxContains") => {
                json!({ "type": "array", "items": self.of(value)? })
            }
            "minContains" | "maxContains" => json!(false),
            "dependentRequired" => {
                let mut branches = Vec::new();
                for (key, names) in value.as_object().ok_or_else(refused)? {
                    let names = names.as_array().ok_or_else(refused)?;
                    let lacking = any_of(names.iter().filter_map(Value::as_str).map(lacks).collect());
                    branches.push(json!({ "required": [key], "allOf": [lacking] }));
                }
                of_object(any_of(branches))
            }
            "allOf" => any_of(self.all(value, name)?),
            "anyOf" => json!({ "allOf": self.all(value, name)? }),
            "not" => {
                self.references.spend(num_parts(value), self.place)?;
                value.clone()
            }
            // Drafts differ in whether what stands beside it counts.
            "$ref" if has_siblings(fields) => return Err(refused()),
            "$ref" => {
                let target = self.references.target(fields).ok_or_else(refused)?;
                self.of(target)?
            }
            "additionalProperties" | "items" | "unevaluatedProperties" | "unevaluatedItems" | "propertyNames"
                if matches!(value, Value::Bool(true)) || value.as_object().is_some_and(Map::is_empty) =>
            {
                json!(false)
            }
            "uniqueItems" if value == &json!(false) => json!(false),
            "then" | "else" if !fields.contains_key("if") => json!(false),
            _ if keywords::of(name) == Keyword::Annotation && !["then", "else"].contains(&name) => {
                json!(false)
            }
            _ => return Err(refused()),
        })
    }

    /// All values but these.
    fn of_values(self, values: &[Value], name: &str) -> Result<Value, GrammarError> {
        if values.len() > MAX_VALUES {
            return Err(too_complex(format!("more than {MAX_VALUES} values that are not wanted (at {})", self.place)));
        }
        let refused = |reason: &str| unsupported(self.place, self.keyword, reason);
        let mut branches = Vec::new();
        let words: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        let mut numbers: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
        for kind in TYPES {
            branches.push(match kind {
                "null" if values.contains(&Value::Null) => continue,
                "boolean" => {
                    let others = [false, true].into_iter().filter(|value| !values.contains(&json!(value)));
                    match others.collect::<Vec<_>>().as_slice() {
                        [] => continue,
                        others => json!({ "enum": others }),
                    }
                }
                "string" if !words.is_empty() => {
                    self.references.spend(COMPLEMENT_PARTS, self.place)?;
                    let pattern = string_language::all_but(words.iter().copied());
                    json!({ "type": "string", "pattern": pattern.ok_or_else(|| self.refused(name))? })
                }
                "number" if !numbers.is_empty() => {
                    numbers.sort_by(f64::total_cmp);
                    ranges_between(&numbers)
                }
                "array" if values.iter().any(Value::is_array) => {
                    if !values.iter().filter_map(Value::as_array).all(Vec::is_empty) {
                        return Err(refused("lists that are not wanted"));
                    }
                    json!({ "type": "array", "minItems": 1 })
                }
                "object" if values.iter().any(Value::is_object) => {
                    if !values.iter().filter_map(Value::as_object).all(Map::is_empty) {
                        return Err(refused("objects that are not wanted"));
                    }
                    json!({ "type": "object", "minProperties": 1 })
                }
                kind => json!({ "type": kind }),
            });
        }
        Ok(any_of(branches))
    }
}

/// Types that are none of those named. A whole number is a number, and no number is told from whole ones.
fn of_types(value: &Value) -> Option<Value> {
    let named: Vec<&str> = match value {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    let is_named = |kind: &&str| named.contains(kind) || (*kind == "number" && named.contains(&"integer"));
    let others: Vec<&str> = TYPES.into_iter().filter(|kind| !is_named(kind)).collect();
    Some(if others.is_empty() { json!(false) } else { json!({ "type": others }) })
}

fn type_of_count(name: &str) -> &'static str {
    match &name[3..] {
        "Length" => "string",
        "Items" => "array",
        _ => "object",
    }
}

/// Numbers between those of a sorted list, and beyond them.
fn ranges_between(numbers: &[f64]) -> Value {
    let mut ranges = vec![json!({ "type": "number", "exclusiveMaximum": numbers[0] })];
    for pair in numbers.windows(2).filter(|pair| pair[0] < pair[1]) {
        ranges.push(json!({ "type": "number", "exclusiveMinimum": pair[0], "exclusiveMaximum": pair[1] }));
    }
    ranges.push(json!({ "type": "number", "exclusiveMinimum": numbers[numbers.len() - 1] }));
    any_of(ranges)
}

/// Whether a `$ref` has something beside it that says what is valid.
pub(super) fn has_siblings(fields: &Map<String, Value>) -> bool {
    fields.keys().any(|name| name != "$ref" && keywords::of(name) != Keyword::Annotation)
}

/// Objects without a property. Says nothing about others, even where objects without `additionalProperties` are closed.
pub(super) fn lacks(name: &str) -> Value {
    json!({ "properties": { (name): false }, "additionalProperties": true })
}

fn of_object(schema: Value) -> Value {
    if schema == json!(false) { schema } else { json!({ "type": "object", "allOf": [schema] }) }
}

pub(super) fn any_of(mut branches: Vec<Value>) -> Value {
    branches.retain(|branch| branch != &json!(false));
    match branches.len() {
        0 => json!(false),
        1 => branches.swap_remove(0),
        _ => json!({ "anyOf": branches }),
    }
}
