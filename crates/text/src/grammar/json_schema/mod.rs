//! A JSON schema as llguidance may have it. Every keyword of every draft is implemented, made of others that are, known
//! to say nothing about validity, or refused by name; llguidance sees only what it implements exactly. Its own extension
//! (`x-guidance`), with which a schema could switch checks off, does not get through.

mod assertions;
mod conjunctions;
mod disjoint;
mod equivalents;
mod formats;
mod keywords;
mod negation;
mod numbers;
mod prepare;
mod references;
mod rewriter;

pub(super) use prepare::{prepare, prepare_object, prepare_value};
