//! A deterministic automaton over ranges of code points, read back as a pattern by the elimination of its states (Brzozowski
//! and McCluskey, 1963). Knows nothing of the pattern that it was made of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use super::string_language::LAST;

/// Bytes of the pattern that comes out.
const MAX_BYTES: usize = 16 << 10;

/// Begins in the state 0; every state has a successor for every range.
pub(super) struct Dfa {
    pub(super) accepting: Vec<bool>,
    pub(super) next: Vec<Vec<usize>>,
    /// First code points of the ranges that patterns tell apart.
    pub(super) ranges: Vec<u32>,
}

impl Dfa {
    /// With states that accept the same in one.
    pub(super) fn without_twins(self) -> Self {
        let mut class: Vec<usize> = self.accepting.iter().map(|accepts| usize::from(*accepts)).collect();
        let mut num_classes = 0;
        loop {
            let mut numbers: HashMap<(usize, Vec<usize>), usize> = HashMap::new();
            let refined: Vec<usize> = (0..class.len())
                .map(|state| {
                    let key = (class[state], self.next[state].iter().map(|next| class[*next]).collect());
                    let number = numbers.len();
                    *numbers.entry(key).or_insert(number)
                })
                .collect();
            class = refined;
            if numbers.len() == num_classes {
                break;
            }
            num_classes = numbers.len();
        }
        // Classes are numbered in the order of their first states, so the first state's is 0.
        let mut merged = Self { accepting: Vec::new(), next: Vec::new(), ranges: self.ranges };
        for (state, number) in class.iter().enumerate() {
            if *number == merged.next.len() {
                merged.accepting.push(self.accepting[state]);
                merged.next.push(self.next[state].iter().map(|next| class[*next]).collect());
            }
        }
        merged
    }

    pub(super) fn turned_over(mut self) -> Self {
        for accepts in &mut self.accepting {
            *accepts = !*accepts;
        }
        self
    }

    /// What it accepts, as a pattern.
    pub(super) fn pattern(&self) -> Option<String> {
        let num_states = self.next.len();
        let (first, last) = (num_states, num_states + 1);
        let mut edges: BTreeMap<(usize, usize), String> = BTreeMap::new();
        for (state, row) in self.next.iter().enumerate() {
            let mut targets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for (range, next) in row.iter().enumerate() {
                targets.entry(*next).or_default().push(range);
            }
            for (next, ranges) in targets {
                if let Some(class) = self.class(&ranges) {
                    edges.insert((state, next), class);
                }
            }
            if self.accepting[state] {
                edges.insert((state, last), String::new());
            }
        }
        edges.insert((first, 0), String::new());
        let mut left: BTreeSet<usize> = (0..num_states).collect();
        loop {
            let costs = costs(&edges);
            let cheapest = left.iter().copied().min_by_key(|state| costs.get(state).copied().unwrap_or_default());
            let Some(state) = cheapest else { break };
            left.remove(&state);
            eliminate(&mut edges, state);
            if edges.values().map(String::len).sum::<usize>() > 4 * MAX_BYTES {
                return None;
            }
        }
        let words = edges.remove(&(first, last)).unwrap_or_else(|| "[]".to_owned());
        (words.len() <= MAX_BYTES).then_some(words)
    }

    /// The code points of ranges as a class; `None` if texts have none of them.
    fn class(&self, ranges: &[usize]) -> Option<String> {
        let mut class = String::new();
        let mut index = 0;
        while index < ranges.len() {
            let mut end = index;
            while end + 1 < ranges.len() && ranges[end + 1] == ranges[end] + 1 {
                end += 1;
            }
            let from = self.ranges[ranges[index]];
            let to = self.ranges.get(ranges[end] + 1).map_or(LAST, |next| next - 1);
            // Without the surrogates at either end; between them they are harmless.
            let from = if (0xD800..0xE000).contains(&from) { 0xE000 } else { from };
            let to = if (0xD800..0xE000).contains(&to) { 0xD7FF } else { to };
            if from == to {
                let _ = write!(class, "\\u{{{from:X}}}");
            } else if from < to {
                let _ = write!(class, "\\u{{{from:X}}}-\\u{{{to:X}}}");
            }
            index = end + 1;
        }
        (!class.is_empty()).then(|| format!("[{class}]"))
    }
}

/// How much text the elimination of each state would write, about.
fn costs(edges: &BTreeMap<(usize, usize), String>) -> HashMap<usize, usize> {
    let mut around: HashMap<usize, (usize, usize, usize)> = HashMap::new();
    for ((from, to), words) in edges {
        for state in [from, to] {
            let (into, out, bytes) = around.entry(*state).or_default();
            *into += usize::from(to == state && from != state);
            *out += usize::from(from == state && to != state);
            *bytes += words.len() + 1;
        }
    }
    around.into_iter().map(|(state, (into, out, bytes))| (state, into * out * bytes)).collect()
}

/// Ways through a state become edges of their own.
fn eliminate(edges: &mut BTreeMap<(usize, usize), String>, state: usize) {
    let around = edges.remove(&(state, state)).map_or_else(String::new, |words| format!("(?:{words})*"));
    let touching: Vec<(usize, usize)> =
        edges.keys().copied().filter(|(from, to)| *from == state || *to == state).collect();
    let (mut into, mut out) = (Vec::new(), Vec::new());
    for (from, to) in touching {
        let Some(words) = edges.remove(&(from, to)) else { continue };
        if to == state { into.push((from, words)) } else { out.push((to, words)) }
    }
    for (from, before) in &into {
        for (to, behind) in &out {
            let through = format!("{}{around}{}", grouped(before), grouped(behind));
            let entry = edges.entry((*from, *to));
            entry.and_modify(|words| *words = format!("{words}|{through}")).or_insert(through);
        }
    }
}

fn grouped(words: &str) -> String {
    if words.contains('|') { format!("(?:{words})") } else { words.to_owned() }
}
