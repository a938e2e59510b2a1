//! Whether nothing else holds for the values that stand-ins are for. llguidance takes a stand-in for the string that it is, and
//! would let bounds of numbers, say, that hold for the same value pass unheeded.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};

use super::definitions;
use super::prepare::{too_complex, unsupported};
use crate::grammar::error::GrammarError;
use crate::grammar::stand_ins::StandIn;

/// Begins references to stand-ins; their numbers follow.
pub(super) const PREFIX: &str = "#/$defs/text";
/// Sets of schemas that are looked at.
const MAX_SETS: usize = 20_000;
/// Most schemas that hold for one value.
const MAX_SET_SIZE: usize = 500;

/// A schema that holds for a value, or what it says but for its combinations.
#[derive(Clone, Copy)]
struct Part<'a> {
    fields: &'a Map<String, Value>,
    is_bare: bool,
}

/// What holds together for one value.
#[derive(Default)]
struct Held<'a> {
    bare: Vec<&'a Map<String, Value>>,
    /// Lists of branches, of each of which one holds.
    alternatives: Vec<&'a Value>,
    stand_ins: Vec<&'a Value>,
}

/// Fails if something else holds where a stand-in does.
pub(super) fn check(root: &Value, definitions: &[Value], stand_ins: &[StandIn]) -> Result<(), GrammarError> {
    let mut seen = HashSet::new();
    let mut left = vec![parts([root])];
    while let Some(set) = left.pop() {
        let mut key: Vec<_> = set.iter().map(|part| (std::ptr::from_ref(part.fields), part.is_bare)).collect();
        key.sort_unstable();
        key.dedup();
        if !seen.insert(key) {
            continue;
        }
        if seen.len() > MAX_SETS {
            return Err(too_complex("too many schemas hold for the same values as multipleOf or uniqueItems"));
        }
        let held = held(set, definitions)?;
        let is_alone = held.stand_ins.len() == 1 && held.bare.is_empty() && held.alternatives.is_empty();
        if let Some(reference) = held.stand_ins.first().filter(|_| !is_alone) {
            let number = reference.as_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<usize>().ok());
            let keyword = number.and_then(|number| stand_ins.get(number)).map_or("$ref", |stand_in| stand_in.keyword);
            return Err(unsupported("", keyword, "what it allows beside other schemas for the same value"));
        }
        if held.alternatives.is_empty() {
            left.extend(of_properties(&held.bare));
            left.extend(of_items(&held.bare));
        }
        for (index, branches) in held.alternatives.iter().enumerate() {
            let others = held.alternatives.iter().enumerate().filter(|(other, _)| *other != index);
            let bare = held.bare.iter().map(|fields| Part { fields, is_bare: true });
            let beside: Vec<Part<'_>> = bare.chain(others.flat_map(|(_, others)| parts(list(others)))).collect();
            for branch in list(branches) {
                left.push([beside.clone(), parts([branch])].concat());
            }
        }
    }
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn parts<'a>(schemas: impl IntoIterator<Item = &'a Value>) -> Vec<Part<'a>> {
    schemas.into_iter().filter_map(Value::as_object).map(|fields| Part { fields, is_bare: false }).collect()
}

fn held<'a>(set: Vec<Part<'a>>, definitions: &'a [Value]) -> Result<Held<'a>, GrammarError> {
    let mut held = Held::default();
    let mut left = set;
    let mut seen = HashSet::new();
    while let Some(part) = left.pop() {
        if !seen.insert(std::ptr::from_ref(part.fields)) {
            continue;
        }
        if seen.len() > MAX_SET_SIZE {
            return Err(too_complex("too many schemas hold for the same value as multipleOf or uniqueItems"));
        }
        let combines = |name: &str| ["$ref", "allOf", "anyOf", "oneOf", "$defs"].contains(&name);
        if part.fields.keys().any(|name| !combines(name)) {
            held.bare.push(part.fields);
        }
        if part.is_bare {
            continue;
        }
        match part.fields.get("$ref").map(|reference| definitions::number(reference).and_then(|n| definitions.get(n))) {
            Some(Some(definition)) => left.extend(parts([definition])),
            Some(None) => held.stand_ins.extend(part.fields.get("$ref")),
            None => {}
        }
        left.extend(parts(part.fields.get("allOf").map(list).unwrap_or_default()));
        held.alternatives.extend(["anyOf", "oneOf"].iter().filter_map(|name| part.fields.get(*name)));
    }
    Ok(held)
}

fn of_properties<'a>(bare: &[&'a Map<String, Value>]) -> Vec<Vec<Part<'a>>> {
    let members =
        |fields: &'a Map<String, Value>, name| fields.get(name).and_then(Value::as_object).into_iter().flatten();
    let patterns: Vec<&Value> =
        bare.iter().flat_map(|fields| members(fields, "patternProperties")).map(|(_, schema)| schema).collect();
    let mut named: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for (name, _) in bare.iter().flat_map(|fields| members(fields, "properties")) {
        named.entry(name).or_insert_with(|| patterns.clone());
    }
    for (name, schemas) in &mut named {
        schemas.extend(bare.iter().filter_map(|fields| {
            let own = fields.get("properties").and_then(|properties| properties.get(*name));
            own.or(fields.get("additionalProperties"))
        }));
    }
    let others = bare.iter().filter_map(|fields| fields.get("additionalProperties"));
    let mut sets: Vec<Vec<Part<'_>>> = named.into_values().map(parts).collect();
    if bare.len() == 1 {
        // The patterns of one schema exclude each other.
        sets.extend(others.chain(patterns).map(|schema| parts([schema])));
    } else {
        sets.push(parts(others.chain(patterns)));
    }
    sets
}

fn of_items<'a>(bare: &[&'a Map<String, Value>]) -> Vec<Vec<Part<'a>>> {
    let of_one = |fields: &&'a Map<String, Value>| {
        let tuple = fields.get("prefixItems").map(list).unwrap_or_default();
        tuple.iter().chain(fields.get("items")).collect::<Vec<_>>()
    };
    let items: Vec<Vec<&Value>> = bare.iter().map(of_one).filter(|items| !items.is_empty()).collect();
    match items.as_slice() {
        [of_one] => of_one.iter().map(|schema| parts([*schema])).collect(),
        of_several => vec![parts(of_several.iter().flatten().copied())],
    }
}
