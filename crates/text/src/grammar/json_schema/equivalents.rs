//! Keywords that llguidance does not have, said in those that it has: schemas that hold for the same value, in place of the
//! keyword. They may be narrower than it, as the guide says, never wider. What cannot be said is refused by its name.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

use super::disjoint::{self, Resolve};
use super::negation::{Negation, any_of, has_siblings, lacks};
use super::prepare::{invalid, too_complex, unsupported};
use super::references::{References, num_parts};
use crate::grammar::error::GrammarError;

/// Lists that `uniqueItems` may be written out as.
const MAX_LISTS: usize = 400;
/// Places in a list at which the first item that `contains` asks for may stand.
const MAX_PLACES: u64 = 8;
/// Items that `contains` may ask for.
const MAX_CONTAINED: u64 = 32;
/// References that lead to each other.
const MAX_HOPS: usize = 16;
/// Schemas that hold for one object, through references.
const MAX_HELD: usize = 200;

pub(super) struct Equivalents<'a> {
    pub(super) references: &'a References<'a>,
    pub(super) fields: &'a Map<String, Value>,
    pub(super) place: &'a str,
}

impl Equivalents<'_> {
    /// What holds exactly, or more narrowly, where the keyword `name` does.
    pub(super) fn of(&self, name: &str, value: &Value) -> Result<Value, GrammarError> {
        if self.references.has_parts_with_ids() {
            return Err(self.refused(name, "beside parts with a $id of their own"));
        }
        match name {
            "not" => self.negation(name).of(value),
            "if" => self.conditional(value),
            "dependentRequired" | "dependentSchemas" | "dependencies" => self.dependent(name, value),
            "propertyNames" => self.property_names(value),
            "contains" => self.contains(value),
            "uniqueItems" => self.unique_items(),
            "unevaluatedProperties" => self.unevaluated_properties(value),
            "unevaluatedItems" => self.unevaluated_items(value),
            _ => Err(self.refused(name, "")),
        }
    }

    /// `oneOf`: each branch where the branches that it is not known to exclude do not hold.
    pub(super) fn one_of(&self, branches: &[Value]) -> Result<Value, GrammarError> {
        if self.references.has_parts_with_ids() {
            return Err(self.refused("oneOf", "beside parts with a $id of their own"));
        }
        let mut exclusive = Vec::with_capacity(branches.len());
        for (index, branch) in branches.iter().enumerate() {
            let mut all = vec![branch.clone()];
            for (other_index, other) in branches.iter().enumerate() {
                if other_index != index && !disjoint::are(branch, other, self.references) {
                    // Numbers that are not whole are not told from those that are.
                    if names_type(branch, "number") && names_type(other, "integer") {
                        return Err(self.refused("oneOf", "integers beside numbers"));
                    }
                    self.references.spend(num_parts(branch), self.place)?;
                    all.push(self.negation("oneOf").of(other)?);
                }
            }
            exclusive.push(json!({ "allOf": all }));
        }
        Ok(any_of(exclusive))
    }

    fn refused(&self, name: &str, reason: &str) -> GrammarError {
        unsupported(self.place, name, reason)
    }

    fn negation<'b>(&'b self, name: &'b str) -> Negation<'b> {
        Negation::new(self.references, name, self.place)
    }

    fn conditional(&self, condition: &Value) -> Result<Value, GrammarError> {
        let branch = |held: Value, name| match self.fields.get(name) {
            Some(schema) => json!({ "allOf": [held, schema] }),
            None => held,
        };
        let otherwise = self.negation("if").of(condition)?;
        self.references.spend(
            ["then", "else"].iter().filter_map(|name| self.fields.get(*name)).map(num_parts).sum(),
            self.place,
        )?;
        Ok(any_of(vec![branch(condition.clone(), "then"), branch(otherwise, "else")]))
    }

    fn dependent(&self, keyword: &str, value: &Value) -> Result<Value, GrammarError> {
        let dependencies =
            value.as_object().ok_or_else(|| invalid(self.place, format!("{keyword} must be an object")))?;
        self.references.spend(num_parts(value), self.place)?;
        let all = dependencies.iter().map(|(name, wanted)| {
            let wanted = match wanted {
                Value::Array(names) => json!({ "required": names }),
                Value::String(name) => json!({ "required": [name] }),
                schema => schema.clone(),
            };
            any_of(vec![lacks(name), has(name, &wanted)])
        });
        Ok(json!({ "allOf": all.collect::<Vec<_>>() }))
    }

    fn property_names(&self, names: &Value) -> Result<Value, GrammarError> {
        const KEYWORD: &str = "propertyNames";
        let mut schema = names;
        for _ in 0..MAX_HOPS {
            let Some(fields) = schema.as_object().filter(|fields| fields.contains_key("$ref")) else { break };
            if has_siblings(fields) {
                return Err(self.refused(KEYWORD, "a reference beside other keywords"));
            }
            schema = self.references.target(fields).ok_or_else(|| self.refused(KEYWORD, "an unknown reference"))?;
        }
        let asked: Map<String, Value> = match schema {
            Value::Bool(true) => return Ok(json!(true)),
            Value::Bool(false) => return Ok(json!({ "maxProperties": 0 })),
            Value::Object(fields) => {
                let matters = |name: &str| !matches!(super::keywords::of(name), super::keywords::Keyword::Annotation);
                fields
                    .iter()
                    .filter(|(name, _)| matters(name))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect()
            }
            _ => return Err(invalid(self.place, "propertyNames must be a schema")),
        };
        let of_strings = |name: &str| super::keywords::type_of(name).is_none_or(|kind| kind == "string");
        let mut asked: Map<String, Value> = asked.into_iter().filter(|(name, _)| of_strings(name)).collect();
        match asked.remove("type") {
            None => {}
            Some(Value::String(name)) if name == "string" => {}
            Some(Value::Array(names)) if names.contains(&json!("string")) => {}
            Some(_) => return Ok(json!({ "maxProperties": 0 })),
        }
        let listed = match (asked.remove("const"), asked.remove("enum")) {
            (None, None) => None,
            (Some(value), None) => Some(vec![value]),
            (None, Some(Value::Array(values))) => Some(values),
            _ => return Err(self.refused(KEYWORD, "")),
        };
        if let Some(values) = listed {
            if !asked.is_empty() {
                return Err(self.refused(KEYWORD, "a list of names beside other keywords"));
            }
            let allowed = values.iter().filter_map(Value::as_str).map(|name| (name.to_owned(), json!(true)));
            return Ok(json!({ "properties": allowed.collect::<Map<_, _>>(), "additionalProperties": false }));
        }
        if asked.is_empty() {
            return Ok(json!(true));
        }
        let length = |name| asked.get(name).and_then(Value::as_u64);
        let pattern = match (asked.len(), asked.get("pattern").and_then(Value::as_str), asked.get("format")) {
            (1, Some(pattern), None) => pattern.to_owned(),
            (1, None, Some(format)) => match format.as_str().and_then(super::formats::lookup) {
                Some(super::formats::Format::Pattern(pattern)) => pattern,
                _ => return Err(self.refused(KEYWORD, "a format that has no pattern")),
            },
            (num, None, None) => {
                let (least, most) = (length("minLength"), length("maxLength"));
                if usize::from(least.is_some()) + usize::from(most.is_some()) != num {
                    return Err(self.refused(KEYWORD, "it may have a list, a pattern, a format or lengths"));
                }
                let most = most.map(|most| most.to_string()).unwrap_or_default();
                format!("^[^]{{{},{most}}}$", least.unwrap_or(0))
            }
            _ => return Err(self.refused(KEYWORD, "a pattern beside other keywords")),
        };
        Ok(json!({ "patternProperties": { pattern: true }, "additionalProperties": false }))
    }

    /// Items that are asked for stand together, behind a few others.
    fn contains(&self, wanted: &Value) -> Result<Value, GrammarError> {
        let count = |name: &str| match self.fields.get(name) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(count) if count >= 0.0 && count.fract() == 0.0 && count < 4e9 => Ok(Some(count as u64)),
                _ => Err(invalid(self.place, format!("{name} must be a whole number, at least 0"))),
            },
        };
        let least = count("minContains")?.unwrap_or(1);
        let most = count("maxContains")?;
        let max_items = count("maxItems")?.unwrap_or(u64::from(u32::MAX));
        if least > MAX_CONTAINED {
            return Err(self.refused("contains", &format!("more than {MAX_CONTAINED} items are asked for")));
        }
        // Where their number has a bound, the others must not be of them.
        let (others, counts) = match most {
            None => (json!(true), least..=least),
            Some(most) => (self.negation("contains").of(wanted)?, least..=most.min(least + MAX_PLACES)),
        };
        let mut lists = Vec::new();
        for num_wanted in counts {
            for num_before in 0..if num_wanted == 0 { 1 } else { MAX_PLACES } {
                let num_items = num_before + num_wanted;
                if num_items > max_items {
                    break;
                }
                let num_written =
                    num_wanted as usize * num_parts(wanted) + (num_before as usize + 1) * num_parts(&others);
                self.references.spend(num_written, self.place)?;
                let mut items = vec![others.clone(); num_before as usize];
                items.extend(std::iter::repeat_n(wanted.clone(), num_wanted as usize));
                lists.push(json!({ "items": items, "additionalItems": others, "minItems": num_items }));
            }
        }
        Ok(for_arrays(any_of(lists)))
    }

    /// Lists of different values, each written out; or items that are different by their types.
    fn unique_items(&self) -> Result<Value, GrammarError> {
        const KEYWORD: &str = "uniqueItems";
        let count = |name: &str| self.fields.get(name).and_then(Value::as_u64);
        let (least, most) = (count("minItems").unwrap_or(0), count("maxItems").unwrap_or(u64::MAX));
        let tuple = self.fields.get("prefixItems").or(self.fields.get("items").filter(|items| items.is_array()));
        if let Some(tuple) = tuple.and_then(Value::as_array) {
            let rest =
                self.fields.get(if self.fields.contains_key("prefixItems") { "items" } else { "additionalItems" });
            let ends = rest == Some(&json!(false)) || most <= tuple.len() as u64;
            let are_different = tuple.iter().enumerate().all(|(index, item)| {
                tuple[index + 1..].iter().all(|other| disjoint::are(item, other, self.references))
            });
            return if ends && are_different { Ok(json!(true)) } else { Err(self.refused(KEYWORD, "")) };
        }
        let items = self.fields.get("items").map(|items| self.references.resolved(items));
        let values = items
            .and_then(values_of)
            .ok_or_else(|| self.refused(KEYWORD, "only items of a short list of values are known to be different"))?;
        let mut different: Vec<Value> = Vec::new();
        for value in values {
            let is_known = different.iter().any(|known| match (known.as_f64(), value.as_f64()) {
                (Some(known), Some(value)) => known == value,
                _ => *known == value,
            });
            if !is_known {
                different.push(value);
            }
        }
        let most = most.min(different.len() as u64);
        let (mut num_lists, mut num_of_length) = (usize::from(least == 0), 1usize);
        for length in 0..most {
            num_of_length = num_of_length.saturating_mul(different.len() - length as usize);
            num_lists = num_lists.saturating_add(if length + 1 >= least { num_of_length } else { 0 });
        }
        if num_lists > MAX_LISTS {
            let limit = format!("more than {MAX_LISTS} lists of different items");
            return Err(self.refused(KEYWORD, &limit));
        }
        let num_written: usize = different.iter().map(num_parts).sum();
        self.references.spend(num_lists.saturating_mul(num_written), self.place)?;
        let mut lists = Vec::with_capacity(num_lists);
        write_lists(&different, &mut Vec::new(), least, most, &mut lists);
        Ok(for_arrays(any_of(lists)))
    }

    /// Other properties than those that the schema, and what holds together with it, speak of.
    fn unevaluated_properties(&self, value: &Value) -> Result<Value, GrammarError> {
        const KEYWORD: &str = "unevaluatedProperties";
        let (mut names, mut patterns) = (Map::new(), Map::new());
        let mut left: Vec<&Map<String, Value>> = vec![self.fields];
        let mut num_held = 0;
        while let Some(fields) = left.pop() {
            num_held += 1;
            if num_held > MAX_HELD {
                return Err(too_complex(format!("more than {MAX_HELD} schemas beside {KEYWORD} (at {})", self.place)));
            }
            let is_nested = num_held > 1;
            for (name, schema) in fields {
                match name.as_str() {
                    "properties" => {
                        names.extend(
                            schema.as_object().into_iter().flatten().map(|(key, _)| (key.clone(), json!(true))),
                        );
                    }
                    "patternProperties" => {
                        patterns.extend(
                            schema.as_object().into_iter().flatten().map(|(key, _)| (key.clone(), json!(true))),
                        );
                    }
                    // All are evaluated there.
                    "additionalProperties" => return Ok(json!(true)),
                    KEYWORD if is_nested => return Ok(json!(true)),
                    "allOf" => left.extend(schema.as_array().into_iter().flatten().filter_map(Value::as_object)),
                    "$ref" => {
                        let target = self.references.target(fields);
                        left.extend(target.and_then(Value::as_object));
                        if target.is_none() {
                            return Err(self.refused(KEYWORD, "beside a reference that is not known"));
                        }
                    }
                    "anyOf" | "oneOf" | "if" | "dependentSchemas" | "dependencies" | "$dynamicRef"
                    | "$recursiveRef" => {
                        return Err(self.refused(KEYWORD, &format!("beside {name}")));
                    }
                    _ => {}
                }
            }
        }
        Ok(json!({ "properties": names, "patternProperties": patterns, "additionalProperties": value }))
    }

    fn unevaluated_items(&self, value: &Value) -> Result<Value, GrammarError> {
        const KEYWORD: &str = "unevaluatedItems";
        let evaluators =
            ["$ref", "allOf", "anyOf", "oneOf", "if", "contains", "dependentSchemas", "$dynamicRef", "$recursiveRef"];
        if let Some(name) = evaluators.iter().find(|name| self.fields.contains_key(**name)) {
            return Err(self.refused(KEYWORD, &format!("beside {name}")));
        }
        let items = self.fields.get("items").filter(|items| !items.is_array());
        if items.is_some() || self.fields.contains_key("additionalItems") {
            return Ok(json!(true));
        }
        let tuple = self.fields.get("prefixItems").or(self.fields.get("items")).and_then(Value::as_array);
        let evaluated = vec![json!(true); tuple.map_or(0, Vec::len)];
        Ok(for_arrays(json!({ "items": evaluated, "additionalItems": value })))
    }
}

/// Objects with a property, which comes first, and what else holds for them.
fn has(name: &str, wanted: &Value) -> Value {
    json!({ "properties": { (name): true }, "additionalProperties": true, "required": [name], "allOf": [wanted] })
}

fn names_type(schema: &Value, name: &str) -> bool {
    schema
        .get("type")
        .is_some_and(|kinds| kinds == name || kinds.as_array().is_some_and(|kinds| kinds.contains(&json!(name))))
}

/// Says nothing about what is no list.
fn for_arrays(schema: Value) -> Value {
    any_of(vec![
        json!({ "type": ["null", "boolean", "number", "string", "object"] }),
        json!({ "type": "array", "allOf": [schema] }),
    ])
}

/// The scalars that a schema allows, if it lists them.
fn values_of(schema: &Value) -> Option<Vec<Value>> {
    let fields = schema.as_object()?;
    let kinds: Option<BTreeSet<&str>> = match fields.get("type") {
        None => None,
        Some(Value::String(kind)) => Some(BTreeSet::from([kind.as_str()])),
        Some(kinds) => Some(kinds.as_array()?.iter().filter_map(Value::as_str).collect()),
    };
    let values = match (fields.get("const"), fields.get("enum"), kinds) {
        (Some(value), _, _) => vec![value.clone()],
        (None, Some(Value::Array(values)), _) => values.clone(),
        (None, None, Some(kinds)) if kinds.iter().all(|kind| ["null", "boolean"].contains(kind)) => {
            [Value::Null, json!(false), json!(true)]
                .into_iter()
                .filter(|value| kinds.contains(if value.is_null() { "null" } else { "boolean" }))
                .collect()
        }
        (None, None, Some(kinds)) if kinds.iter().all(|kind| *kind == "integer") => {
            let bound = |name: &str| fields.get(name).and_then(Value::as_i64);
            let (least, most) = (bound("minimum")?, bound("maximum")?);
            let others = ["exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
            if most.checked_sub(least)? > 20 || others.iter().any(|name| fields.contains_key(*name)) {
                return None;
            }
            (least..=most).map(|value| json!(value)).collect()
        }
        _ => return None,
    };
    values.iter().all(|value| !value.is_array() && !value.is_object()).then_some(values)
}

fn write_lists(values: &[Value], list: &mut Vec<Value>, least: u64, most: u64, lists: &mut Vec<Value>) {
    if list.len() as u64 >= least {
        let items: Vec<Value> = list.iter().map(|value| json!({ "const": value })).collect();
        lists.push(json!({ "items": items, "additionalItems": false, "minItems": list.len() }));
    }
    if list.len() as u64 == most {
        return;
    }
    for value in values {
        if !list.contains(value) {
            list.push(value.clone());
            write_lists(values, list, least, most, lists);
            list.pop();
        }
    }
}
