//! `$dynamicRef` and `$recursiveRef` as the `$ref` that they are where nothing else could be meant: no schema is entered by
//! another name here, so only anchors of the same name within the schema make a difference.

use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashMap;

use super::references::DATA;

/// The schema with such references in place of others. What is left could mean several.
pub(super) fn resolved(root: &Value) -> Cow<'_, Value> {
    let mut anchors = Anchors::default();
    anchors.count(root);
    if !anchors.is_needed {
        return Cow::Borrowed(root);
    }
    let mut root = root.clone();
    anchors.replace(&mut root);
    Cow::Owned(root)
}

#[derive(Default)]
struct Anchors {
    /// How many schemas have each `$dynamicAnchor`.
    dynamic: HashMap<String, usize>,
    num_recursive: usize,
    num_resources: usize,
    is_needed: bool,
}

impl Anchors {
    fn count(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.count(item)),
            Value::Object(fields) => {
                if let Some(name) = text(fields, "$dynamicAnchor") {
                    *self.dynamic.entry(name.to_owned()).or_default() += 1;
                }
                self.num_recursive += usize::from(fields.get("$recursiveAnchor") == Some(&Value::Bool(true)));
                self.num_resources += usize::from(text(fields, "$id").is_some_and(|id| !id.starts_with('#')));
                self.is_needed |= text(fields, "$dynamicRef").or(text(fields, "$recursiveRef")).is_some();
                schemas(fields).for_each(|(_, field)| self.count(field));
            }
            _ => {}
        }
    }

    fn replace(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.replace(item)),
            Value::Object(fields) => {
                for name in ["$dynamicRef", "$recursiveRef"] {
                    let means_one = text(fields, name).is_some_and(|reference| self.means_one(name, reference));
                    if means_one
                        && !fields.contains_key("$ref")
                        && let Some(reference) = fields.shift_remove(name)
                    {
                        fields.insert("$ref".to_owned(), reference);
                    }
                }
                let children = fields.iter_mut().filter(|(name, _)| !DATA.contains(&name.as_str()));
                children.for_each(|(_, field)| self.replace(field));
            }
            _ => {}
        }
    }

    fn means_one(&self, keyword: &str, reference: &str) -> bool {
        if keyword == "$recursiveRef" {
            return self.num_recursive == 0 || self.num_resources <= 1;
        }
        let anchor = reference.split_once('#').map_or("", |(_, anchor)| anchor);
        anchor.starts_with('/') || self.dynamic.get(anchor).copied().unwrap_or(0) <= 1
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

fn schemas(fields: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    fields.iter().filter(|(name, _)| !DATA.contains(&name.as_str()))
}
