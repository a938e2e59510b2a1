//! Reading the fields of formats.

use serde_json::{Map, Value};

use super::builder::KIND;
use crate::grammar::error::GrammarError;

pub(super) fn flag(fields: &Map<String, Value>, name: &str) -> bool {
    fields.get(name).and_then(Value::as_bool).unwrap_or(false)
}

pub(super) fn string_of(fields: &Map<String, Value>, name: &str, place: &str) -> Result<String, GrammarError> {
    let text = fields.get(name).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| invalid(place, format!("{name} must be a string")))
}

pub(super) fn list_of<'v>(
    fields: &'v Map<String, Value>,
    name: &str,
    place: &str,
) -> Result<&'v [Value], GrammarError> {
    let list = fields.get(name).and_then(Value::as_array).filter(|list| !list.is_empty());
    list.map(Vec::as_slice).ok_or_else(|| invalid(place, format!("{name} must be a list of at least one")))
}

pub(super) fn strings_of(fields: &Map<String, Value>, name: &str, place: &str) -> Result<Vec<String>, GrammarError> {
    let list = list_of(fields, name, place)?;
    let strings: Option<Vec<String>> =
        list.iter().map(|item| item.as_str().filter(|text| !text.is_empty()).map(str::to_owned)).collect();
    strings.ok_or_else(|| invalid(place, format!("{name} must be a list of strings that are not empty")))
}

/// Strings that a list has, if it is there.
pub(super) fn optional_strings(
    fields: &Map<String, Value>,
    name: &str,
    place: &str,
) -> Result<Vec<String>, GrammarError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) if list.is_empty() => Ok(Vec::new()),
        Some(_) => strings_of(fields, name, place),
    }
}

/// A count, if it is there.
pub(super) fn optional_count(
    fields: &Map<String, Value>,
    name: &str,
    place: &str,
) -> Result<Option<u64>, GrammarError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(count) => Ok(Some(count)),
            None => Err(invalid(place, format!("{name} must be a whole number that is not negative"))),
        },
    }
}

/// Refuses fields that would narrow the output, where they ask for anything.
pub(super) fn refuse(fields: &Map<String, Value>, names: &[&str], place: &str) -> Result<(), GrammarError> {
    let asks = |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
    match names.iter().find(|name| fields.get(**name).is_some_and(asks)) {
        Some(name) => Err(unsupported(place, name)),
        None => Ok(()),
    }
}

pub(super) fn invalid(place: &str, reason: impl Into<String>) -> GrammarError {
    GrammarError::Invalid { kind: KIND, place: place.to_owned(), reason: reason.into() }
}

pub(super) fn unsupported(place: &str, keyword: &str) -> GrammarError {
    GrammarError::Unsupported {
        kind: KIND,
        keyword: keyword.to_owned(),
        place: place.to_owned(),
        reason: String::new(),
    }
}
