//! Strings and regular expressions as Lark writes them.

use std::fmt::Write as _;

/// A string literal.
pub(super) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' | '\x7f' => {
                let _ = write!(out, "\\u{:04x}", character as u32);
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

/// A regular expression literal. `pattern` is in the syntax of [`super::regex`]'s output and not empty.
pub(super) fn regex(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 2);
    out.push('/');
    let mut escaped = false;
    for character in pattern.chars() {
        match character {
            '/' if !escaped => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            _ => out.push(character),
        }
        escaped = character == '\\' && !escaped;
    }
    out.push('/');
    out
}

/// A terminal that matches exactly `pattern`; the empty pattern matches the empty text.
pub(super) fn terminal(pattern: &str) -> String {
    if pattern.is_empty() { "\"\"".to_owned() } else { regex(pattern) }
}
