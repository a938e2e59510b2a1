//! Patterns together with bounds on the length of what they match, as one pattern. Knows no schemas.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::super::regex;

/// The pattern for the strings of `least` to `most` characters that `pattern` matches from end to end, where it ends in the
/// only repetition that it has, of one character: `^[a-z][a-z0-9_]*$`. `None` for others.
pub(super) fn with_lengths(pattern: &str, least: u64, most: Option<u64>) -> Option<String> {
    let parsed = regex_syntax::parse(&regex::translate(pattern).ok()?).ok()?;
    let HirKind::Concat(parts) = parsed.kind() else { return None };
    let [start, fixed @ .., repeated, end] = parts.as_slice() else { return None };
    let HirKind::Repetition(repetition) = repeated.kind() else { return None };
    let is_anchored = start.kind() == &HirKind::Look(Look::Start) && end.kind() == &HirKind::Look(Look::End);
    if !is_anchored || num_characters(&repetition.sub) != Some(1) {
        return None;
    }
    let num_fixed: u64 = fixed.iter().map(num_characters).sum::<Option<u64>>()?;
    let body = pattern.strip_suffix('$')?;
    let body = match body.chars().last()? {
        '*' | '+' | '?' => &body[..body.len() - 1],
        '}' => &body[..body.rfind('{')?],
        _ => return None,
    };
    let least = least.saturating_sub(num_fixed).max(u64::from(repetition.min));
    let most = most.map(|most| most.checked_sub(num_fixed)).map_or(Some(None), |most| most.map(Some));
    // Nothing is short enough.
    let Some(most) = most else { return Some("[]".to_owned()) };
    let most = [most, repetition.max.map(u64::from)].into_iter().flatten().min();
    if most.is_some_and(|most| most < least) {
        return Some("[]".to_owned());
    }
    let most = most.map(|most| most.to_string()).unwrap_or_default();
    Some(format!("{body}{{{least},{most}}}$"))
}

/// How many characters it matches, if that is always the same.
fn num_characters(node: &Hir) -> Option<u64> {
    match node.kind() {
        HirKind::Literal(literal) => Some(std::str::from_utf8(&literal.0).ok()?.chars().count() as u64),
        HirKind::Class(Class::Unicode(_)) => Some(1),
        HirKind::Capture(capture) => num_characters(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(num_characters).sum(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_become_those_of_the_last_repetition() {
        let rows = [
            ("^[a-z]+$", 0, Some(5), Some("^[a-z]{1,5}$")),
            ("^[A-Z][a-z]*$", 3, None, Some("^[A-Z][a-z]{2,}$")),
            ("^x_[0-9]{2,8}$", 6, Some(20), Some("^x_[0-9]{4,8}$")),
            ("^[a-z]{3}$", 0, Some(2), Some("[]")),
            ("^abc[a-z]*$", 0, Some(2), Some("[]")),
            (r"^a\*$", 0, Some(2), None),
            ("[a-z]+", 0, Some(5), None),
            ("^(?:ab)+$", 0, Some(5), None),
            ("^a*b*$", 0, Some(5), None),
            ("^(?:a|b+)$", 0, Some(5), None),
        ];
        for (pattern, least, most, expected) in rows {
            assert_eq!(with_lengths(pattern, least, most).as_deref(), expected, "{pattern}");
        }
    }
}
