//! A JSON schema as llguidance may have it. Every keyword of every draft is implemented, made of others that are, known
//! to say nothing about validity, or refused by name; llguidance sees only what it implements exactly. Its own extension
//! (`x-guidance`), with which a schema could switch checks off, does not get through.

mod assertions;
mod bounded_patterns;
mod conjunctions;
mod decimal_multiples;
mod decimal_ranges;
mod definitions;
mod disjoint;
mod dynamic_references;
mod equivalents;
mod formats;
mod keywords;
mod negation;
mod numbers;
mod prepare;
mod property_counts;
mod references;
mod rewriter;
mod search_patterns;
mod sorted_lists;
mod standing_alone;
mod unevaluated;

pub(super) use prepare::{Prepared, prepare, prepare_object, prepare_value};
