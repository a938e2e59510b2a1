//! The strings that a pattern does not match, as a pattern again: a nondeterministic automaton over code points, made
//! deterministic, turned over and read back. JSON schemas need it for `not` and for assertions; knows nothing of either.

use regex_syntax::hir::{Class, Hir, HirKind, Look};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use super::state_elimination::Dfa;

/// Most states of the automaton that is read from a pattern.
const MAX_NFA_STATES: usize = 20_000;
/// Most states of the deterministic automaton.
const MAX_STATES: usize = 400;
/// Most ranges of code points that patterns tell apart.
const MAX_RANGES: usize = 2_000;
/// Steps that are looked at, for all sets of states and all ranges.
const MAX_STEPS: usize = 500_000;
/// The last code point.
pub(super) const LAST: u32 = 0x10_FFFF;

/// A pattern in the syntax of ECMAScript for the strings in which `pattern`, in Rust's syntax, finds nothing. `None` if it
/// would be too large, or the pattern looks around within.
pub(super) fn complement(pattern: &str) -> Option<String> {
    let parsed = regex_syntax::parse(pattern).ok()?;
    let mut nfa = Nfa { edges: Vec::new() };
    let (start, end) = (nfa.state()?, nfa.state()?);
    // What is searched may begin and end anywhere.
    nfa.edges[start].push((Step::Range(0, LAST), start));
    nfa.edges[end].push((Step::Range(0, LAST), end));
    nfa.add(&parsed, start, end)?;
    let dfa = nfa.deterministic(start, end)?;
    let words = dfa.without_twins().turned_over().pattern()?;
    Some(format!("^(?:{words})$"))
}

/// A pattern for all strings but these.
pub(super) fn all_but<'a>(words: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut pattern = String::from("^(?:");
    for (index, word) in words.enumerate() {
        let separator = if index > 0 { "|" } else { "" };
        let _ = write!(pattern, "{separator}{}", regex_syntax::escape(word));
    }
    pattern.push_str(")$");
    complement(&pattern)
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Range(u32, u32),
    Nothing,
    /// Only before the first character.
    AtStart,
    /// Only behind the last character.
    AtEnd,
}

struct Nfa {
    edges: Vec<Vec<(Step, usize)>>,
}

impl Nfa {
    fn state(&mut self) -> Option<usize> {
        self.edges.push(Vec::new());
        (self.edges.len() <= MAX_NFA_STATES).then(|| self.edges.len() - 1)
    }

    fn add(&mut self, node: &Hir, from: usize, to: usize) -> Option<()> {
        match node.kind() {
            HirKind::Empty => self.edges[from].push((Step::Nothing, to)),
            HirKind::Look(Look::Start) => self.edges[from].push((Step::AtStart, to)),
            HirKind::Look(Look::End) => self.edges[from].push((Step::AtEnd, to)),
            // What matches nothing is written as a class without bytes.
            HirKind::Class(Class::Bytes(class)) if class.ranges().is_empty() => {}
            HirKind::Look(_) | HirKind::Class(Class::Bytes(_)) => return None,
            HirKind::Literal(literal) => {
                let mut at = from;
                for character in std::str::from_utf8(&literal.0).ok()?.chars() {
                    let next = self.state()?;
                    let code = u32::from(character);
                    self.edges[at].push((Step::Range(code, code), next));
                    at = next;
                }
                self.edges[at].push((Step::Nothing, to));
            }
            HirKind::Class(Class::Unicode(class)) => {
                for range in class.ranges() {
                    self.edges[from].push((Step::Range(u32::from(range.start()), u32::from(range.end())), to));
                }
            }
            HirKind::Capture(capture) => self.add(&capture.sub, from, to)?,
            HirKind::Concat(parts) => {
                let mut at = from;
                for part in parts {
                    let next = self.state()?;
                    self.add(part, at, next)?;
                    at = next;
                }
                self.edges[at].push((Step::Nothing, to));
            }
            HirKind::Alternation(branches) => {
                for branch in branches {
                    // States of their own: a loop of a branch must not lead into another.
                    let (first, last) = (self.state()?, self.state()?);
                    self.edges[from].push((Step::Nothing, first));
                    self.add(branch, first, last)?;
                    self.edges[last].push((Step::Nothing, to));
                }
            }
            HirKind::Repetition(repetition) => {
                let mut at = self.state()?;
                self.edges[from].push((Step::Nothing, at));
                for _ in 0..repetition.min {
                    let next = self.state()?;
                    self.add(&repetition.sub, at, next)?;
                    at = next;
                }
                match repetition.max {
                    None => {
                        self.edges[at].push((Step::Nothing, to));
                        let back = self.state()?;
                        self.add(&repetition.sub, at, back)?;
                        self.edges[back].push((Step::Nothing, at));
                    }
                    Some(most) => {
                        for _ in repetition.min..most {
                            self.edges[at].push((Step::Nothing, to));
                            let next = self.state()?;
                            self.add(&repetition.sub, at, next)?;
                            at = next;
                        }
                        self.edges[at].push((Step::Nothing, to));
                    }
                }
            }
        }
        Some(())
    }

    /// What can be reached without a character.
    fn closure(&self, states: impl IntoIterator<Item = usize>, at_start: bool, at_end: bool) -> BTreeSet<usize> {
        let mut left: Vec<usize> = states.into_iter().collect();
        let mut found = BTreeSet::new();
        while let Some(state) = left.pop() {
            if !found.insert(state) {
                continue;
            }
            for (step, next) in &self.edges[state] {
                let passes = match step {
                    Step::Range(..) => false,
                    Step::Nothing => true,
                    Step::AtStart => at_start,
                    Step::AtEnd => at_end,
                };
                if passes {
                    left.push(*next);
                }
            }
        }
        found
    }

    /// First code points of the ranges that no step tells apart.
    fn ranges(&self) -> Option<Vec<u32>> {
        // Texts have no surrogates; they are a range of their own, which no pattern names.
        let mut firsts = BTreeSet::from([0, 0xD800, 0xE000]);
        for (step, _) in self.edges.iter().flatten() {
            if let Step::Range(first, last) = step {
                firsts.insert(*first);
                if *last < LAST {
                    firsts.insert(last + 1);
                }
            }
        }
        (firsts.len() <= MAX_RANGES).then(|| firsts.into_iter().collect())
    }

    fn deterministic(&self, start: usize, end: usize) -> Option<Dfa> {
        let ranges = self.ranges()?;
        let accepts =
            |set: &BTreeSet<usize>, at_start| self.closure(set.iter().copied(), at_start, true).contains(&end);
        let first = self.closure([start], true, false);
        let mut dfa = Dfa { accepting: vec![accepts(&first, true)], next: Vec::new(), ranges };
        let mut numbers = HashMap::from([(first.clone(), 0)]);
        let mut sets = vec![first];
        let (mut index, mut num_steps) = (0, 0);
        while index < sets.len() {
            let set = sets[index].clone();
            num_steps += set.iter().map(|state| self.edges[*state].len() + 1).sum::<usize>() * dfa.ranges.len();
            let mut row = Vec::with_capacity(dfa.ranges.len());
            for code in &dfa.ranges {
                let steps = set.iter().flat_map(|state| &self.edges[*state]);
                let reached = steps.filter_map(|(step, next)| match step {
                    Step::Range(first, last) if first <= code && code <= last => Some(*next),
                    _ => None,
                });
                let reached = self.closure(reached, false, false);
                let number = *numbers.entry(reached.clone()).or_insert_with(|| {
                    dfa.accepting.push(accepts(&reached, false));
                    sets.push(reached);
                    sets.len() - 1
                });
                row.push(number);
            }
            if sets.len() > MAX_STATES || num_steps > MAX_STEPS {
                return None;
            }
            dfa.next.push(row);
            index += 1;
        }
        Some(dfa)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a pattern finds something, without another library: the automaton itself.
    fn finds(pattern: &str, text: &str) -> bool {
        let parsed = regex_syntax::parse(&super::super::regex::translate(pattern).expect(pattern)).expect(pattern);
        let mut nfa = Nfa { edges: Vec::new() };
        let (start, end) = (nfa.state().expect("room"), nfa.state().expect("room"));
        nfa.edges[start].push((Step::Range(0, LAST), start));
        nfa.edges[end].push((Step::Range(0, LAST), end));
        nfa.add(&parsed, start, end).expect(pattern);
        let mut set = nfa.closure([start], true, false);
        let mut at_start = true;
        for code in text.chars().map(u32::from) {
            let reached: Vec<usize> = set
                .iter()
                .flat_map(|state| &nfa.edges[*state])
                .filter_map(|(step, next)| match step {
                    Step::Range(first, last) if *first <= code && code <= *last => Some(*next),
                    _ => None,
                })
                .collect();
            set = nfa.closure(reached, false, false);
            at_start = false;
        }
        nfa.closure(set, at_start, true).contains(&end)
    }

    #[test]
    fn a_complement_matches_exactly_what_the_pattern_does_not() {
        let patterns = [
            "",
            "a",
            "^a",
            "a$",
            "^a$",
            "^$",
            "^(?:a|bc)$",
            "^[ab]*$",
            "(ab)+c?",
            "^a{2,3}b$",
            "^.*b",
            "a.b",
            "^[^a]$",
            "^(?:ab|a)(?:c|bcd)*$",
            "^(a|ab)*b{2}",
            "[]",
            "^(?:\u{e9}|\u{1F600})",
        ];
        let alphabet = ['a', 'b', 'c', 'd', '\n', '\u{e9}', '\u{1F600}'];
        let mut texts = vec![String::new()];
        for index in 0..100 {
            let next: Vec<String> = alphabet.iter().map(|character| format!("{}{character}", texts[index])).collect();
            texts.extend(next);
        }
        for pattern in patterns {
            let translated = super::super::regex::translate(pattern).expect(pattern);
            let rest = complement(&translated).expect(pattern);
            for text in &texts {
                assert_ne!(finds(pattern, text), finds(&rest, text), "{pattern:?} {rest:?} {text:?}");
            }
        }
    }

    #[test]
    fn words_are_left_out() {
        let words = ["red", "green", "", "re", "a.b"];
        let pattern = all_but(words.into_iter()).expect("small");
        for word in words {
            assert!(!finds(&pattern, word), "{word}");
        }
        for other in ["r", "reds", "greenn", "axb", "blue"] {
            assert!(finds(&pattern, other), "{other}");
        }
    }

    #[test]
    fn what_grows_too_large_is_given_up() {
        assert_eq!(complement("(?:a|b)*a(?:a|b){20}$"), None);
        assert_eq!(complement(r"\bword"), None);
    }
}
