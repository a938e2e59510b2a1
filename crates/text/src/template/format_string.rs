//! Python's two string formats, `'%s' % x` and `'{}'.format(x)`, over minijinja's.

use minijinja::value::{Rest, ValueKind};
use minijinja::{Error, ErrorKind, State, Value, filters};
use minijinja_contrib::pycompat;

use super::{limits, operators, python_text};

/// No width or precision may have more digits.
const MAX_WIDTH_DIGITS: usize = 4;

/// `format % arguments`.
pub(super) fn format(state: &State<'_, '_>, format: &Value, arguments: &[Value]) -> Result<Value, Error> {
    check_widths(format)?;
    let mut arguments = arguments.to_vec();
    let format = as_texts(state, format.as_str().unwrap_or_default(), &mut arguments)?;
    let text = filters::format(state, &Value::from(format), Rest(printable(state, &arguments)?))?;
    limits::text(state, text.as_str().map(str::len))?;
    Ok(text)
}

/// `format.format(arguments)`.
pub(super) fn format_fields(state: &State<'_, '_>, format: &str, arguments: &[Value]) -> Result<Value, Error> {
    check_widths(&Value::from(format))?;
    let filled = Value::from(fill(state, format, arguments)?);
    limits::text(state, filled.as_str().map(str::len))?;
    let arguments = printable(state, arguments)?;
    pycompat::unknown_method_callback(state, &filled, "format", &arguments)
}

/// Writes the fields that say no more than which argument they are, and numbers those that are left.
fn fill(state: &State<'_, '_>, format: &str, arguments: &[Value]) -> Result<String, Error> {
    let mut out = String::with_capacity(format.len());
    let mut num_automatic = 0;
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            out.push_str(&rest[..2]);
            rest = &rest[2..];
            continue;
        }
        let Some(end) = rest.find('}').filter(|_| rest.starts_with('{')) else { break };
        let field = &rest[1..end];
        rest = &rest[end + 1..];
        let (name, spec) = field.split_at(field.find([':', '!']).unwrap_or(field.len()));
        let name = if name.is_empty() { num_automatic.to_string() } else { name.to_owned() };
        num_automatic += usize::from(field.len() == spec.len());
        let argument = match (name.parse::<usize>(), arguments.last()) {
            (Ok(index), _) => arguments.get(index).filter(|value| !value.is_kwargs()).cloned(),
            (Err(_), Some(named)) if named.is_kwargs() => {
                named.get_attr(&name).ok().filter(|value| !value.is_undefined())
            }
            _ => None,
        };
        match (argument, spec) {
            (Some(argument), "" | ":" | "!s") => out.push_str(&escaped(&python_text::str(state, &argument)?)),
            (Some(argument), "!r") => out.push_str(&escaped(&python_text::repr(state, &argument)?)),
            _ => out.push_str(&format!("{{{name}{spec}}}")),
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn escaped(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// Turns the arguments of `%s` and `%r` into their texts: minijinja lacks `%r`, and rounds numbers to six digits.
fn as_texts(state: &State<'_, '_>, format: &str, arguments: &mut [Value]) -> Result<String, Error> {
    let mut out = String::with_capacity(format.len());
    let mut conversions = 0;
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        let spec = &rest[percent + 1..];
        let length = spec.find(|flag: char| !"-+ #0123456789.".contains(flag)).unwrap_or(spec.len());
        out.push_str(&rest[..=percent + length]);
        let Some(conversion) = spec[length..].chars().next() else { return Ok(out) };
        rest = &spec[length + conversion.len_utf8()..];
        let argument = arguments.get_mut(conversions);
        match (conversion, argument) {
            ('r', Some(argument)) => *argument = Value::from(python_text::repr(state, argument)?),
            ('s', Some(argument)) => *argument = Value::from(python_text::str(state, argument)?),
            _ => {}
        }
        out.push(if conversion == 'r' && conversions < arguments.len() { 's' } else { conversion });
        conversions += usize::from(conversion != '%');
    }
    out.push_str(rest);
    Ok(out)
}

/// Arguments that print otherwise in Python than in minijinja, as their text.
fn printable(state: &State<'_, '_>, arguments: &[Value]) -> Result<Vec<Value>, Error> {
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
fn check_widths(format: &Value) -> Result<(), Error> {
    let text = format.as_str().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "a format must be a string"))?;
    let longest = text.split(|character: char| !character.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    if longest > MAX_WIDTH_DIGITS && text.contains(['%', '{']) {
        return Err(operators::too_long("the width of a format"));
    }
    Ok(())
}
