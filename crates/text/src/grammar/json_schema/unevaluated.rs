//! `unevaluatedProperties` and `unevaluatedItems`, said in keywords that list what else speaks of properties and items.
//! What is not known to be evaluated counts as unevaluated, which is narrower.

use serde_json::{Map, Value, json};

use super::equivalents::{Equivalents, for_arrays};
use super::negation::any_of;
use super::prepare::too_complex;
use super::references::num_parts;
use crate::grammar::error::GrammarError;

/// Schemas that hold for one object, through references.
const MAX_HELD: usize = 200;
/// Ways to choose among branches.
const MAX_CHOICES: usize = 64;

type Fields = Map<String, Value>;

/// Properties that schemas speak of.
#[derive(Default)]
struct Evaluated {
    names: Fields,
    patterns: Fields,
    /// All of them.
    has_all: bool,
}

/// One of several ways in which a schema can hold.
struct Alternative {
    /// What holds then.
    held: Value,
    /// The part of it that evaluates properties.
    evaluates: Value,
}

impl Alternative {
    fn of(schema: Value) -> Self {
        Self { held: schema.clone(), evaluates: schema }
    }
}

/// Other properties than those that the schema, and what holds together with it, speak of.
pub(super) fn properties(schema: &Equivalents<'_>, value: &Value) -> Result<Value, GrammarError> {
    const KEYWORD: &str = "unevaluatedProperties";
    let held = held(schema, vec![schema.fields])?;
    let mut alternatives: Vec<Vec<Alternative>> = Vec::new();
    for fields in &held {
        for name in ["anyOf", "oneOf"] {
            let branches = fields.get(name).and_then(Value::as_array);
            alternatives.extend(branches.map(|branches| branches.iter().cloned().map(Alternative::of).collect()));
        }
        alternatives.extend(fields.get("if").map(|condition| outcomes(schema, condition, fields)));
    }
    let num_choices = alternatives.iter().try_fold(1usize, |product, branches| product.checked_mul(branches.len()));
    if num_choices.is_none_or(|num| num > MAX_CHOICES) {
        return Err(schema.refused(KEYWORD, &format!("beside more than {MAX_CHOICES} ways to choose among branches")));
    }
    let mut choices: Vec<Vec<&Alternative>> = vec![Vec::new()];
    for branches in &alternatives {
        let longer = choices.iter().flat_map(|chosen| {
            branches.iter().map(move |branch| chosen.iter().copied().chain([branch]).collect::<Vec<_>>())
        });
        choices = longer.collect();
    }
    let of_choice = |chosen: Vec<&Alternative>| {
        let mut all = held.clone();
        all.extend(self::held(schema, chosen.iter().filter_map(|chosen| chosen.evaluates.as_object()).collect())?);
        let evaluated = evaluated(schema, &all);
        schema
            .references
            .spend(chosen.iter().map(|chosen| num_parts(&chosen.held)).sum::<usize>() + all.len(), schema.place)?;
        let closed = json!({
            "properties": evaluated.names, "patternProperties": evaluated.patterns, "additionalProperties": value
        });
        let mut parts: Vec<Value> = chosen.into_iter().map(|chosen| chosen.held.clone()).collect();
        parts.extend((!evaluated.has_all).then_some(closed));
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { json!({ "allOf": parts }) })
    };
    let branches = choices.into_iter().map(of_choice).collect::<Result<Vec<_>, GrammarError>>()?;
    Ok(any_of(
        branches
            .into_iter()
            .map(|branch| if branch == json!({ "allOf": [] }) { json!(true) } else { branch })
            .collect(),
    ))
}

/// What can hold where a condition does, where it does not, and either way.
fn outcomes(schema: &Equivalents<'_>, condition: &Value, fields: &Fields) -> Vec<Alternative> {
    let then = fields.get("then").cloned().unwrap_or(json!(true));
    let mut outcomes = vec![Alternative::of(json!({ "allOf": [condition, then] }))];
    if let Some(evaluates) = fields.get("else")
        && let Ok(otherwise) = schema.negation("if").of(condition)
    {
        let held = json!({ "allOf": [otherwise, evaluates] });
        outcomes.push(Alternative { held, evaluates: evaluates.clone() });
    }
    outcomes.push(Alternative::of(json!(true)));
    outcomes
}

/// Schemas, and those that hold where they hold.
fn held<'a>(schema: &'a Equivalents<'_>, mut left: Vec<&'a Fields>) -> Result<Vec<&'a Fields>, GrammarError> {
    const KEYWORD: &str = "unevaluatedProperties";
    let mut held = Vec::new();
    while let Some(fields) = left.pop() {
        held.push(fields);
        if held.len() > MAX_HELD {
            return Err(too_complex(format!("more than {MAX_HELD} schemas beside {KEYWORD} (at {})", schema.place)));
        }
        left.extend(fields.get("allOf").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object));
        if fields.contains_key("$ref") {
            let target = schema.references.target(fields);
            left.extend(target.and_then(Value::as_object));
            if target.is_none() {
                return Err(schema.refused(KEYWORD, "beside a reference that is not known"));
            }
        }
    }
    Ok(held)
}

fn evaluated(schema: &Equivalents<'_>, held: &[&Fields]) -> Evaluated {
    let mut found = Evaluated::default();
    for fields in held {
        let is_nested = !std::ptr::eq(*fields, schema.fields);
        let members = |name: &str| fields.get(name).and_then(Value::as_object).into_iter().flatten();
        found.names.extend(members("properties").map(|(key, _)| (key.clone(), json!(true))));
        found.patterns.extend(members("patternProperties").map(|(key, _)| (key.clone(), json!(true))));
        found.has_all |= fields.contains_key("additionalProperties");
        found.has_all |= is_nested && fields.contains_key("unevaluatedProperties");
    }
    found
}

/// Other items than those that the schema speaks of.
pub(super) fn items(schema: &Equivalents<'_>, value: &Value) -> Result<Value, GrammarError> {
    const KEYWORD: &str = "unevaluatedItems";
    let evaluators =
        ["$ref", "allOf", "anyOf", "oneOf", "if", "contains", "dependentSchemas", "$dynamicRef", "$recursiveRef"];
    if let Some(name) = evaluators.iter().find(|name| schema.fields.contains_key(**name)) {
        return Err(schema.refused(KEYWORD, &format!("beside {name}")));
    }
    let items = schema.fields.get("items");
    // Without a list of schemas before them `additionalItems` says nothing.
    let has_all = |items: &Value| !items.is_array() || schema.fields.contains_key("additionalItems");
    if items.is_some_and(has_all) {
        return Ok(json!(true));
    }
    let tuple = schema.fields.get("prefixItems").or(schema.fields.get("items")).and_then(Value::as_array);
    let evaluated = vec![json!(true); tuple.map_or(0, Vec::len)];
    Ok(for_arrays(json!({ "items": evaluated, "additionalItems": value })))
}
