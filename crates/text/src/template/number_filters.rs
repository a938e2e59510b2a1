//! The filters `int` and `float`, which give what they are told where a value is no number.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// `int(default=0, base=10)`.
pub(super) fn int(value: &Value, default: Option<Value>, base: Option<u32>, options: Kwargs) -> Result<Value, Error> {
    let default = options.get::<Option<Value>>("default")?.or(default).unwrap_or_else(|| Value::from(0));
    let base = options.get::<Option<u32>>("base")?.or(base).unwrap_or(10);
    options.assert_all_used()?;
    if !(2..=36).contains(&base) {
        return Ok(default);
    }
    if let Some(text) = value.as_str()
        && let Some(whole) = parse(text, base)
    {
        return Ok(Value::from(whole));
    }
    if value.is_integer() && value.kind() == ValueKind::Number {
        return Ok(value.clone());
    }
    let whole = number(value)?.filter(|number| number.is_finite() && number.abs() < 1e38).map(|number| number as i128);
    Ok(whole.map_or(default, |whole| i64::try_from(whole).map_or_else(|_| Value::from(whole), Value::from)))
}

/// `float(default=0.0)`.
pub(super) fn float(value: &Value, default: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    let default = options.get::<Option<Value>>("default")?.or(default).unwrap_or_else(|| Value::from(0.0));
    options.assert_all_used()?;
    Ok(number(value)?.map_or(default, Value::from))
}

/// `None` for what Python's `float` refuses.
fn number(value: &Value) -> Result<Option<f64>, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::Bool => Ok(Some(f64::from(u8::from(value.is_true())))),
        ValueKind::Number => Ok(f64::try_from(value.clone()).ok()),
        _ => Ok(value.as_str().and_then(|text| plain(text).parse().ok())),
    }
}

fn parse(text: &str, base: u32) -> Option<i64> {
    let text = plain(text).to_lowercase();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    let radix = match base {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        _ => "",
    };
    let digits = digits.strip_prefix(radix).unwrap_or(digits);
    if digits.starts_with(['-', '+']) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), base).ok()
}

/// Without white space around it, and without the underscores between digits.
fn plain(text: &str) -> String {
    let text = super::string_methods::strip(text, "strip", None);
    if text.starts_with('_') || text.ends_with('_') { text.to_owned() } else { text.replace('_', "") }
}
