//! Where references lead. Only into the schema itself: nothing is ever fetched.

use serde_json::{Map, Value};
use std::cell::Cell;
use std::collections::HashMap;

use super::disjoint::Resolve;
use super::prepare::{invalid, too_complex, unsupported};
use crate::grammar::error::GrammarError;
use crate::grammar::limits::MAX_DERIVED;

/// Values that are data and no schemas.
pub(super) const DATA: [&str; 5] = ["enum", "const", "default", "examples", "example"];

#[derive(Debug)]
pub(super) struct References<'a> {
    root: &'a Value,
    /// Pointers by `$id`, as written.
    ids: HashMap<&'a str, String>,
    /// Pointers by the pointer of their resource and the anchor's name.
    anchors: HashMap<(String, &'a str), String>,
    /// Work that may still be done to say keywords in other words.
    work: Cell<usize>,
}

impl<'a> References<'a> {
    /// Collects the names that the schema gives to its parts.
    pub(super) fn new(root: &'a Value) -> Self {
        let mut references = Self { root, ids: HashMap::new(), anchors: HashMap::new(), work: Cell::new(MAX_DERIVED) };
        references.collect(root, String::new(), String::new());
        references
    }

    fn collect(&mut self, value: &'a Value, pointer: String, resource: String) {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.collect(item, format!("{pointer}/{index}"), resource.clone());
                }
            }
            Value::Object(fields) => {
                let mut resource = resource;
                if let Some(id) = fields.get("$id").and_then(Value::as_str) {
                    match id.strip_prefix('#') {
                        Some(anchor) => {
                            self.anchors.insert((resource.clone(), anchor), pointer.clone());
                        }
                        None => {
                            resource.clone_from(&pointer);
                            self.ids.insert(id.trim_end_matches('#'), pointer.clone());
                        }
                    }
                }
                for name in ["$anchor", "$dynamicAnchor"] {
                    if let Some(anchor) = fields.get(name).and_then(Value::as_str) {
                        self.anchors.insert((resource.clone(), anchor), pointer.clone());
                    }
                }
                for (name, field) in fields {
                    if !DATA.contains(&name.as_str()) {
                        self.collect(field, format!("{pointer}/{}", escape(name)), resource.clone());
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether `minContains` and `maxContains` mean something: `$schema` names no draft before 2019-09.
    pub(super) fn counts_contained(&self) -> bool {
        let dialect = self.root.get("$schema").and_then(Value::as_str).unwrap_or_default();
        !["draft-03", "draft-04", "draft-06", "draft-07"].iter().any(|draft| dialect.contains(draft))
    }

    /// The schema at a pointer that [`Self::resolve`] gave.
    pub(super) fn get(&self, pointer: &str) -> Option<&'a Value> {
        self.root.pointer(pointer)
    }

    /// Counts parts of schemas that are written to say a keyword in other words: they may multiply.
    ///
    /// # Errors
    /// [`GrammarError::TooComplex`] when there are too many.
    pub(super) fn spend(&self, num_parts: usize, place: &str) -> Result<(), GrammarError> {
        let left = self.work.get().checked_sub(num_parts);
        self.work.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(|| too_complex(format!("what its keywords say together is too much (at {place})")))
    }

    /// Whether a part of the schema is a resource of its own, within which references mean something else.
    pub(super) fn has_parts_with_ids(&self) -> bool {
        self.ids.values().any(|pointer| !pointer.is_empty())
    }

    /// The schema that the `$ref` among `fields` means, where that does not depend on its place.
    pub(super) fn target(&self, fields: &Map<String, Value>) -> Option<&'a Value> {
        let reference = fields.get("$ref").and_then(Value::as_str).filter(|_| !self.has_parts_with_ids())?;
        self.get(&self.resolve(reference, "").ok()?)
    }

    /// The pointer that `reference` means in the schema at `place`.
    pub(super) fn resolve(&self, reference: &str, place: &str) -> Result<String, GrammarError> {
        let (uri, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let resource = if uri.is_empty() {
            self.resource_of(place)
        } else {
            let named = self.ids.get(uri).or_else(|| {
                // A relative name of a part whose `$id` is written in full, or the other way around.
                let mut found = self.ids.iter().filter(|(id, _)| ends_in_segment(id, uri) || ends_in_segment(uri, id));
                found.next().filter(|_| found.next().is_none()).map(|(_, pointer)| pointer)
            });
            match named {
                Some(pointer) => pointer.clone(),
                None => {
                    let reason = format!("{reference:?} leads out of the schema");
                    return Err(unsupported(place, "$ref", reason));
                }
            }
        };
        let fragment = percent_decoded(fragment);
        let pointer = match fragment.strip_prefix('/') {
            Some("") => resource,
            Some(_) => format!("{resource}{fragment}"),
            None if fragment.is_empty() => resource,
            None => self.anchors.get(&(resource, fragment.as_str())).cloned().unwrap_or_else(|| "?".to_owned()),
        };
        match self.get(&pointer) {
            Some(Value::Object(_) | Value::Bool(_)) => Ok(pointer),
            _ => Err(invalid(place, format!("$ref {reference:?} leads to no schema"))),
        }
    }

    /// The part with a `$id` in which `place` lies.
    fn resource_of(&self, place: &str) -> String {
        let holds = |pointer: &&String| place == pointer.as_str() || place.starts_with(&format!("{pointer}/"));
        self.ids.values().filter(holds).max_by_key(|pointer| pointer.len()).cloned().unwrap_or_default()
    }
}

impl Resolve for References<'_> {
    fn resolved<'b>(&'b self, schema: &'b Value) -> &'b Value {
        let mut found = schema;
        for _ in 0..16 {
            let Some(reference) = found.get("$ref").and_then(Value::as_str) else { break };
            // Without its place a reference into a part with an `$id` is not known; then nothing is.
            let pointer = if self.ids.len() > 1 { None } else { self.resolve(reference, "").ok() };
            match pointer.and_then(|pointer| self.root.pointer(&pointer)) {
                Some(target) => found = target,
                None => return &Value::Bool(true),
            }
        }
        found
    }
}

/// Parts of a schema, long texts counted as several.
pub(super) fn num_parts(schema: &Value) -> usize {
    let of_text = |text: &str| text.len() / 64;
    1 + match schema {
        Value::Array(items) => items.iter().map(num_parts).sum(),
        Value::Object(fields) => fields.iter().map(|(name, field)| of_text(name) + num_parts(field)).sum(),
        Value::String(text) => of_text(text),
        _ => 0,
    }
}

/// A name as a part of a JSON pointer.
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn ends_in_segment(long: &str, short: &str) -> bool {
    long.strip_suffix(short.trim_start_matches("./")).is_some_and(|rest| rest.ends_with('/'))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let decoded = match (first, tail) {
            (b'%', [high, low, ..]) => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok())
            }
            _ => None,
        };
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
