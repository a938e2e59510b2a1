//! Q4_0 by importance: the scale with the least weighted squared error among several.

use half::f16;

use crate::quantise::{largest, put_half, put_nibbles, q4_0};
use crate::tried_scales::{TRIED, Tried, level_of, tried};

/// The level that is farthest from 0.
const FARTHEST_LEVEL: f32 = 8.0;
/// Scales that are tried, this many tenths of a level more or fewer over the same range.
const TRIED_TENTHS: std::ops::RangeInclusive<i8> = -9..=9;

pub(crate) fn q4_0_weighted(values: &[f32; 32], importance: &[f32; 32], block: &mut [u8; 18]) {
    let farthest = largest(values);
    if farthest == 0.0 || !farthest.is_finite() {
        return q4_0(values, block);
    }
    let weights = counted(values, importance);
    let scales = tried(TRIED_TENTHS, |more| farthest / -(FARTHEST_LEVEL + more));
    let (mut products, mut squares) = ([0.0; TRIED], [0.0; TRIED]);
    for (&value, &weight) in values.iter().zip(&weights) {
        for index in 0..TRIED {
            let level = level_of(value, scales[index], FARTHEST_LEVEL);
            products[index] += weight * value * level;
            squares[index] += weight * level * level;
        }
    }
    // The best scales for these levels, and, in the place of one that is tried again, the one without a search.
    let mut fitted: Tried = std::array::from_fn(|index| {
        stored(if squares[index] > 0.0 { products[index] / squares[index] } else { scales[index] })
    });
    fitted[TRIED - 1] = stored(farthest / -FARTHEST_LEVEL);
    let errors = errors(values, &weights, &fitted);
    let mut best = TRIED - 1;
    for index in 0..TRIED - 1 {
        if errors[index] < errors[best] {
            best = index;
        }
    }
    let best = fitted[best];
    put_half(block, 0, best);
    put_nibbles(&values.map(|value| (level_of(value, best, FARTHEST_LEVEL) + FARTHEST_LEVEL) as u8), &mut block[2..]);
}

/// How much the error of each value counts: larger ones move the sums that they are part of the most.
pub(crate) fn counted<const VALUES: usize>(values: &[f32; VALUES], importance: &[f32; VALUES]) -> [f32; VALUES] {
    let spread = (values.iter().map(|value| value * value).sum::<f32>() / VALUES as f32).sqrt();
    std::array::from_fn(|index| importance[index] * (spread + values[index].abs()))
}

fn errors(values: &[f32; 32], weights: &[f32; 32], scales: &Tried) -> Tried {
    let mut errors = [0.0; TRIED];
    for (&value, &weight) in values.iter().zip(weights) {
        for index in 0..TRIED {
            let difference = scales[index] * level_of(value, scales[index], FARTHEST_LEVEL) - value;
            errors[index] += weight * difference * difference;
        }
    }
    errors
}

/// The value that a half keeps of it.
fn stored(scale: f32) -> f32 {
    f16::from_f32(scale).to_f32()
}
