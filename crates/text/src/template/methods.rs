//! Python's methods: those of strings, and of lists and dicts those that pycompat lacks.

use minijinja::value::{Rest, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

use super::operators::Tuple;
use super::{format_string, limits, python_text, string_methods};

/// minijinja's unknown-method callback.
pub(super) fn call(state: &State<'_, '_>, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        let result = string_methods::call(state, text, method, arguments)?;
        return result.ok_or_else(|| Error::from(ErrorKind::UnknownMethod));
    }
    match (value.kind(), method) {
        (ValueKind::Map | ValueKind::Seq, "copy") if arguments.is_empty() => Ok(value.clone()),
        (ValueKind::Map, "items") if arguments.is_empty() => {
            let pairs = value.as_object().and_then(|object| object.try_iter_pairs()).into_iter().flatten();
            limits::items(state, value.len())?;
            Ok(pairs.map(|(key, item)| Value::from_object(Tuple(vec![key, item]))).collect::<Vec<Value>>().into())
        }
        (ValueKind::Seq, "index") => {
            let (wanted,): (Value,) = from_args(arguments)?;
            let at = value.try_iter()?.position(|item| item == wanted);
            at.map(Value::from).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "it is not in the list"))
        }
        _ => pycompat::unknown_method_callback(state, value, method, arguments),
    }
}

pub(super) fn replace(
    state: &State<'_, '_>,
    text: &str,
    old: &str,
    new: &str,
    count: Option<i64>,
) -> Result<String, Error> {
    let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    let found = text.matches(old).take(count).count();
    limits::text(state, found.checked_mul(new.len()).and_then(|added| added.checked_add(text.len())))?;
    Ok(text.replacen(old, new, found))
}

/// `strict`: every item must be a string, as in Python; else items are printed, as Jinja's filter does.
pub(super) fn join(state: &State<'_, '_>, separator: &str, items: &Value, strict: bool) -> Result<String, Error> {
    let mut text = String::new();
    for (index, item) in items.try_iter()?.enumerate() {
        if strict && item.as_str().is_none() {
            let message = format!("join: item {index} is a {}, not a string", item.kind());
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        if index > 0 {
            limits::text(state, Some(separator.len()))?;
            text.push_str(separator);
        }
        text.push_str(&python_text::str(state, &item)?);
    }
    Ok(text)
}

pub(super) fn pad(state: &State<'_, '_>, text: &str, method: &str, width: usize, fill: &str) -> Result<String, Error> {
    let missing = width.saturating_sub(text.chars().count());
    limits::text(state, missing.checked_mul(fill.len().max(1)).and_then(|added| added.checked_add(text.len())))?;
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) if method == "zfill" => (&text[..1], digits),
        _ => ("", text),
    };
    let (left, right) = match method {
        "ljust" => (0, missing),
        // As CPython: an odd space goes to the left where the width is odd.
        "center" => {
            let left = missing / 2 + (missing & width & 1);
            (left, missing - left)
        }
        _ => (missing, 0),
    };
    let fill = if method == "zfill" { "0" } else { fill };
    Ok(format!("{sign}{}{digits}{}", fill.repeat(left), fill.repeat(right)))
}

/// Filters and functions that take any number of arguments share this shape.
pub(super) fn format_filter(state: &State<'_, '_>, format: Value, arguments: Rest<Value>) -> Result<Value, Error> {
    format_string::format(state, &format, &arguments.0)
}
