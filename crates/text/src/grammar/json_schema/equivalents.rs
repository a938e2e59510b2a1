//! Keywords that llguidance does not have, said in those that it has: schemas that hold for the same value, in place of the
//! keyword. They may be narrower than it, as the guide says, never wider. What cannot be said is refused by its name.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

use super::disjoint::{self, Resolve};
use super::negation::{Negation, any_of, has_siblings, lacks};
use super::prepare::{invalid, unsupported};
use super::references::{References, num_parts};
use super::sorted_lists::{self, Spacing};
use super::{bounded_patterns, unevaluated};
use crate::grammar::error::GrammarError;

/// Lists that `uniqueItems` may be written out as.
const MAX_LISTS: usize = 400;
/// Places in a list at which the first item that `contains` asks for may stand.
const MAX_PLACES: u64 = 8;
/// Items that `contains` may ask for.
const MAX_CONTAINED: u64 = 32;
/// References that lead to each other.
const MAX_HOPS: usize = 16;

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
            "unevaluatedProperties" => unevaluated::properties(self, value),
            "unevaluatedItems" => unevaluated::items(self, value),
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

    pub(super) fn refused(&self, name: &str, reason: &str) -> GrammarError {
        unsupported(self.place, name, reason)
    }

    pub(super) fn negation<'b>(&'b self, name: &'b str) -> Negation<'b> {
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
        const LENGTHS: [&str; 2] = ["minLength", "maxLength"];
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
            (num, Some(pattern), None)
                if num == 1 + LENGTHS.iter().filter(|name| asked.contains_key(**name)).count() =>
            {
                let bounded =
                    bounded_patterns::with_lengths(pattern, length("minLength").unwrap_or(0), length("maxLength"));
                bounded.ok_or_else(|| self.refused(KEYWORD, "a pattern of several repetitions beside lengths"))?
            }
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
        let (least, most) = if self.references.counts_contained() {
            (count("minContains")?.unwrap_or(1), count("maxContains")?)
        } else {
            (1, None)
        };
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

    /// The different values that items may have, if a schema for all of them lists scalars.
    fn listed_items(&self) -> Option<Vec<Value>> {
        let items = self.fields.get("items").map(|items| self.references.resolved(items));
        let mut different: Vec<Value> = Vec::new();
        for value in items.and_then(values_of)? {
            let is_known = different.iter().any(|known| match (known.as_f64(), value.as_f64()) {
                (Some(known), Some(value)) => known == value,
                _ => *known == value,
            });
            if !is_known {
                different.push(value);
            }
        }
        Some(different)
    }

    /// A pattern for the lists that `uniqueItems` allows, in the order of the values, where they are too many to be written
    /// out.
    pub(super) fn sorted_lists(&self, keyword: &str, spacing: Spacing) -> Option<String> {
        let others = ["prefixItems", "additionalItems", "contains", "unevaluatedItems"];
        if keyword != "uniqueItems" || others.iter().any(|name| self.fields.contains_key(*name)) {
            return None;
        }
        let least = self.fields.get("minItems").map_or(Some(0), Value::as_u64)?;
        let most = self.fields.get("maxItems").map_or(Some(u64::MAX), Value::as_u64)?;
        let values = self.listed_items()?;
        if most < values.len() as u64 { None } else { sorted_lists::pattern(&values, least, spacing) }
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
        let different = self
            .listed_items()
            .ok_or_else(|| self.refused(KEYWORD, "only items of a short list of values are known to be different"))?;
        let most = most.min(different.len() as u64);
        // In any order, or where that are too many, in the order of the values.
        let (mut num_lists, mut num_sorted) = (0usize, 0usize);
        let (mut num_of_length, mut num_sorted_of_length) = (1usize, 1usize);
        for length in 0..=most {
            if length >= least {
                num_lists = num_lists.saturating_add(num_of_length);
                num_sorted = num_sorted.saturating_add(num_sorted_of_length);
            }
            let num_left = different.len() - length as usize;
            num_of_length = num_of_length.saturating_mul(num_left);
            num_sorted_of_length = num_sorted_of_length.saturating_mul(num_left) / (length as usize + 1);
        }
        let in_order = num_lists > MAX_LISTS;
        if in_order && num_sorted > MAX_LISTS {
            return Err(self.refused(KEYWORD, &format!("more than {MAX_LISTS} sets of different items")));
        }
        let num_written: usize = different.iter().map(num_parts).sum();
        let num_lists = if in_order { num_sorted } else { num_lists };
        self.references.spend(num_lists.saturating_mul(num_written), self.place)?;
        let mut lists = Lists { values: &different, least, most, lists: Vec::with_capacity(num_lists) };
        if in_order {
            lists.sorted(&mut Vec::new(), 0)
        } else {
            lists.all(&mut Vec::new())
        }
        Ok(for_arrays(any_of(lists.lists)))
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
pub(super) fn for_arrays(schema: Value) -> Value {
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

/// Lists of different values, each as a schema.
struct Lists<'a> {
    values: &'a [Value],
    least: u64,
    most: u64,
    lists: Vec<Value>,
}

impl<'a> Lists<'a> {
    fn all(&mut self, list: &mut Vec<&'a Value>) {
        self.write(list);
        if (list.len() as u64) < self.most {
            for value in self.values {
                if !list.contains(&value) {
                    list.push(value);
                    self.all(list);
                    list.pop();
                }
            }
        }
    }

    /// Those in the order of the values, of which the first `num_passed` are in the list or left out.
    fn sorted(&mut self, list: &mut Vec<&'a Value>, num_passed: usize) {
        self.write(list);
        if (list.len() as u64) < self.most {
            for (index, value) in self.values.iter().enumerate().skip(num_passed) {
                list.push(value);
                self.sorted(list, index + 1);
                list.pop();
            }
        }
    }

    fn write(&mut self, list: &[&Value]) {
        if list.len() as u64 >= self.least {
            let items: Vec<Value> = list.iter().map(|value| json!({ "const": value })).collect();
            self.lists.push(json!({ "items": items, "additionalItems": false, "minItems": list.len() }));
        }
    }
}
