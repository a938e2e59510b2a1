//! What a `{% set %}` may keep: values of limited depth. A loop that wraps a value in a list again and again would
//! else build one that overflows the stack when it is dropped.

use minijinja::value::{ObjectRepr, ValueKind};
use minijinja::{Error, State, Value};

use super::limits::{self, Cause};
use super::operators::Generator;

pub(super) const BOUNDED: &str = "__quire_bounded";
pub(super) const BOUNDED_ATTRIBUTE: &str = "__quire_bounded_attribute";
const MAX_DEPTH: usize = 100;
const MAX_LINKED_DEPTH: usize = 10;
/// What a visited list or dict costs of the text limit, beside its length.
const WALK_COST: usize = 16;

/// `{% set name = BOUNDED(value) %}`.
pub(super) fn variable(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    let value = materialized(state, value)?;
    Shape::default().walk(state, &value, 0)?;
    Ok(value)
}

/// `{% set namespace.name = BOUNDED_ATTRIBUTE(value) %}`. Here alone an older value can come to hold a newer one that
/// is a namespace, so that no walk from the new value sees the whole chain: the links are counted.
pub(super) fn attribute(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    let value = materialized(state, value)?;
    let mut shape = Shape::default();
    shape.walk(state, &value, 0)?;
    if shape.has_namespace {
        limits::link(state)?;
        if shape.depth > MAX_LINKED_DEPTH {
            return Err(too_deep(MAX_LINKED_DEPTH));
        }
    }
    Ok(value)
}

/// Slices and the like refer to the value they came from: a chain of them is a deep value too.
fn materialized(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    let is_lazy = value.as_object().is_some_and(|object| object.repr() == ObjectRepr::Iterable);
    if !is_lazy || value.downcast_object_ref::<Generator>().is_some() {
        return Ok(value);
    }
    limits::items(state, Some(value.len().unwrap_or(0)))?;
    Ok(value.try_iter()?.collect::<Vec<Value>>().into())
}

#[derive(Debug, Default)]
struct Shape {
    depth: usize,
    has_namespace: bool,
}

impl Shape {
    fn walk(&mut self, state: &State<'_, '_>, value: &Value, depth: usize) -> Result<(), Error> {
        self.depth = self.depth.max(depth);
        if depth > MAX_DEPTH {
            return Err(too_deep(MAX_DEPTH));
        }
        self.has_namespace |= value.as_object().is_some_and(|object| object.type_name().ends_with("::Namespace"));
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                limits::text(state, value.len().map(|len| len + WALK_COST))?;
                value.try_iter()?.try_for_each(|item| self.walk(state, &item, depth + 1))
            }
            ValueKind::Map => {
                limits::text(state, value.len().map(|len| len + WALK_COST))?;
                value.try_iter()?.try_for_each(|key| self.walk(state, &value.get_item(&key)?, depth + 1))
            }
            _ => Ok(()),
        }
    }
}

fn too_deep(limit: usize) -> Error {
    limits::error(Cause::Limit(format!("values nested more than {limit} deep")))
}
