//! The operators that templates are rewritten to: Python's arithmetic on numbers, text and lists, within limits.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Rest, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::limits::{self, Cause};
use super::{format_string, python_text};

pub(super) const MATH: &str = "__quire_math";
/// The operator of a minus sign before a value; what stands behind it does not matter.
pub(super) const NEGATED: &str = "-x";
pub(super) const CONCAT: &str = "__quire_concat";
pub(super) const ITERABLE: &str = "__quire_iterable";
pub(super) const SLICE: &str = "__quire_slice";
pub(super) const TUPLE: &str = "__quire_tuple";
pub(super) const GENERATOR: &str = "__quire_generator";

/// `for x in ITERABLE(y)`: Python iterates neither `None` nor numbers. A text is a list, so that a loop knows its length.
pub(super) fn iterable(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        limits::items(state, Some(text.len()))?;
        return Ok(text.chars().map(Value::from).collect::<Vec<Value>>().into());
    }
    match value.kind() {
        ValueKind::None | ValueKind::Bool | ValueKind::Number => {
            Err(Error::new(ErrorKind::InvalidOperation, format!("a value of type {} is not iterable", value.kind())))
        }
        _ => Ok(value),
    }
}

/// The result of a lazy filter: iterable, and not JSON.
#[derive(Debug)]
pub(super) struct Generator(Vec<Value>);

impl Object for Generator {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
}

/// A tuple: a list that prints in round brackets, and that `%` takes apart.
#[derive(Debug)]
pub(super) struct Tuple(pub(super) Vec<Value>);

impl Object for Tuple {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
}

/// `TUPLE(a, b)`.
pub(super) fn tuple(items: Rest<Value>) -> Value {
    Value::from_object(Tuple(items.0))
}

/// `SLICE(value, start, stop, step)`, where `none` is a bound that is not there.
pub(super) fn slice(
    state: &State<'_, '_>,
    value: &Value,
    start: &Value,
    stop: &Value,
    step: &Value,
) -> Result<Value, Error> {
    let bound = |bound: &Value| match number(bound) {
        _ if bound.is_none() => Ok(None),
        Some(Number::Integer(bound)) => Ok(Some(bound)),
        _ => Err(Error::new(ErrorKind::InvalidOperation, format!("a slice begins or ends at a {}", bound.kind()))),
    };
    let (start, stop, step) = (bound(start)?, bound(stop)?, bound(step)?.unwrap_or(1));
    if let Some(text) = value.as_str() {
        limits::text(state, Some(text.len()))?;
        let characters: Vec<char> = text.chars().collect();
        return Ok(Value::from(sliced(&characters, start, stop, step)?.collect::<String>()));
    }
    if value.kind() != ValueKind::Seq && value.kind() != ValueKind::Iterable {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("a {} cannot be sliced", value.kind())));
    }
    limits::items(state, Some(value.len().unwrap_or(0)))?;
    let items: Vec<Value> = value.try_iter()?.collect();
    let part: Vec<Value> = sliced(&items, start, stop, step)?.collect();
    let is_tuple = value.downcast_object_ref::<Tuple>().is_some();
    Ok(if is_tuple { Value::from_object(Tuple(part)) } else { part.into() })
}

fn sliced<T: Clone>(
    items: &[T],
    start: Option<i128>,
    stop: Option<i128>,
    step: i128,
) -> Result<impl Iterator<Item = T>, Error> {
    if step == 0 {
        return Err(Error::new(ErrorKind::InvalidOperation, "slice step cannot be zero"));
    }
    let length = items.len() as i128;
    let (lowest, highest) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let place = |index: i128| (if index < 0 { index.saturating_add(length) } else { index }).clamp(lowest, highest);
    let stop = stop.map_or(if step > 0 { highest } else { lowest }, place);
    let mut at = start.map_or(if step > 0 { lowest } else { highest }, place);
    Ok(std::iter::from_fn(move || {
        let inside = if step > 0 { at < stop } else { at > stop };
        let item = if inside { items.get(usize::try_from(at).ok()?).cloned() } else { None };
        at = at.saturating_add(step);
        item
    }))
}

/// `x | map(...) | GENERATOR`.
pub(super) fn generator(value: &Value) -> Result<Value, Error> {
    Ok(Value::from_object(Generator(value.try_iter()?.collect())))
}

/// `MATH(a, '+', b, '-', c)`: operators of one precedence, from left to right.
pub(super) fn math(state: &State<'_, '_>, arguments: Rest<Value>) -> Result<Value, Error> {
    let mut arguments = arguments.0.into_iter();
    let mut left = arguments.next().unwrap_or_default();
    while let (Some(operator), Some(right)) = (arguments.next(), arguments.next()) {
        left = apply(state, operator.as_str().unwrap_or_default(), &left, &right)?;
    }
    Ok(left)
}

/// `CONCAT(a, b, c)`: the texts of all values.
pub(super) fn concat(state: &State<'_, '_>, arguments: Rest<Value>) -> Result<Value, Error> {
    let mut text = String::new();
    for value in &arguments.0 {
        text.push_str(&python_text::str(state, value)?);
    }
    Ok(Value::from(text))
}

enum Number {
    Integer(i128),
    Float(f64),
}

fn number(value: &Value) -> Option<Number> {
    match value.kind() {
        ValueKind::Bool => Some(Number::Integer(i128::from(value.is_true()))),
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok().map(Number::Integer),
        ValueKind::Number => f64::try_from(value.clone()).ok().map(Number::Float),
        _ => None,
    }
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

fn unsupported(operator: &str, left: &Value, right: &Value) -> Error {
    let (left, right) = (left.kind(), right.kind());
    Error::new(ErrorKind::InvalidOperation, format!("unsupported operands for {operator}: {left} and {right}"))
}

fn apply(state: &State<'_, '_>, operator: &str, left: &Value, right: &Value) -> Result<Value, Error> {
    match (operator, left.as_str(), right.as_str()) {
        ("+", Some(a), Some(b)) if left.is_safe() || right.is_safe() => {
            let text = [escape_unless(left.is_safe(), a), escape_unless(right.is_safe(), b)].concat();
            limits::text(state, Some(text.len()))?;
            return Ok(Value::from_safe_string(text));
        }
        ("+", Some(left), Some(right)) => {
            limits::text(state, left.len().checked_add(right.len()))?;
            return Ok(Value::from([left, right].concat()));
        }
        ("%", Some(_), _) => {
            let is_tuple = right.downcast_object_ref::<Tuple>().is_some();
            let values = if is_tuple { right.try_iter()?.collect() } else { vec![right.clone()] };
            return format_string::format(state, left, &values);
        }
        ("*", Some(text), None) => return repeat_text(state, text, right),
        ("*", None, Some(text)) => return repeat_text(state, text, left),
        _ => {}
    }
    match (operator, is_list(left), is_list(right)) {
        ("+", true, true) => {
            let num_items = left.len().unwrap_or(0).checked_add(right.len().unwrap_or(0));
            limits::items(state, num_items)?;
            let items: Vec<Value> = left.try_iter()?.chain(right.try_iter()?).collect();
            let is_tuple = [left, right].iter().all(|side| side.downcast_object_ref::<Tuple>().is_some());
            return Ok(if is_tuple { Value::from_object(Tuple(items)) } else { items.into() });
        }
        ("*", true, false) => return repeat_list(state, left, right),
        ("*", false, true) => return repeat_list(state, right, left),
        _ => {}
    }
    let (Some(a), Some(b)) = (number(left), number(right)) else { return Err(unsupported(operator, left, right)) };
    arithmetic(operator, a, b).ok_or_else(|| {
        Error::new(ErrorKind::InvalidOperation, format!("{left} {operator} {right} is not a number that can be held"))
    })
}

/// Text that `|safe` has marked makes the text it is added to be escaped, as in Python's markupsafe.
pub(super) fn escape_unless(safe: bool, text: &str) -> String {
    if safe {
        return text.to_owned();
    }
    let entities = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&#34;")];
    entities.into_iter().fold(text.to_owned(), |text, (plain, entity)| text.replace(plain, entity))
}

fn count(value: &Value) -> Option<usize> {
    match number(value)? {
        Number::Integer(count) => Some(usize::try_from(count.max(0)).unwrap_or(usize::MAX)),
        Number::Float(_) => None,
    }
}

fn repeat_text(state: &State<'_, '_>, text: &str, times: &Value) -> Result<Value, Error> {
    let times = count(times).ok_or_else(|| unsupported("*", &Value::from(text), times))?;
    limits::text(state, text.len().checked_mul(times))?;
    Ok(Value::from(text.repeat(times)))
}

fn repeat_list(state: &State<'_, '_>, list: &Value, times: &Value) -> Result<Value, Error> {
    let times = count(times).ok_or_else(|| unsupported("*", list, times))?;
    let items: Vec<Value> = list.try_iter()?.collect();
    limits::items(state, items.len().checked_mul(times))?;
    Ok(std::iter::repeat_n(items, times).flatten().collect::<Vec<Value>>().into())
}

/// `None` on overflow and on division by zero.
fn arithmetic(operator: &str, a: Number, b: Number) -> Option<Value> {
    if let (Number::Integer(a), Number::Integer(b)) = (&a, &b) {
        let (a, b) = (*a, *b);
        let exact = match operator {
            "+" => a.checked_add(b),
            "-" => a.checked_sub(b),
            NEGATED => a.checked_neg(),
            "*" => a.checked_mul(b),
            "//" => {
                let quotient = a.checked_div(b)?;
                let inexact = a.checked_rem(b)? != 0;
                Some(if inexact && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
            }
            "%" => {
                let rest = a.checked_rem(b)?;
                Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
            }
            "**" if b >= 0 => a.checked_pow(u32::try_from(b).ok()?),
            _ => return float_arithmetic(operator, a as f64, b as f64),
        }?;
        return Some(i64::try_from(exact).map_or_else(|_| Value::from(exact), Value::from));
    }
    let float = |number: Number| match number {
        Number::Integer(number) => number as f64,
        Number::Float(number) => number,
    };
    float_arithmetic(operator, float(a), float(b))
}

fn float_arithmetic(operator: &str, a: f64, b: f64) -> Option<Value> {
    if b == 0.0 && matches!(operator, "/" | "//" | "%") {
        return None;
    }
    Some(Value::from(match operator {
        "+" => a + b,
        "-" => a - b,
        NEGATED => -a,
        "*" => a * b,
        "/" => a / b,
        "//" => (a / b).floor(),
        "%" => a - b * (a / b).floor(),
        "**" => a.powf(b),
        _ => return None,
    }))
}

/// A limit as an error, for callers that build text of their own.
pub(super) fn too_long(what: &str) -> Error {
    limits::error(Cause::Limit(format!("{what} is too long")))
}
