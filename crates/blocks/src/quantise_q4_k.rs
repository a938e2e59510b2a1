//! Q4_K: for each group of 32 the scale and min with the least weighted squared error among several grids, then both
//! rounded to six bits of the block's.

use half::f16;

use crate::quantise::put_half;
use crate::quantise_q4_0::counted;
use crate::six_bit_scales::pack_q4_k_scales;

/// Levels of a value.
const MOST_LEVEL: f32 = 15.0;
/// Levels of a scale.
const MOST_SCALE: f32 = 63.0;
/// Grids that are tried for a group, from this many steps fewer to this many more over the same range, a tenth apart.
const TRIED_TENTHS: std::ops::RangeInclusive<i8> = -10..=10;

/// Value = `scale * level - min`, with both not negative.
#[derive(Clone, Copy)]
struct Grid {
    scale: f32,
    min: f32,
}

/// With `importance`, errors count as it says.
pub(crate) fn q4_k(values: &[f32; 256], importance: Option<&[f32; 256]>, block: &mut [u8; 144]) {
    let groups = values.as_chunks::<32>().0;
    let importance = importance.unwrap_or(&[1.0; 256]).as_chunks::<32>().0;
    let mut grids = [Grid { scale: 0.0, min: 0.0 }; 8];
    for ((grid, group), importance) in grids.iter_mut().zip(groups).zip(importance) {
        *grid = best_grid(group, &counted(group, importance));
    }
    let scale = rounded(grids.iter().fold(0.0, |most: f32, grid| most.max(grid.scale)) / MOST_SCALE);
    let min = rounded(grids.iter().fold(0.0, |most: f32, grid| most.max(grid.min)) / MOST_SCALE);
    let scales = grids.map(|grid| share(grid.scale, scale));
    let mins = grids.map(|grid| share(grid.min, min));
    put_half(block, 0, scale);
    put_half(block, 2, min);
    block[4..16].copy_from_slice(&pack_q4_k_scales(&scales, &mins));
    for (pair, bytes) in block[16..].as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for (index, byte) in bytes.iter_mut().enumerate() {
            let level = |group: usize| {
                let grid = Grid { scale: scale * f32::from(scales[group]), min: min * f32::from(mins[group]) };
                grid.level(groups[group][index])
            };
            *byte = level(2 * pair) | (level(2 * pair + 1) << 4);
        }
    }
}

impl Grid {
    /// The nearest level to `value`.
    fn level(self, value: f32) -> u8 {
        if self.scale > 0.0 { ((value + self.min) / self.scale).round().clamp(0.0, MOST_LEVEL) as u8 } else { 0 }
    }

    fn error(self, group: &[f32; 32], weights: &[f32; 32]) -> f32 {
        group.iter().zip(weights).fold(0.0, |sum, (&value, &weight)| {
            let difference = self.scale * f32::from(self.level(value)) - self.min - value;
            sum + weight * difference * difference
        })
    }

    /// The grid with the least error for the levels that this one gives.
    fn fitted(self, group: &[f32; 32], weights: &[f32; 32]) -> Grid {
        let (mut sum, mut level_sum, mut square_sum, mut value_sum, mut product_sum) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (&value, &weight) in group.iter().zip(weights) {
            let level = f32::from(self.level(value));
            sum += weight;
            level_sum += weight * level;
            square_sum += weight * level * level;
            value_sum += weight * value;
            product_sum += weight * level * value;
        }
        let determinant = sum * square_sum - level_sum * level_sum;
        if determinant > 0.0 {
            let scale = (sum * product_sum - level_sum * value_sum) / determinant;
            let min = (level_sum * product_sum - square_sum * value_sum) / determinant;
            if scale > 0.0 && min >= 0.0 {
                return Grid { scale, min };
            }
        }
        // No min below 0 can be stored: the best scale without one.
        let scale = if square_sum > 0.0 { product_sum / square_sum } else { 0.0 };
        Grid { scale: scale.max(0.0), min: 0.0 }
    }
}

fn best_grid(group: &[f32; 32], weights: &[f32; 32]) -> Grid {
    let least = group.iter().copied().fold(0.0, f32::min);
    let most = group.iter().copied().fold(least, f32::max);
    let range = most - least;
    if range <= 0.0 || !range.is_finite() {
        return Grid { scale: 0.0, min: -least };
    }
    let mut best = Grid { scale: range / MOST_LEVEL, min: -least };
    let mut best_error = best.error(group, weights);
    for tenths in TRIED_TENTHS {
        let grid = Grid { scale: range / (MOST_LEVEL + f32::from(tenths) / 10.0), min: -least };
        let fitted = grid.fitted(group, weights);
        let error = fitted.error(group, weights);
        if error < best_error {
            (best, best_error) = (fitted, error);
        }
    }
    best
}

/// `part` in steps of `unit`.
fn share(part: f32, unit: f32) -> u8 {
    if unit > 0.0 { (part / unit).round().clamp(0.0, MOST_SCALE) as u8 } else { 0 }
}

/// The value that a half keeps of it.
fn rounded(value: f32) -> f32 {
    f16::from_f32(value).to_f32()
}
