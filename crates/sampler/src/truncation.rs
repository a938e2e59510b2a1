//! min-p, top-k and top-p of one row as a single cut in the order (value descending, id ascending): every rule keeps a
//! prefix of that order. No sort of the row and no copy of it; knows nothing of randomness.
//!
//! Probabilities are compared as integers, weight = round(e^(value - maximum) * 2^40): sums of integers do not depend
//! on the order of addition, so the histogram below and a full sort agree exactly.

use crate::arithmetic::{exp_of_negative, ln};
use crate::row_sampling::RowSampling;
use crate::row_scan::{BLOCK, RowScan};

/// The last id that survives: ids of greater value survive, and ids of equal value up to `last_id`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cut {
    pub(crate) value: f32,
    pub(crate) last_id: u32,
}

impl Cut {
    #[inline(always)]
    pub(crate) fn keeps(&self, value: f32, id: u32) -> bool {
        value > self.value || (value == self.value && id <= self.last_id)
    }
}

/// An id and its value, logit / temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) value: f32,
    pub(crate) id: u32,
}

impl Candidate {
    /// Greater value first, then lower id (adding 0 makes the two zeros equal; there is no NaN here).
    pub(crate) fn order(a: &Self, b: &Self) -> std::cmp::Ordering {
        (b.value + 0.0).total_cmp(&(a.value + 0.0)).then(a.id.cmp(&b.id))
    }
}

/// Finds cuts; owns the buffers that this takes.
#[derive(Debug, Default)]
pub(crate) struct Truncation {
    candidates: Vec<Candidate>,
    histogram: Vec<u64>,
    is_listed: bool,
}

/// Up to this k the survivors of top-k are listed; ties may make the list longer.
const LONGEST_LIST: u32 = 4096;
const UNIT: f32 = 1_099_511_627_776.0; // 2^40
/// Below this distance from the maximum a weight rounds to 0.
const WEIGHTLESS: f32 = -29.0;
/// Buckets of the histogram per unit of value.
const RESOLUTION: f32 = 32.0;
const NUM_BUCKETS: usize = 1 + (-WEIGHTLESS * RESOLUTION) as usize;

impl Truncation {
    /// The survivors one by one, where top-k made them few; in no particular order.
    pub(crate) fn list(&self) -> Option<&[Candidate]> {
        self.is_listed.then_some(&self.candidates)
    }

    /// The cut of `row`, scanned by `scan`; its greatest value must be finite. At least one id survives, and no id of
    /// value -infinity does.
    pub(crate) fn find(&mut self, row: &[f32], scan: &mut RowScan, sampling: &RowSampling) -> Cut {
        let temperature = sampling.temperature;
        let maximum = scan.maximum() / temperature;
        let mut value = f32::MIN;
        if sampling.min_p > 0.0 {
            let bound = f64::from(maximum) + ln(f64::from(sampling.min_p));
            value = value.max(least_f32_not_below(bound)).min(maximum);
        }
        let k = sampling.top_k;
        self.is_listed = false;
        if k > 0 && (k as usize) < row.len() {
            // Division by a positive number keeps the order, so the k-th largest value is the k-th largest logit's.
            value = value.max(scan.kth_largest(row, k as usize) / temperature);
            if k <= LONGEST_LIST {
                self.is_listed = true;
                self.gather(row, scan, temperature, |candidate| candidate >= value);
            }
        }
        let cut = Cut { value, last_id: u32::MAX };
        if sampling.top_p < 1.0 {
            if self.is_listed {
                return self.nucleus_of_list(maximum, sampling.top_p);
            }
            return self.nucleus_of_row(row, scan, temperature, maximum, cut, sampling.top_p);
        }
        cut
    }

    /// Fills `candidates` with the ids whose value `wanted` takes, ascending. `wanted` is asked of block maxima too, so
    /// what it takes must hold for every greater value, or be filtered by the caller.
    fn gather(&mut self, row: &[f32], scan: &RowScan, temperature: f32, wanted: impl Fn(f32) -> bool) {
        self.candidates.clear();
        for (index, (block, &maximum)) in row.chunks(BLOCK).zip(scan.maxima()).enumerate() {
            if !wanted(maximum / temperature) {
                continue;
            }
            for (offset, logit) in block.iter().enumerate() {
                let value = logit / temperature;
                if wanted(value) {
                    self.candidates.push(Candidate { value, id: (index * BLOCK + offset) as u32 });
                }
            }
        }
    }

    fn nucleus_of_list(&mut self, maximum: f32, top_p: f32) -> Cut {
        self.candidates.sort_unstable_by(Candidate::order);
        let total = self.candidates.iter().map(|candidate| weight(candidate.value - maximum)).sum();
        let kept = prefix_below(&self.candidates, maximum, 0, limit(total, top_p));
        self.candidates.truncate(kept);
        let last = self.candidates[kept - 1];
        Cut { value: last.value, last_id: last.id }
    }

    fn nucleus_of_row(
        &mut self,
        row: &[f32],
        scan: &RowScan,
        temperature: f32,
        maximum: f32,
        cut: Cut,
        top_p: f32,
    ) -> Cut {
        self.histogram.clear();
        self.histogram.resize(NUM_BUCKETS, 0);
        let mut values = [0.0f32; BLOCK];
        let mut weights = [0u64; BLOCK];
        let mut buckets = [0u32; BLOCK];
        for (block, &block_maximum) in row.chunks(BLOCK).zip(scan.maxima()) {
            let block_value = block_maximum / temperature;
            if block_value < cut.value || block_value - maximum < WEIGHTLESS {
                continue;
            }
            // Padded to a fixed length, so that the loop becomes vector instructions.
            values[..block.len()].copy_from_slice(block);
            values[block.len()..].fill(f32::NEG_INFINITY);
            for at in 0..BLOCK {
                let value = values[at] / temperature;
                let kept = if value >= cut.value { u64::MAX } else { 0 };
                weights[at] = weight(value - maximum) & kept;
                buckets[at] = bucket(value - maximum);
            }
            for (&bucket, &weight) in buckets.iter().zip(&weights) {
                self.histogram[bucket as usize] += weight;
            }
        }

        let limit = limit(self.histogram.iter().sum(), top_p);
        let mut ahead = 0;
        let mut crossing = 0;
        for (index, weight) in self.histogram.iter().enumerate() {
            crossing = index;
            if ahead + weight >= limit {
                break;
            }
            ahead += weight;
        }
        // Buckets rise as values fall: a block may hold the crossing bucket iff its maximum is not beyond it.
        let wanted = |value: f32| value >= cut.value && bucket(value - maximum) as usize <= crossing;
        self.gather(row, scan, temperature, wanted);
        self.candidates.retain(|candidate| bucket(candidate.value - maximum) as usize == crossing);
        self.candidates.sort_unstable_by(Candidate::order);
        let kept = prefix_below(&self.candidates, maximum, ahead, limit);
        let last = self.candidates[kept - 1];
        Cut { value: last.value, last_id: last.id }
    }
}

/// How many of the sorted `candidates` have less than `limit` ahead of them, given `ahead` < `limit` before the first.
fn prefix_below(candidates: &[Candidate], maximum: f32, mut ahead: u64, limit: u64) -> usize {
    let first_beyond = candidates.iter().position(|candidate| {
        let is_beyond = ahead >= limit;
        ahead += weight(candidate.value - maximum);
        is_beyond
    });
    first_beyond.unwrap_or(candidates.len())
}

/// The least sum that is not below `top_p * total`; at least 1, so that the first id always survives.
fn limit(total: u64, top_p: f32) -> u64 {
    ((f64::from(top_p) * total as f64).ceil() as u64).max(1)
}

/// round(e^distance * 2^40); distance <= 0.
#[inline(always)]
fn weight(distance: f32) -> u64 {
    // 2^52 + w: the low bits of the sum are w.
    const INTEGER: f64 = 4_503_599_627_370_496.0;
    (f64::from(exp_of_negative(distance) * UNIT) + INTEGER).to_bits() - INTEGER.to_bits()
}

/// Bucket of a distance <= 0 from the maximum: 0 for the greatest values.
#[inline(always)]
fn bucket(distance: f32) -> u32 {
    const INTEGER: f32 = 8_388_608.0; // 2^23, as in `weight`
    let below = if distance > WEIGHTLESS { distance } else { WEIGHTLESS };
    (INTEGER - below * RESOLUTION).to_bits() - INTEGER.to_bits()
}

fn least_f32_not_below(bound: f64) -> f32 {
    let nearest = bound as f32;
    if f64::from(nearest) < bound { nearest.next_up() } else { nearest }
}
