//! Python's methods on strings and dicts: those that pycompat lacks, and those that could build a huge text.

use minijinja::value::{Rest, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

use super::{format_string, limits, python_text};

/// minijinja's unknown-method callback.
pub(super) fn call(state: &State<'_, '_>, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    if let Some(text) = value.as_str()
        && let Some(result) = on_string(state, text, method, arguments)?
    {
        return Ok(result);
    }
    if value.kind() == ValueKind::Map && method == "copy" && arguments.is_empty() {
        return Ok(value.clone());
    }
    if value.as_str().is_some() && method == "format" {
        format_string::check_widths(value)?;
        let arguments = format_string::printable(state, arguments)?;
        return pycompat::unknown_method_callback(state, value, method, &arguments);
    }
    pycompat::unknown_method_callback(state, value, method, arguments)
}

fn on_string(state: &State<'_, '_>, text: &str, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "replace" => {
            let (old, new, count): (&str, &str, Option<i64>) = from_args(arguments)?;
            Value::from(replace(state, text, old, new, count)?)
        }
        "join" => {
            let (items,): (Value,) = from_args(arguments)?;
            Value::from(join(state, text, &items, true)?)
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(arguments)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(arguments)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(arguments)?;
            let halves = if method == "partition" { text.split_once(separator) } else { text.rsplit_once(separator) };
            let whole = if method == "partition" { [text, "", ""] } else { ["", "", text] };
            let parts = halves.map_or(whole, |(before, after)| [before, separator, after]);
            parts.map(Value::from).to_vec().into()
        }
        "rsplit" => {
            let (separator, limit): (Option<&str>, Option<i64>) = from_args(arguments)?;
            rsplit(text, separator, limit)
        }
        "index" => {
            let (needle,): (&str,) = from_args(arguments)?;
            let at = text.find(needle);
            let at = at.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "substring not found"))?;
            Value::from(text[..at].chars().count())
        }
        "zfill" | "ljust" | "rjust" | "center" => {
            let (width, fill): (usize, Option<&str>) = from_args(arguments)?;
            Value::from(pad(state, text, method, width, fill.unwrap_or(" "))?)
        }
        "casefold" => Value::from(text.to_lowercase()),
        "swapcase" => Value::from(text.chars().flat_map(swap_case).collect::<String>()),
        _ => return Ok(None),
    }))
}

fn swap_case(character: char) -> Vec<char> {
    if character.is_uppercase() { character.to_lowercase().collect() } else { character.to_uppercase().collect() }
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

fn rsplit(text: &str, separator: Option<&str>, limit: Option<i64>) -> Value {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).map_or(usize::MAX, |limit| limit.saturating_add(1));
    let mut parts: Vec<Value> = match separator {
        Some(separator) => text.rsplitn(limit, separator).map(Value::from).collect(),
        None => {
            let mut rest = text.trim();
            let mut parts = Vec::new();
            while !rest.is_empty() && parts.len() + 1 < limit {
                let cut = rest
                    .rfind(char::is_whitespace)
                    .map_or(0, |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
                parts.push(Value::from(&rest[cut..]));
                rest = rest[..cut].trim_end();
            }
            if !rest.is_empty() {
                parts.push(Value::from(rest));
            }
            parts
        }
    };
    parts.reverse();
    parts.into()
}

fn pad(state: &State<'_, '_>, text: &str, method: &str, width: usize, fill: &str) -> Result<String, Error> {
    let missing = width.saturating_sub(text.chars().count());
    limits::text(state, missing.checked_mul(fill.len().max(1)).and_then(|added| added.checked_add(text.len())))?;
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) if method == "zfill" => (&text[..1], digits),
        _ => ("", text),
    };
    let (left, right) = match method {
        "ljust" => (0, missing),
        "center" => (missing / 2, missing - missing / 2),
        _ => (missing, 0),
    };
    let fill = if method == "zfill" { "0" } else { fill };
    Ok(format!("{sign}{}{digits}{}", fill.repeat(left), fill.repeat(right)))
}

/// Filters and functions that take any number of arguments share this shape.
pub(super) fn format_filter(state: &State<'_, '_>, format: Value, arguments: Rest<Value>) -> Result<Value, Error> {
    format_string::format(state, &format, &arguments.0)
}
