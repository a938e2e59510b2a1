//! Filters of minijinja that build a text or a list as long as what they are given, or as long as they are told: the
//! same filters, within limits.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};

use super::string_methods::case_filter;
use super::{limits, methods, number_filters, operators, python_text, string_methods};

/// Puts each filter behind a check that spends what it will build. The filter itself keeps a name that no template uses.
macro_rules! within_limits {
    ($environment:expr, $check:expr, $($name:literal => $filter:path),+ $(,)?) => {
        $(
            $environment.add_filter(concat!("__quire_", $name), $filter);
            $environment.add_filter($name, |state: &State<'_, '_>, arguments: Rest<Value>| {
                $check(state, &arguments)?;
                state.apply_filter(concat!("__quire_", $name), &arguments)
            });
        )+
    };
}

/// Replaces minijinja's filters by those within limits, and takes out what prints values without any.
pub(super) fn add(environment: &mut Environment<'_>) {
    within_limits!(environment, spend_text, "lines" => filters::lines, "split" => filters::split);
    environment.add_filter("upper", |state: &State<'_, '_>, value: &Value| case_filter(state, value, "upper"));
    environment.add_filter("lower", |state: &State<'_, '_>, value: &Value| case_filter(state, value, "lower"));
    environment
        .add_filter("capitalize", |state: &State<'_, '_>, value: &Value| case_filter(state, value, "capitalize"));
    environment.add_filter("title", title);
    environment.add_filter("trim", trim);
    environment.add_filter("e", escape);
    environment.add_filter("escape", escape);
    environment.add_filter("safe", |state: &State<'_, '_>, value: &Value| {
        python_text::str(state, value).map(Value::from_safe_string)
    });
    environment.add_filter("items", items);
    environment.add_filter("length", length);
    environment.add_filter("count", length);
    environment.add_filter("first", |value: &Value| end_of(value, "first"));
    environment.add_filter("last", |value: &Value| end_of(value, "last"));
    environment.add_filter("int", number_filters::int);
    environment.add_filter("float", number_filters::float);
    within_limits!(environment, spend_items,
        "list" => filters::list,
        "reverse" => filters::reverse,
        "sort" => filters::sort,
        "unique" => filters::unique,
    );
    within_limits!(environment, spend_parts, "batch" => filters::batch, "slice" => filters::slice);
    environment.remove_filter("pprint");
    environment.remove_global("debug");
}

/// The pairs of a dict; none of what is undefined.
fn items(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Undefined => Ok(Value::from(Vec::<Value>::new())),
        ValueKind::Map => methods::call(state, value, "items", &[]),
        kind => Err(Error::new(ErrorKind::InvalidOperation, format!("a {kind} has no items"))),
    }
}

/// What is undefined is empty.
fn length(value: &Value) -> Result<usize, Error> {
    if value.is_undefined() { Ok(0) } else { filters::length(value) }
}

/// The first or the last item; undefined of what is empty or undefined.
fn end_of(value: &Value, filter: &str) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::UNDEFINED);
    }
    if filter == "first" || value.kind() != ValueKind::Map {
        return if filter == "first" { filters::first(value) } else { filters::last(value.clone()) };
    }
    Ok(value.try_iter()?.last().unwrap_or_default())
}

/// `trim(chars=None)`, of whatever the value prints.
fn trim(state: &State<'_, '_>, value: &Value, characters: Option<&str>, options: Kwargs) -> Result<String, Error> {
    let named: Option<&str> = options.get("chars")?;
    options.assert_all_used()?;
    let text = python_text::str(state, value)?;
    Ok(string_methods::strip(&text, "strip", named.or(characters)).to_owned())
}

/// A capital after each space, hyphen and opening bracket, and nowhere else.
fn title(state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
    let text = python_text::str(state, value)?;
    let words = text.split_inclusive(|one: char| string_methods::is_space(one) || "-({[<".contains(one));
    Ok(words.map(string_methods::capitalized).collect())
}

fn escape(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value.clone());
    }
    let text = operators::escape_unless(false, &python_text::str(state, value)?);
    limits::text(state, Some(text.len()))?;
    Ok(Value::from_safe_string(text))
}

fn spend_text(state: &State<'_, '_>, arguments: &[Value]) -> Result<(), Error> {
    match arguments.first().and_then(Value::as_str) {
        Some(text) => limits::text(state, Some(text.len())),
        None => Ok(()),
    }
}

fn spend_items(state: &State<'_, '_>, arguments: &[Value]) -> Result<(), Error> {
    limits::items(state, Some(arguments.first().and_then(Value::len).unwrap_or(0)))
}

/// `batch` reserves room for a whole batch, `slice` makes every slice, however few items there are.
fn spend_parts(state: &State<'_, '_>, arguments: &[Value]) -> Result<(), Error> {
    spend_items(state, arguments)?;
    match arguments.get(1).and_then(Value::as_usize) {
        Some(count) => limits::items(state, Some(count)),
        None => Ok(()),
    }
}
