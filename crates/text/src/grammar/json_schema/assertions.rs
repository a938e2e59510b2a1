//! Patterns that look ahead from their beginning, as passwords and identifiers have them (`^(?=.*\d)(?!admin)\w+$`): all of
//! several patterns without assertions. Knows no schemas.

use super::super::{regex, string_language};
use crate::grammar::error::GrammarError;

/// Patterns that must all be found in place of one; itself, where it does not look ahead from its beginning.
///
/// # Errors
/// [`GrammarError`] of the part that cannot be read.
pub(super) fn without_assertions(pattern: &str) -> Result<Vec<String>, GrammarError> {
    let mut found = Vec::new();
    let Some(mut rest) = pattern.strip_prefix('^') else { return Ok(vec![pattern.to_owned()]) };
    loop {
        let is_negative = rest.starts_with("(?!");
        if !is_negative && !rest.starts_with("(?=") {
            break;
        }
        let Some(length) = group_length(rest) else { return Ok(vec![pattern.to_owned()]) };
        let inside = format!("^(?:{})", &rest[3..length - 1]);
        rest = &rest[length..];
        if rest.starts_with(['*', '+', '?', '{']) {
            return Ok(vec![pattern.to_owned()]);
        }
        if !is_negative {
            found.push(inside);
            continue;
        }
        match string_language::complement(&regex::translate(&inside)?) {
            Some(others) => found.push(others),
            None => return Ok(vec![pattern.to_owned()]),
        }
    }
    if found.is_empty() || has_branches(rest) {
        return Ok(vec![pattern.to_owned()]);
    }
    found.push(format!("^{rest}"));
    Ok(found)
}

/// Calls `visit` with each character that is no part of an escape or a class, and how deep in groups it stands; ends early
/// if that says so.
fn walk(pattern: &str, mut visit: impl FnMut(usize, char, usize) -> bool) {
    let (mut depth, mut in_class, mut is_escaped) = (0usize, false, false);
    for (index, character) in pattern.char_indices() {
        if is_escaped {
            is_escaped = false;
            continue;
        }
        match character {
            '\\' => is_escaped = true,
            '[' if !in_class => in_class = true,
            ']' => in_class = false,
            _ if in_class => {}
            _ => {
                if character == ')' {
                    depth = depth.saturating_sub(1);
                }
                if visit(index, character, depth) {
                    return;
                }
                if character == '(' {
                    depth += 1;
                }
            }
        }
    }
}

/// Bytes of the group at the beginning.
fn group_length(pattern: &str) -> Option<usize> {
    let mut length = None;
    walk(pattern, |index, character, depth| {
        if character == ')' && depth == 0 {
            length = Some(index + 1);
        }
        length.is_some()
    });
    length
}

/// Whether a `|` stands outside of all groups.
fn has_branches(pattern: &str) -> bool {
    let mut found = false;
    walk(pattern, |_, character, depth| {
        found |= character == '|' && depth == 0;
        found
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertions_at_the_beginning_become_patterns() {
        let rows: [(&str, &[&str]); 6] = [
            (r"^(?=.*\d)(?=.*[)(])\w+$", &[r"^(?:.*\d)", r"^(?:.*[)(])", r"^\w+$"]),
            (r"^(?=a|\))b|c$", &[r"^(?=a|\))b|c$"]),
            (r"a(?=b)", &[r"a(?=b)"]),
            (r"^(?=a)*b", &[r"^(?=a)*b"]),
            (r"^(?:a)(?=b)", &[r"^(?:a)(?=b)"]),
            (r"^(?=", &[r"^(?="]),
        ];
        for (pattern, expected) in rows {
            assert_eq!(without_assertions(pattern).expect(pattern), expected, "{pattern}");
        }
        assert_eq!(without_assertions("^(?!a)[a-z]+$").expect("readable").len(), 2);
    }
}
