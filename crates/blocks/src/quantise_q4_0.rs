//! Q4_0 by importance: the scale with the least weighted squared error among several.

use half::f16;

use crate::quantise::{largest, put_half, put_nibbles, q4_0};

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
    let mut best = stored(farthest / -FARTHEST_LEVEL);
    let mut best_error = error(values, &weights, best);
    for tenths in TRIED_TENTHS {
        let tried = farthest / -(FARTHEST_LEVEL + f32::from(tenths) / 10.0);
        let (mut products, mut squares) = (0.0, 0.0);
        for (&value, &weight) in values.iter().zip(&weights) {
            let level = level_of(value, tried);
            products += weight * value * level;
            squares += weight * level * level;
        }
        // The best scale for these levels.
        let scale = stored(if squares > 0.0 { products / squares } else { tried });
        let error = error(values, &weights, scale);
        if error < best_error {
            (best, best_error) = (scale, error);
        }
    }
    put_half(block, 0, best);
    put_nibbles(&values.map(|value| (level_of(value, best) + FARTHEST_LEVEL) as u8), &mut block[2..]);
}

/// How much the error of each value counts: larger ones move the sums that they are part of the most.
pub(crate) fn counted<const VALUES: usize>(values: &[f32; VALUES], importance: &[f32; VALUES]) -> [f32; VALUES] {
    let spread = (values.iter().map(|value| value * value).sum::<f32>() / VALUES as f32).sqrt();
    std::array::from_fn(|index| importance[index] * (spread + values[index].abs()))
}

fn error(values: &[f32; 32], weights: &[f32; 32], scale: f32) -> f32 {
    values.iter().zip(weights).fold(0.0, |sum, (&value, &weight)| {
        let difference = scale * level_of(value, scale) - value;
        sum + weight * difference * difference
    })
}

/// The nearest level to `value`.
fn level_of(value: f32, scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { (value / scale).round().clamp(-FARTHEST_LEVEL, FARTHEST_LEVEL - 1.0) }
}

/// The value that a half keeps of it.
fn stored(scale: f32) -> f32 {
    f16::from_f32(scale).to_f32()
}
