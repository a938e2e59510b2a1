//! Patterns as they are searched for: what an unanchored pattern repeats at its beginning or its end need not be repeated
//! more often than it must be, for any characters may stand there. `[a-z]{1,255}` finds what `[a-z]` does, at a small part of
//! the cost. Knows no schemas.

use regex_syntax::hir::{Hir, HirKind, Repetition};

/// A side of a pattern.
#[derive(Clone, Copy)]
enum Side {
    Beginning,
    End,
}

/// A pattern that is found in the same strings as `parsed` and repeats less; `None` if there is nothing to repeat less.
pub(super) fn trimmed(parsed: &Hir) -> Option<String> {
    let beginning = trim(parsed, Side::Beginning);
    let both = trim(beginning.as_ref().unwrap_or(parsed), Side::End).or(beginning)?;
    Some(both.to_string())
}

fn trim(node: &Hir, side: Side) -> Option<Hir> {
    match node.kind() {
        HirKind::Repetition(repetition) if repetition.max != Some(repetition.min) => {
            let least = Repetition { max: Some(repetition.min), ..repetition.clone() };
            Some(if least.min == 0 { Hir::empty() } else { Hir::repetition(least) })
        }
        HirKind::Capture(capture) => trim(&capture.sub, side),
        HirKind::Alternation(branches) => {
            let trimmed: Vec<Option<Hir>> = branches.iter().map(|branch| trim(branch, side)).collect();
            let is_any = trimmed.iter().any(Option::is_some);
            let branches =
                branches.iter().zip(trimmed).map(|(branch, trimmed)| trimmed.unwrap_or_else(|| branch.clone()));
            is_any.then(|| Hir::alternation(branches.collect()))
        }
        HirKind::Concat(parts) => {
            let mut parts = parts.clone();
            let mut is_any = false;
            loop {
                let index = match side {
                    Side::Beginning => 0,
                    Side::End => parts.len().saturating_sub(1),
                };
                let Some(trimmed) = parts.get(index).and_then(|part| trim(part, side)) else { break };
                is_any = true;
                if *trimmed.kind() != HirKind::Empty {
                    parts[index] = trimmed;
                    break;
                }
                parts.remove(index);
            }
            is_any.then(|| Hir::concat(parts))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_anchored_repeats_as_little_as_it_may() {
        let rows = [
            ("[a-z]{1,255}", Some("[a-z]")),
            ("a+b+", Some("ab")),
            ("a{2,}bc{3,4}", Some("a{2}bc{3}")),
            ("^a+", Some("^a")),
            ("a+$", Some("a$")),
            ("x*(y?|z+)", Some("(?:|z)")),
            ("^(?:ab)+$|c+", Some("^(?:ab)+$|c")),
            ("(a|b+)c", Some("(?:a|b)c")),
            ("c(a+|b)", Some("c(?:a|b)")),
            ("^a+$", None),
            ("ab{2}", None),
            ("a(?:b+)c", None),
        ];
        for (pattern, expected) in rows {
            let parse = |pattern: &str| regex_syntax::parse(pattern).expect(pattern);
            let found = trimmed(&parse(pattern)).map(|found| parse(&found));
            assert_eq!(found, expected.map(parse), "{pattern}");
        }
    }
}
