//! Definitions that references lead to: how deep they lie within each other, and whether one is only itself.

use serde_json::Value;

use super::prepare::{too_complex, unsupported};
use crate::grammar::error::GrammarError;
use crate::grammar::limits::MAX_SCHEMA_DEPTH;

/// Fails if schemas lie too deep within each other, or a definition is only itself.
pub(super) fn check(root: &Value, definitions: &[Value]) -> Result<(), GrammarError> {
    Depths { definitions, visited: vec![false; definitions.len()] }.check(root, 0)?;
    check_cycles(definitions)
}

/// The number of the definition that a `$ref` names, if it has one.
pub(super) fn number(reference: &Value) -> Option<usize> {
    reference.as_str()?.strip_prefix("#/$defs/")?.parse().ok()
}

/// How deep schemas lie within each other, through the references, in the order in which they are first met.
struct Depths<'a> {
    definitions: &'a [Value],
    visited: Vec<bool>,
}

impl Depths<'_> {
    fn check(&mut self, value: &Value, depth: usize) -> Result<(), GrammarError> {
        if depth > 4 * MAX_SCHEMA_DEPTH {
            return Err(too_complex(format!("schemas more than {MAX_SCHEMA_DEPTH} deep")));
        }
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.check(item, depth + 1)),
            Value::Object(fields) => {
                // Values that schemas list may look like references.
                if let Some(index) = fields.get("$ref").and_then(number)
                    && index < self.visited.len()
                    && !std::mem::replace(&mut self.visited[index], true)
                {
                    let definitions = self.definitions;
                    self.check(&definitions[index], depth + 4)?;
                }
                fields.values().try_for_each(|field| self.check(field, depth + 1))
            }
            _ => Ok(()),
        }
    }
}

/// A definition that is only itself, through references and combinations, is valid for nothing and everything.
fn check_cycles(definitions: &[Value]) -> Result<(), GrammarError> {
    // 0 = not seen, 1 = on the way, 2 = done.
    let mut states = vec![0u8; definitions.len()];
    fn visit(number: usize, definitions: &[Value], states: &mut [u8]) -> bool {
        match states[number] {
            1 => return false,
            2 => return true,
            _ => states[number] = 1,
        }
        let is_sound = in_place(&definitions[number]).into_iter().all(|next| visit(next, definitions, states));
        states[number] = 2;
        is_sound
    }
    for number in 0..definitions.len() {
        if !visit(number, definitions, &mut states) {
            return Err(unsupported("", "$ref", "a schema that refers to itself at the same value"));
        }
    }
    Ok(())
}

/// Definitions that must hold for the same value.
fn in_place(schema: &Value) -> Vec<usize> {
    let mut found = Vec::new();
    let mut left = vec![schema];
    while let Some(schema) = left.pop() {
        found.extend(schema.get("$ref").and_then(number));
        for name in ["allOf", "anyOf", "oneOf"] {
            left.extend(schema.get(name).and_then(Value::as_array).into_iter().flatten());
        }
    }
    found
}
