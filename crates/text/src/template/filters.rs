//! Filters of minijinja that build a text or a list as long as what they are given, or as long as they are told: the
//! same filters, within limits.

use minijinja::value::Rest;
use minijinja::{Environment, Error, State, Value, filters};

use super::limits;

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
    within_limits!(environment, spend_text,
        "capitalize" => filters::capitalize,
        "e" => filters::escape,
        "escape" => filters::escape,
        "lines" => filters::lines,
        "lower" => filters::lower,
        "split" => filters::split,
        "title" => filters::title,
        "trim" => filters::trim,
        "upper" => filters::upper,
    );
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
