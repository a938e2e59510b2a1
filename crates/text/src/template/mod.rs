//! Jinja as Python has it, over minijinja: operators, printing, methods and JSON as transformers' templates expect.
//! Knows values and text; knows no tokenizer and no messages.

mod bounded;
mod environment;
mod filters;
mod format_string;
mod json_text;
mod limits;
mod methods;
mod number_filters;
mod operators;
mod python_text;
mod rewrite;
mod strftime;
mod string_methods;
mod tag_lexer;

pub(crate) use environment::{compile, render};
pub(crate) use strftime::strftime;
