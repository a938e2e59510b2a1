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

/// For pydantic's pattern of a decimal of so many digits, which looks ahead in a branch: a pattern of such decimals as they are
/// usually written.
pub(super) fn decimal(pattern: &str) -> Option<String> {
    let rest = pattern.strip_prefix(r"^(?!^[-+.]*$)[+-]?0*(?:\d{0,")?;
    let (whole, rest) = rest.split_once(r"}|(?=[\d.]{1,")?;
    let (most, rest) = rest.split_once("}0*$)")?;
    let most = most.parse::<u32>().ok()?.checked_sub(1)?;
    let (num_whole, num_fraction) = match rest.strip_prefix(r"\d*\.\d*0*$)") {
        // So many digits in all.
        Some("") => (most.div_ceil(2), most / 2),
        _ => {
            let fraction = rest.strip_prefix(r"\d{0,")?.strip_prefix(whole)?.strip_prefix(r"}\.\d{0,")?;
            (whole.parse().ok()?, fraction.strip_suffix("}0*$)")?.parse().ok()?)
        }
    };
    let whole = if num_whole == 0 { "0".to_owned() } else { format!(r"(?:0|[1-9]\d{{0,{}}})", num_whole - 1) };
    let is_short = num_fraction.max(1) + num_whole <= most;
    let fraction = (num_fraction > 0 && is_short).then(|| format!(r"(?:\.\d{{1,{num_fraction}}})?"));
    Some(format!("^-?{whole}{}$", fraction.unwrap_or_default()))
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
    fn decimals_of_so_many_digits_have_a_pattern_without_assertions() {
        let of = |tail: &str| decimal(&format!(r"^(?!^[-+.]*$)[+-]?0*(?:\d{{0,{tail}"));
        let both = of(r"6}|(?=[\d.]{1,9}0*$)\d{0,6}\.\d{0,2}0*$)");
        assert_eq!(both.as_deref(), Some(r"^-?(?:0|[1-9]\d{0,5})(?:\.\d{1,2})?$"));
        assert_eq!(of(r"8}|(?=[\d.]{1,9}0*$)\d*\.\d*0*$)").as_deref(), Some(r"^-?(?:0|[1-9]\d{0,3})(?:\.\d{1,4})?$"));
        assert_eq!(of("6}|x"), None);
        assert_eq!(decimal(r"^\d+$"), None);
    }

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
