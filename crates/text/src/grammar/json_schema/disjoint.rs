//! Whether two branches of `oneOf` can both hold. Where none can, `oneOf` is `anyOf`.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Looks a reference up; gives what it is said to be by its pointer.
pub(super) trait Resolve {
    /// The schema that `schema` is, through its references.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value;
}

const DEPTH: usize = 4;
const TYPES: [&str; 6] = ["null", "boolean", "number", "string", "array", "object"];

/// True only if no value is valid for both.
pub(super) fn are(a: &Value, b: &Value, resolver: &impl Resolve) -> bool {
    disjoint(a, b, resolver, DEPTH)
}

fn disjoint(a: &Value, b: &Value, resolver: &impl Resolve, depth: usize) -> bool {
    let (a, b) = (resolver.resolved(a), resolver.resolved(b));
    if a == &Value::Bool(false) || b == &Value::Bool(false) {
        return true;
    }
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return false };
    let types_of_a = types(a);
    if types_of_a.is_disjoint(&types(b)) {
        return true;
    }
    if let (Some(values_of_a), Some(values_of_b)) = (values(a), values(b)) {
        return values_of_a.iter().all(|value| !values_of_b.iter().any(|other| same(value, other)));
    }
    if depth == 0 || types_of_a.intersection(&types(b)).any(|name| *name != "object") {
        return false;
    }
    // Objects: a property that one of them must have, and that cannot be both.
    let required = required(a).chain(required(b));
    let mut names = required.filter(|name| property(a, name).is_some() && property(b, name).is_some());
    names.any(|name| match (property(a, name), property(b, name)) {
        (Some(of_a), Some(of_b)) => disjoint(of_a, of_b, resolver, depth - 1),
        _ => false,
    })
}

/// Types that a value of the schema may have. Whole numbers are numbers.
fn types(schema: &Map<String, Value>) -> BTreeSet<&str> {
    let of_keyword: BTreeSet<&str> = match schema.get("type") {
        Some(Value::String(name)) => BTreeSet::from([number(name)]),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(number).collect(),
        _ => TYPES.into_iter().collect(),
    };
    match values(schema) {
        Some(values) => {
            let of_values: BTreeSet<&str> = values.into_iter().map(type_of).collect();
            of_keyword.intersection(&of_values).copied().collect()
        }
        None => of_keyword,
    }
}

fn number(name: &str) -> &str {
    if name == "integer" { "number" } else { name }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The values that the schema lists, if it does.
fn values(schema: &Map<String, Value>) -> Option<Vec<&Value>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(value), _) => Some(vec![value]),
        (None, Some(Value::Array(values))) => Some(values.iter().collect()),
        _ => None,
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        // Numbers within could be written in two ways.
        _ => a == b || (a.is_array() && b.is_array()) || (a.is_object() && b.is_object()),
    }
}

fn required(schema: &Map<String, Value>) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn property<'a>(schema: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(name)
}
