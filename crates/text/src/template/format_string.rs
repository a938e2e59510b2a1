//! Python's two string formats, `'%s' % x` and `'{}'.format(x)`, over minijinja's.

use minijinja::value::{Rest, ValueKind};
use minijinja::{Error, ErrorKind, State, Value, filters};

use super::{limits, operators, python_text};

/// No width or precision may have more digits.
const MAX_WIDTH_DIGITS: usize = 4;

/// `format % arguments`.
pub(super) fn format(state: &State<'_, '_>, format: &Value, arguments: &[Value]) -> Result<Value, Error> {
    check_widths(format)?;
    let mut arguments = arguments.to_vec();
    let format = without_repr(state, format.as_str().unwrap_or_default(), &mut arguments)?;
    let text = filters::format(state, &Value::from(format), Rest(printable(state, &arguments)?))?;
    limits::text(state, text.as_str().map(str::len))?;
    Ok(text)
}

/// Turns each `%r` into `%s` and its argument into its `repr`, which minijinja lacks.
fn without_repr(state: &State<'_, '_>, format: &str, arguments: &mut [Value]) -> Result<String, Error> {
    let mut out = String::with_capacity(format.len());
    let mut conversions = 0;
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        let spec = &rest[percent + 1..];
        let length = spec.find(|flag: char| !"-+ #0123456789.".contains(flag)).unwrap_or(spec.len());
        out.push_str(&rest[..=percent + length]);
        let Some(conversion) = spec[length..].chars().next() else { return Ok(out) };
        rest = &spec[length + conversion.len_utf8()..];
        if conversion == 'r'
            && let Some(argument) = arguments.get_mut(conversions)
        {
            *argument = Value::from(python_text::repr(state, argument)?);
            out.push('s');
        } else {
            out.push(conversion);
        }
        conversions += usize::from(conversion != '%');
    }
    out.push_str(rest);
    Ok(out)
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
