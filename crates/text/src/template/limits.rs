//! How much one rendering may use, and the errors that say it used more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::Object;
use minijinja::{Error, ErrorKind, State};

/// Instructions of minijinja's machine.
pub(super) const FUEL: u64 = 10_000_000;
/// Nested macro calls and recursive loops.
pub(super) const MAX_RECURSION: usize = 100;
/// Characters printed and built by operators, filters and methods, all together.
const MAX_BYTES: usize = 64 << 20;
/// Items of a list that an operator builds.
const MAX_ITEMS: usize = 1 << 20;
/// Namespaces put into attributes of namespaces.
const MAX_LINKS: usize = 256;

/// A template's own error or a limit, as the source of minijinja's error.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    #[error("{0}")]
    Raised(String),
    #[error("{0}")]
    Limit(String),
}

pub(super) fn error(cause: Cause) -> Error {
    Error::new(ErrorKind::InvalidOperation, cause.to_string()).with_source(cause)
}

#[derive(Debug, Default)]
struct Spent(AtomicUsize);

impl Object for Spent {}

fn spend(state: &State<'_, '_>, num_bytes: usize) -> Result<(), Error> {
    let spent: Arc<Spent> = state.get_or_set_temp_object("quire-spent", Spent::default);
    let before = spent.0.fetch_add(num_bytes.min(MAX_BYTES + 1), Ordering::Relaxed);
    if num_bytes > MAX_BYTES || before > MAX_BYTES - num_bytes {
        return Err(error(Cause::Limit(format!("more than {MAX_BYTES} bytes of text"))));
    }
    Ok(())
}

/// Called before a text of `num_bytes` is built or printed.
pub(super) fn text(state: &State<'_, '_>, num_bytes: Option<usize>) -> Result<(), Error> {
    spend(state, num_bytes.unwrap_or(usize::MAX))
}

/// Called before a list of `num_items` is built.
pub(super) fn items(state: &State<'_, '_>, num_items: Option<usize>) -> Result<(), Error> {
    match num_items {
        Some(num_items) if num_items <= MAX_ITEMS => spend(state, num_items * 8),
        _ => Err(error(Cause::Limit(format!("a list of more than {MAX_ITEMS} items")))),
    }
}

/// Called before a namespace is put into an attribute of another.
pub(super) fn link(state: &State<'_, '_>) -> Result<(), Error> {
    let links: Arc<Spent> = state.get_or_set_temp_object("quire-links", Spent::default);
    if links.0.fetch_add(1, Ordering::Relaxed) >= MAX_LINKS {
        return Err(error(Cause::Limit(format!("more than {MAX_LINKS} namespaces in namespaces"))));
    }
    Ok(())
}
