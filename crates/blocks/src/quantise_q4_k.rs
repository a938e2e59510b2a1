//! Q4_K: for each group of 32 the scale and min with the least weighted squared error among several grids, then both
//! rounded to six bits of the block's.

use half::f16;

use crate::quantise::put_half;
use crate::quantise_q4_0::counted;
use crate::six_bit_scales::pack_q4_k_scales;
use crate::tried_scales::{TRIED, Tried, nearest, tried};

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
    let mut levels = [[0; 32]; 8];
    for (group, levels) in levels.iter_mut().enumerate() {
        let grid = Grid { scale: scale * f32::from(scales[group]), min: min * f32::from(mins[group]) };
        *levels = groups[group].map(|value| grid.level(value) as u8);
    }
    for (bytes, [low, high]) in block[16..].as_chunks_mut::<32>().0.iter_mut().zip(levels.as_chunks::<2>().0) {
        for (byte, (low, high)) in bytes.iter_mut().zip(low.iter().zip(high)) {
            *byte = low | (high << 4);
        }
    }
}

impl Grid {
    /// The nearest level to `value`.
    #[inline(always)]
    fn level(self, value: f32) -> f32 {
        let level = nearest((value + self.min) / self.scale, 0.0, MOST_LEVEL);
        if self.scale > 0.0 { level } else { 0.0 }
    }
}

/// The grids with the least errors for the levels that those of `scales`, with the same `min`, give.
fn fitted(scales: &Tried, min: f32, group: &[f32; 32], weights: &[f32; 32]) -> [Grid; TRIED] {
    let (mut level_sums, mut square_sums, mut product_sums) = ([0.0; TRIED], [0.0; TRIED], [0.0; TRIED]);
    let (mut sum, mut value_sum) = (0.0, 0.0);
    for (&value, &weight) in group.iter().zip(weights) {
        for index in 0..TRIED {
            let level = Grid { scale: scales[index], min }.level(value);
            level_sums[index] += weight * level;
            square_sums[index] += weight * level * level;
            product_sums[index] += weight * level * value;
        }
        sum += weight;
        value_sum += weight * value;
    }
    std::array::from_fn(|index| {
        let (level_sum, square_sum, product_sum) = (level_sums[index], square_sums[index], product_sums[index]);
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
    })
}

fn errors(grids: &[Grid; TRIED], group: &[f32; 32], weights: &[f32; 32]) -> Tried {
    let (scales, mins) = (grids.map(|grid| grid.scale), grids.map(|grid| grid.min));
    let mut errors = [0.0; TRIED];
    for (&value, &weight) in group.iter().zip(weights) {
        for index in 0..TRIED {
            let grid = Grid { scale: scales[index], min: mins[index] };
            let difference = grid.scale * grid.level(value) - grid.min - value;
            errors[index] += weight * difference * difference;
        }
    }
    errors
}

fn best_grid(group: &[f32; 32], weights: &[f32; 32]) -> Grid {
    let least = group.iter().copied().fold(0.0, f32::min);
    let most = group.iter().copied().fold(least, f32::max);
    let range = most - least;
    let plain = Grid { scale: range / MOST_LEVEL, min: -least };
    if range <= 0.0 || !range.is_finite() {
        return Grid { scale: 0.0, ..plain };
    }
    let scales = tried(TRIED_TENTHS, |more| range / (MOST_LEVEL + more));
    let mut grids = fitted(&scales, -least, group, weights);
    // In the place of one that is tried again.
    grids[TRIED - 1] = plain;
    let errors = errors(&grids, group, weights);
    let mut best = TRIED - 1;
    for index in 0..TRIED - 1 {
        if errors[index] < errors[best] {
            best = index;
        }
    }
    grids[best]
}

/// `part` in steps of `unit`.
fn share(part: f32, unit: f32) -> u8 {
    if unit > 0.0 { (part / unit).round().clamp(0.0, MOST_SCALE) as u8 } else { 0 }
}

/// The value that a half keeps of it.
fn rounded(value: f32) -> f32 {
    f16::from_f32(value).to_f32()
}
