//! `tojson` as transformers defines it: Python's `json.dumps` without HTML escapes.

use std::fmt::Write;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::limits::{self, Cause};
use super::operators::Generator;
use super::python_text::float;

const MAX_DEPTH: usize = 100;
const MAX_INDENT: usize = 64;

struct Style {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

/// The filter `tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
pub(super) fn tojson(
    state: &State<'_, '_>,
    value: &Value,
    ensure_ascii: Option<Value>,
    indent: Option<Value>,
    options: Kwargs,
) -> Result<String, Error> {
    let indent = match options.get::<Option<Value>>("indent")?.or(indent) {
        Some(indent) if !indent.is_none() && !indent.is_undefined() => Some(indent_text(&indent)?),
        _ => None,
    };
    let separators: Option<Vec<String>> = options.get("separators")?;
    let (item_separator, key_separator) = match separators.as_deref() {
        None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        None => (", ".to_owned(), ": ".to_owned()),
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => return Err(Error::new(ErrorKind::InvalidOperation, "separators must be two strings")),
    };
    let style = Style {
        ensure_ascii: options.get::<Option<Value>>("ensure_ascii")?.or(ensure_ascii).is_some_and(|yes| yes.is_true()),
        indent,
        item_separator,
        key_separator,
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    let mut out = String::new();
    style.write(state, value, 0, &mut out)?;
    Ok(out)
}

fn indent_text(indent: &Value) -> Result<String, Error> {
    let text = match (indent.as_str(), indent.as_usize()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(width)) => " ".repeat(width.min(MAX_INDENT + 1)),
        (None, None) => String::new(),
    };
    if text.len() > MAX_INDENT {
        return Err(limits::error(Cause::Limit(format!("an indent of more than {MAX_INDENT}"))));
    }
    Ok(text)
}

impl Style {
    fn write(&self, state: &State<'_, '_>, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(limits::error(Cause::Limit(format!("values nested more than {MAX_DEPTH} deep"))));
        }
        let start = out.len();
        match value.kind() {
            ValueKind::String => self.quote(value.as_str().unwrap_or_default(), out),
            _ if value.downcast_object_ref::<Generator>().is_some() => {
                return Err(Error::new(ErrorKind::InvalidOperation, "a generator has no JSON"));
            }
            ValueKind::Seq | ValueKind::Iterable => {
                let mut items = value.try_iter()?.peekable();
                if items.peek().is_none() {
                    out.push_str("[]");
                    return Ok(());
                }
                out.push('[');
                for (index, item) in items.enumerate() {
                    self.begin(index, depth, out);
                    self.write(state, &item, depth + 1, out)?;
                }
                self.end(depth, out);
                out.push(']');
            }
            ValueKind::Map => {
                let mut entries = Vec::new();
                for key in value.try_iter()? {
                    entries.push((key_text(&key)?, value.get_item(&key)?));
                }
                if self.sort_keys {
                    entries.sort_by(|a, b| a.0.cmp(&b.0));
                }
                if entries.is_empty() {
                    out.push_str("{}");
                    return Ok(());
                }
                out.push('{');
                for (index, (key, item)) in entries.iter().enumerate() {
                    self.begin(index, depth, out);
                    self.quote(key, out);
                    out.push_str(&self.key_separator);
                    self.write(state, item, depth + 1, out)?;
                }
                self.end(depth, out);
                out.push('}');
            }
            _ => out.push_str(&scalar(value)?),
        }
        limits::text(state, Some(out.len() - start))
    }

    fn begin(&self, index: usize, depth: usize, out: &mut String) {
        if index > 0 {
            out.push_str(&self.item_separator);
        }
        self.break_line(depth + 1, out);
    }

    fn end(&self, depth: usize, out: &mut String) {
        self.break_line(depth, out);
    }

    fn break_line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = &self.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(indent.as_str(), depth));
        }
    }

    fn quote(&self, text: &str, out: &mut String) {
        out.push('"');
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\x08' => out.push_str("\\b"),
                '\x0c' => out.push_str("\\f"),
                '\0'..='\x1f' => escape(character, out),
                _ if self.ensure_ascii && !character.is_ascii() => escape(character, out),
                _ => out.push(character),
            }
        }
        out.push('"');
    }
}

fn escape(character: char, out: &mut String) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        let _ = write!(out, "\\u{unit:04x}");
    }
}

fn scalar(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::None => Ok("null".to_owned()),
        ValueKind::Bool => Ok(value.is_true().to_string()),
        ValueKind::Number if value.is_integer() => Ok(value.to_string()),
        ValueKind::Number => {
            let number = f64::try_from(value.clone())?;
            Ok(match number {
                _ if number.is_nan() => "NaN".to_owned(),
                f64::INFINITY => "Infinity".to_owned(),
                f64::NEG_INFINITY => "-Infinity".to_owned(),
                _ => float(number),
            })
        }
        kind => Err(Error::new(ErrorKind::InvalidOperation, format!("a value of type {kind} has no JSON"))),
    }
}

fn key_text(key: &Value) -> Result<String, Error> {
    match key.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => scalar(key),
    }
}
