//! Log-probabilities and ranks of one row: the chosen id first, then the best ones or those that were asked for. Works
//! on values as they are given; which values those are (raw or processed) is the sampler's decision.

use crate::arithmetic::{exp_of_negative, ln};
use crate::row_scan::{BLOCK, RowScan};
use crate::truncation::Candidate;

/// Entries of several positions, one flat column per field. Group `i` is entries `offsets[i]..offsets[i + 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogprobColumns {
    /// `[num_groups + 1]`, the first 0.
    pub offsets: Vec<u32>,
    /// Token id of each entry: in a group that is not empty the chosen one first, then the others by rank.
    pub token_ids: Vec<i32>,
    /// Natural logarithm of the probability (or the logit, if the mode says so); -infinity for the impossible.
    pub logprobs: Vec<f32>,
    /// 1-based: number of ids whose value is at least the entry's own; among the best ones, the place in the list
    /// (equal values: lower id first).
    pub ranks: Vec<u32>,
}

impl Default for LogprobColumns {
    fn default() -> Self {
        Self { offsets: vec![0], token_ids: Vec::new(), logprobs: Vec::new(), ranks: Vec::new() }
    }
}

impl LogprobColumns {
    /// Forgets the groups, keeps the memory.
    pub fn clear(&mut self) {
        self.offsets.truncate(1);
        self.token_ids.clear();
        self.logprobs.clear();
        self.ranks.clear();
    }

    /// Number of groups.
    pub fn num_groups(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Entries of group `group`: (token id, logprob, rank).
    pub fn group(&self, group: usize) -> impl Iterator<Item = (i32, f32, u32)> {
        let entries = self.offsets[group] as usize..self.offsets[group + 1] as usize;
        entries.map(|entry| (self.token_ids[entry], self.logprobs[entry], self.ranks[entry]))
    }

    fn push(&mut self, token_id: u32, logprob: f32, rank: u32) {
        self.token_ids.push(token_id as i32);
        self.logprobs.push(logprob);
        self.ranks.push(rank);
    }

    /// Ends a group; one without entries if nothing was pushed.
    pub(crate) fn end_group(&mut self) {
        self.offsets.push(self.token_ids.len() as u32);
    }

    /// Appends one group of `other`.
    pub(crate) fn copy_group(&mut self, other: &Self, group: usize) {
        let entries = other.offsets[group] as usize..other.offsets[group + 1] as usize;
        self.token_ids.extend_from_slice(&other.token_ids[entries.clone()]);
        self.logprobs.extend_from_slice(&other.logprobs[entries.clone()]);
        self.ranks.extend_from_slice(&other.ranks[entries]);
        self.end_group();
    }

    /// Appends the groups of `other`.
    pub(crate) fn extend(&mut self, other: &Self) {
        let base = self.token_ids.len() as u32;
        self.offsets.extend(other.offsets[1..].iter().map(|offset| base + offset));
        self.token_ids.extend_from_slice(&other.token_ids);
        self.logprobs.extend_from_slice(&other.logprobs);
        self.ranks.extend_from_slice(&other.ranks);
    }
}

/// What is reported beside the chosen id.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Others<'a> {
    /// This many of the greatest values.
    Best(usize),
    /// Exactly these ids, in this order.
    Ids(&'a [i32]),
}

/// What is reported of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    LogProbability,
    Logit,
}

/// Appends the group of one row to `columns`. `values` (`[vocabulary]`, no NaN) has been scanned by `scan`.
pub(crate) fn describe(
    values: &[f32],
    scan: &mut RowScan,
    chosen: u32,
    others: Others<'_>,
    form: Form,
    best: &mut Vec<Candidate>,
    columns: &mut LogprobColumns,
) {
    let normaliser = match form {
        Form::LogProbability => Normaliser::of(values, scan),
        Form::Logit => Normaliser::None,
    };
    let logprob_of = |value: f32| normaliser.apply(value);
    let chosen_value = values[chosen as usize];
    match others {
        Others::Best(count) => {
            best.clear();
            if count > 0 {
                find_best(values, scan, count.min(values.len()), best);
            }
            let place = best.iter().position(|candidate| candidate.id == chosen);
            let rank = place.map_or_else(|| rank(values, scan, chosen_value), |place| place as u32 + 1);
            columns.push(chosen, logprob_of(chosen_value), rank);
            for (place, candidate) in best.iter().enumerate().filter(|(_, candidate)| candidate.id != chosen) {
                columns.push(candidate.id, logprob_of(candidate.value), place as u32 + 1);
            }
        }
        Others::Ids(ids) => {
            columns.push(chosen, logprob_of(chosen_value), rank(values, scan, chosen_value));
            for id in ids.iter().map(|&id| id as u32).filter(|&id| id != chosen) {
                let value = values[id as usize];
                columns.push(id, logprob_of(value), rank(values, scan, value));
            }
        }
    }
    columns.end_group();
}

/// Number of values that are at least `value`.
fn rank(values: &[f32], scan: &RowScan, value: f32) -> u32 {
    let mut rank = 0;
    for (block, &maximum) in values.chunks(BLOCK).zip(scan.maxima()) {
        if maximum >= value {
            rank += block.iter().map(|&other| u32::from(other >= value)).sum::<u32>();
        }
    }
    rank
}

/// The `count` greatest values, greatest first, lower id first among equals.
fn find_best(values: &[f32], scan: &mut RowScan, count: usize, best: &mut Vec<Candidate>) {
    let least = scan.kth_largest(values, count);
    for (index, (block, &maximum)) in values.chunks(BLOCK).zip(scan.maxima()).enumerate() {
        if maximum >= least {
            let numbered = block.iter().enumerate().filter(|&(_, &value)| value >= least);
            best.extend(numbered.map(|(at, &value)| Candidate { value, id: (index * BLOCK + at) as u32 }));
        }
    }
    best.sort_unstable_by(Candidate::order);
    best.truncate(count);
}

/// What is subtracted from a value.
enum Normaliser {
    None,
    /// ln of the sum of e^value, as the maximum and the rest so that no digit of a large logit is lost.
    LogSumExp {
        maximum: f64,
        rest: f64,
    },
    /// Some values are +infinity: they share the probability.
    Infinite {
        logprob: f32,
    },
}

/// Blocks this far below the maximum add less to the sum than f64 can hold.
const NEGLIGIBLE: f32 = -60.0;

impl Normaliser {
    fn of(values: &[f32], scan: &RowScan) -> Self {
        let maximum = scan.maximum();
        if maximum == f32::NEG_INFINITY {
            return Self::None; // nothing is possible: every logprob is -infinity, as every value is
        }
        if maximum == f32::INFINITY {
            let count = rank(values, scan, maximum);
            return Self::Infinite { logprob: -ln(f64::from(count)) as f32 };
        }
        let mut lanes = [0.0f64; 8];
        for (block, &block_maximum) in values.chunks(BLOCK).zip(scan.maxima()) {
            if block_maximum - maximum < NEGLIGIBLE {
                continue;
            }
            let (eights, rest) = block.as_chunks::<8>();
            for eight in eights {
                for lane in 0..8 {
                    lanes[lane] += f64::from(exp_of_negative(eight[lane] - maximum));
                }
            }
            for (lane, value) in lanes.iter_mut().zip(rest) {
                *lane += f64::from(exp_of_negative(value - maximum));
            }
        }
        Self::LogSumExp { maximum: f64::from(maximum), rest: ln(lanes.iter().sum()) }
    }

    fn apply(&self, value: f32) -> f32 {
        match *self {
            Self::None => value,
            Self::LogSumExp { maximum, rest } => ((f64::from(value) - maximum) - rest) as f32,
            Self::Infinite { logprob } if value == f32::INFINITY => logprob,
            Self::Infinite { .. } => f32::NEG_INFINITY,
        }
    }
}
