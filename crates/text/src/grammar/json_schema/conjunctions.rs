//! Patterns that must hold for the same string. Whether any string satisfies them all is decided by building their
//! intersection, which can be as large as the product of their sizes: that product has a limit here.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};

use super::definitions;
use super::prepare::too_complex;
use crate::grammar::error::GrammarError;

/// Binary logarithm of the greatest product.
const MAX_LOG_SIZE: f64 = 20.0;
/// Sets of schemas that are looked at.
const MAX_SETS: usize = 50_000;
/// Most schemas that hold for one value.
const MAX_SET_SIZE: usize = 2_000;

pub(super) struct Conjunctions<'a> {
    definitions: &'a [Value],
    seen: HashSet<Vec<*const Value>>,
}

/// Fails if patterns meet that are too large together.
pub(super) fn check(root: &Value, definitions: &[Value]) -> Result<(), GrammarError> {
    let mut conjunctions = Conjunctions { definitions, seen: HashSet::new() };
    let mut left = vec![vec![root]];
    while let Some(set) = left.pop() {
        let mut key: Vec<*const Value> = set.iter().map(|schema| std::ptr::from_ref(*schema)).collect();
        key.sort_unstable();
        key.dedup();
        if !conjunctions.seen.insert(key) {
            continue;
        }
        if conjunctions.seen.len() > MAX_SETS {
            return Err(too_complex("too many schemas hold for the same values"));
        }
        left.extend(conjunctions.parts(&set)?);
    }
    Ok(())
}

impl<'a> Conjunctions<'a> {
    /// Sets of schemas for the parts of a value for which all of `set` holds.
    fn parts(&self, set: &[&'a Value]) -> Result<Vec<Vec<&'a Value>>, GrammarError> {
        let held = self.held(set)?;
        let sizes: Vec<f64> = held.iter().filter_map(|fields| fields.get("pattern")?.as_str()).map(log_size).collect();
        if sizes.len() > 1 && sizes.iter().sum::<f64>() > MAX_LOG_SIZE {
            let limit = format!("{} patterns for the same string are too large together", sizes.len());
            return Err(too_complex(limit));
        }
        let mut named: BTreeMap<&str, Vec<&'a Value>> = BTreeMap::new();
        let mut of_others: Vec<&'a Value> = Vec::new();
        let mut items: Vec<&'a Value> = Vec::new();
        for fields in held {
            for (name, schema) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
                named.entry(name).or_default().push(schema);
            }
            of_others
                .extend(fields.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::values));
            of_others.extend(fields.get("additionalProperties"));
            items.extend(fields.get("prefixItems").and_then(Value::as_array).into_iter().flatten());
            items.extend(fields.get("items"));
        }
        let others = of_others.iter().copied().filter(|schema| schema.is_object()).collect::<Vec<_>>();
        let mut parts: Vec<Vec<&'a Value>> = Vec::new();
        if set.len() == 1 && others.len() <= 1 {
            // Where one schema holds, so does one for each part.
            parts.extend(named.into_values().flatten().map(|schema| vec![schema]));
            parts.extend(others.into_iter().map(|schema| vec![schema]));
            parts.extend(items.into_iter().map(|schema| vec![schema]));
        } else {
            parts.extend(named.into_values().map(|schemas| [schemas, others.clone()].concat()));
            parts.extend([others, items]);
        }
        parts.retain(|part| !part.is_empty());
        Ok(parts)
    }

    /// The schemas that hold where `set` holds, each without its combinations; of alternatives, all.
    fn held(&self, set: &[&'a Value]) -> Result<Vec<&'a Map<String, Value>>, GrammarError> {
        let mut left: Vec<&'a Value> = set.to_vec();
        let mut held = Vec::new();
        let mut seen = HashSet::new();
        while let Some(schema) = left.pop() {
            let Some(fields) = schema.as_object() else { continue };
            if !seen.insert(std::ptr::from_ref(schema)) {
                continue;
            }
            if held.len() > MAX_SET_SIZE {
                return Err(too_complex("too many schemas hold for the same value"));
            }
            held.push(fields);
            let reference = fields.get("$ref").and_then(definitions::number);
            left.extend(reference.and_then(|number| self.definitions.get(number)));
            left.extend(fields.get("allOf").and_then(Value::as_array).into_iter().flatten());
            for name in ["anyOf", "oneOf"] {
                // Alternatives do not meet each other: the one with the largest pattern stands for all of them, unless
                // what they say is deeper.
                let branches = fields.get(name).and_then(Value::as_array).into_iter().flatten();
                let (patterns, deeper): (Vec<_>, Vec<_>) = branches.partition(|branch| is_pattern(branch));
                left.extend(deeper);
                left.extend(patterns.into_iter().max_by(|a, b| size_of(a).total_cmp(&size_of(b))));
            }
        }
        Ok(held)
    }
}

fn is_pattern(schema: &Value) -> bool {
    schema.get("pattern").is_some() && ["$ref", "allOf", "anyOf", "oneOf"].iter().all(|name| schema.get(name).is_none())
}

fn size_of(schema: &Value) -> f64 {
    schema.get("pattern").and_then(Value::as_str).map_or(0.0, log_size)
}

/// Binary logarithm of the number of places in a pattern.
fn log_size(pattern: &str) -> f64 {
    let size = regex_syntax::parse(pattern).map_or(f64::MAX, |parsed| size(&parsed));
    size.max(1.0).log2()
}

fn size(node: &regex_syntax::hir::Hir) -> f64 {
    use regex_syntax::hir::HirKind;
    let within: f64 = node.kind().subs().iter().map(size).sum();
    match node.kind() {
        HirKind::Literal(literal) => literal.0.len() as f64,
        HirKind::Class(_) => 1.0,
        HirKind::Repetition(repetition) => within * f64::from(repetition.max.unwrap_or(repetition.min).max(1)),
        _ => within,
    }
}
