//! A search among scales, all of them at once: compilers make vectors of a loop over them, whatever the order in which values are added.

use std::ops::RangeInclusive;

/// As many as are tried at most, in whole vectors.
pub(crate) const TRIED: usize = 24;

/// Something of each scale that is tried.
pub(crate) type Tried = [f32; TRIED];

/// `of(tenths)` of each number of `tenths`, and then of the last one again.
pub(crate) fn tried(tenths: RangeInclusive<i8>, of: impl Fn(f32) -> f32) -> Tried {
    let of_tenths = |tenths: i8| of(f32::from(tenths) / 10.0);
    std::array::from_fn(|index| of_tenths((tenths.start() + index as i8).min(*tenths.end())))
}

/// Adding this to a number below 2^22 leaves the nearest whole number, of two the even one.
const ROUNDER: f32 = 12_582_912.0;

/// The whole number that is nearest to `position`, of two the one farther from 0, but from `least` to `most`; `least` for what is no
/// number.
#[inline(always)]
pub(crate) fn nearest(position: f32, least: f32, most: f32) -> f32 {
    // In the words of instructions that every CPU has for vectors: `max`, `min`, `round` and conversions have other ends.
    let position = if position > least { position } else { least };
    let position = if position < most { position } else { most };
    let whole = position + ROUNDER - ROUNDER;
    let rest = position - whole;
    let up = if rest >= 0.5 && position > 0.0 { 1.0 } else { 0.0 };
    let down = if rest <= -0.5 && position < 0.0 { 1.0 } else { 0.0 };
    whole + up - down
}

/// The nearest level to `value` of `-farthest` to `farthest - 1`.
#[inline(always)]
pub(crate) fn level_of(value: f32, scale: f32, farthest: f32) -> f32 {
    let level = nearest(value / scale, -farthest, farthest - 1.0);
    if scale == 0.0 { 0.0 } else { level }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_whole_number_is_what_round_gives() {
        let near = [0.0, 0.25, 0.499_999_97, 0.5, 0.500_000_06, 1.0, 1.499_999_9, 1.5, 14.5, 14.999_999, 31.5, 40.0];
        for position in
            near.into_iter().flat_map(|position| [position, -position]).chain([f32::INFINITY, -f32::INFINITY])
        {
            for (least, most) in [(0.0, 15.0), (-8.0, 7.0), (-32.0, 31.0)] {
                assert_eq!(nearest(position, least, most), position.round().clamp(least, most), "{position}");
            }
        }
        assert_eq!(nearest(f32::NAN, -8.0, 7.0), -8.0);
    }
}
