//! The draw proper: every surviving id runs with value + Gumbel noise, the greatest wins (Gumbel, 1954; "the Gumbel-max
//! trick"), which draws id i with probability softmax(values)[i]. Ids that cannot win any more are never given noise.

use crate::arithmetic::exp_of_negative;
use crate::noise::{GREATEST_GUMBEL, Noise, TOKENS, gumbel};
use crate::row_scan::{BLOCK, RowScan};
use crate::truncation::{Candidate, Cut};

struct Leader {
    score: f64,
    id: u32,
}

impl Leader {
    const NONE: Self = Self { score: f64::NEG_INFINITY, id: u32::MAX };

    /// Greatest score, then lowest id: whatever the order of the runners.
    fn challenge(&mut self, value: f32, word: u32, id: u32) {
        let score = f64::from(value) + gumbel(word);
        if score > self.score || (score == self.score && id < self.id) {
            *self = Self { score, id };
        }
    }
}

/// The winner among `candidates` (at least one).
pub(crate) fn among(candidates: &[Candidate], noise: &Noise) -> u32 {
    let mut leader = Leader::NONE;
    for candidate in candidates {
        if f64::from(candidate.value) + GREATEST_GUMBEL >= leader.score {
            leader.challenge(candidate.value, noise.word(candidate.id), candidate.id);
        }
    }
    leader.id
}

/// The winner among the ids of `row` that `cut` keeps (at least one).
pub(crate) fn along(row: &[f32], scan: &RowScan, temperature: f32, cut: &Cut, noise: &Noise) -> u32 {
    // The favourite first: the higher the score to beat, the more blocks are passed over.
    let favourite = scan.argmax(row);
    let mut leader = Leader::NONE;
    leader.challenge(scan.maximum() / temperature, noise.word(favourite), favourite);
    for (index, (block, &maximum)) in row.chunks(BLOCK).zip(scan.maxima()).enumerate() {
        let value = maximum / temperature;
        if value < cut.value || f64::from(value) + GREATEST_GUMBEL < leader.score {
            continue;
        }
        let hope = least_winning_word(value, leader.score);
        for (half, logits) in block.chunks(TOKENS).enumerate() {
            let first = (index * BLOCK + half * TOKENS) as u32;
            let words = noise.words(first);
            if !words.any_at_least(hope) {
                continue;
            }
            for (offset, logit) in logits.iter().enumerate() {
                let (word, id) = (words.get(offset), first + offset as u32);
                let value = logit / temperature;
                if word >= hope && cut.keeps(value, id) {
                    leader.challenge(value, word, id);
                }
            }
        }
    }
    leader.id
}

/// A word below this cannot lift `value` to `score`: that takes -ln(-ln u) >= score - value = t, so
/// u >= exp(-e^-t) >= 1 - e^-t. Rounded down by far more than e^-t is off.
fn least_winning_word(value: f32, score: f64) -> u32 {
    let advantage = (f64::from(value) - score) as f32;
    if advantage >= 0.0 {
        return 0;
    }
    let share = 1.0 - f64::from(exp_of_negative(advantage)) * 1.000_01;
    ((share * 4_294_967_296.0 - 2.0) as i64).max(0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_winning_word_never_excludes_a_winner() {
        for word in (0..u32::MAX).step_by(50_021).chain([1, 2, u32::MAX - 1, u32::MAX]) {
            for value in [-30.0f32, -7.7, 0.0, 3.3, 25.0] {
                let score = f64::from(value) + gumbel(word);
                assert!(least_winning_word(value, score) <= word, "value {value}, word {word}");
            }
        }
    }
}
