//! Python's two string formats, `'%s' % x` and `'{}'.format(x)`, over minijinja's.

use minijinja::value::{Rest, ValueKind};
use minijinja::{Error, ErrorKind, State, Value, filters};

use super::{limits, operators, python_text};

/// No width or precision may have more digits.
const MAX_WIDTH_DIGITS: usize = 4;

/// `format % arguments`.
pub(super) fn format(state: &State<'_, '_>, format: &Value, arguments: &[Value]) -> Result<Value, Error> {
    check_widths(format)?;
    let text = filters::format(state, format, Rest(printable(state, arguments)?))?;
    limits::text(state, text.as_str().map(str::len))?;
    Ok(text)
}

/// Arguments that print otherwise in Python than in minijinja, as their text.
pub(super) fn printable(state: &State<'_, '_>, arguments: &[Value]) -> Result<Vec<Value>, Error> {
    arguments.iter().map(|value| as_printed(state, value)).collect()
}

fn as_printed(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Number | ValueKind::String => Ok(value.clone()),
        _ if value.is_kwargs() => Ok(value.clone()),
        _ => python_text::str(state, value).map(Value::from),
    }
}

/// A format string with a huge width builds a huge text.
pub(super) fn check_widths(format: &Value) -> Result<(), Error> {
    let text = format.as_str().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "a format must be a string"))?;
    let longest = text.split(|character: char| !character.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    if longest > MAX_WIDTH_DIGITS && text.contains(['%', '{']) {
        return Err(operators::too_long("the width of a format"));
    }
    Ok(())
}
