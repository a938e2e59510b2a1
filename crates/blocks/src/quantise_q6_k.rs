//! Q6_K: for each group of 16 the scale with the least weighted squared error among several, then all of them rounded to
//! eight bits of the block's.

use half::f16;

use crate::quantise::put_half;
use crate::tried_scales::{TRIED, level_of, tried};

/// The level that is farthest from 0.
const FARTHEST_LEVEL: f32 = 32.0;
/// The scale that is farthest from 0.
const FARTHEST_SCALE: f32 = 128.0;
/// Scales that are tried for a group, this many tenths of a level more or fewer over the same range.
const TRIED_TENTHS: std::ops::RangeInclusive<i8> = -9..=9;

/// With `importance`, errors count as it says.
pub(crate) fn q6_k(values: &[f32; 256], importance: Option<&[f32; 256]>, block: &mut [u8; 210]) {
    let groups = values.as_chunks::<16>().0;
    let importance = importance.unwrap_or(&[1.0; 256]).as_chunks::<16>().0;
    let mut found = [0.0; 16];
    for ((scale, group), importance) in found.iter_mut().zip(groups).zip(importance) {
        *scale = best_scale(group, importance);
    }
    // The farthest scale becomes -128, which is one more than 127.
    let farthest = found.iter().fold(0.0, |far: f32, &scale| if scale.abs() > far.abs() { scale } else { far });
    let unit = f16::from_f32(-farthest / FARTHEST_SCALE).to_f32();
    let scales = found.map(|scale| if unit == 0.0 { 0 } else { (scale / unit).round().clamp(-128.0, 127.0) as i8 });
    block.fill(0);
    put_half(block, 208, unit);
    for (group, (values, &scale)) in groups.iter().zip(&scales).enumerate() {
        block[192 + group] = scale as u8;
        let (half, part, second) = (group / 8, (group % 8) / 2, 16 * (group % 2));
        for (index, &value) in values.iter().enumerate() {
            let level = (level_of(value, unit * f32::from(scale), FARTHEST_LEVEL) + FARTHEST_LEVEL) as u8;
            block[64 * half + 32 * (part % 2) + second + index] |= (level & 15) << (4 * (part / 2));
            block[128 + 32 * half + second + index] |= (level >> 4) << (2 * part);
        }
    }
}

/// Larger values count more: they move the sums that they are part of the most.
fn best_scale(group: &[f32; 16], importance: &[f32; 16]) -> f32 {
    let farthest = group.iter().fold(0.0, |far: f32, &value| if value.abs() > far.abs() { value } else { far });
    if farthest == 0.0 || !farthest.is_finite() {
        return 0.0;
    }
    let scales = tried(TRIED_TENTHS, |more| -farthest / (FARTHEST_LEVEL + more));
    let (mut products, mut squares) = ([0.0; TRIED], [0.0; TRIED]);
    for (&value, &importance) in group.iter().zip(importance) {
        // Relative to the farthest, so that no product leaves the range.
        let relative = value / farthest;
        let square = importance * relative * relative;
        for index in 0..TRIED {
            let level = level_of(value, scales[index], FARTHEST_LEVEL);
            products[index] += square * relative * level;
            squares[index] += square * level * level;
        }
    }
    let (mut best, mut best_gain) = (-farthest / FARTHEST_LEVEL, f32::NEG_INFINITY);
    for (products, squares) in products.into_iter().zip(squares) {
        // What the best scale for these levels takes off the error.
        let gain = products * products / squares;
        if squares > 0.0 && gain > best_gain {
            (best, best_gain) = (farthest * products / squares, gain);
        }
    }
    best
}
