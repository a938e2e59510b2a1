//! The order in which an item walks through its sequence's keys and values.

use std::ops::Range;

use super::tile_kernels::TILE_KEYS;
use crate::lanes::LANES;

/// Keys of some heads, or their values, that are read one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The tile's first position, and the positions of it that any query sees.
    pub(super) tile_start: usize,
    pub(super) visible: Range<usize>,
    /// Whether these are values.
    pub(super) is_values: bool,
    /// The first of them in the tile.
    pub(super) first: usize,
    /// Heads, counted from the item's first.
    pub(super) heads: Range<usize>,
}

/// All steps of an item: tile by tile the keys, then the values; of either a few positions at a time of all heads, so that what lies
/// side by side in a block is read in order.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    /// Positions that any query sees.
    pub(super) visible: Range<usize>,
    /// Heads of the item.
    pub(super) num_heads: usize,
    /// Keys of a step, a multiple of 16 that divides a tile, and heads; of both together no more than a tile has keys.
    pub(super) keys: usize,
    pub(super) heads: usize,
}

impl Steps {
    /// The first step; there are visible positions.
    pub(super) fn first(&self) -> Step {
        self.of_tile(self.visible.start / TILE_KEYS * TILE_KEYS)
    }

    fn of_tile(&self, tile_start: usize) -> Step {
        let visible = self.visible.start.max(tile_start)..self.visible.end.min(tile_start + TILE_KEYS);
        Step { tile_start, visible, is_values: false, first: 0, heads: 0..self.heads.min(self.num_heads) }
    }

    /// What comes after a step.
    pub(super) fn after(&self, step: &Step) -> Option<Step> {
        let heads_from = |first: usize| first..self.num_heads.min(first + self.heads);
        if step.heads.end < self.num_heads {
            return Some(Step { heads: heads_from(step.heads.end), ..step.clone() });
        }
        let (heads, first) = (heads_from(0), step.first + self.keys);
        if first < step.num_keys() {
            return Some(Step { first, heads, ..step.clone() });
        }
        if !step.is_values {
            return Some(Step { is_values: true, first: 0, heads, ..step.clone() });
        }
        let next = step.tile_start + TILE_KEYS;
        (next < self.visible.end).then(|| self.of_tile(next))
    }
}

impl Step {
    /// Keys of the tile up to the last one that any row sees.
    pub(super) fn num_visible(&self) -> usize {
        self.visible.end - self.tile_start
    }

    /// Keys of the tile that are scored.
    pub(super) fn num_keys(&self) -> usize {
        self.num_visible().next_multiple_of(LANES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_is_read_part_by_part_of_all_heads() {
        let walk = |visible: Range<usize>, num_heads: usize, keys: usize, heads: usize| {
            let steps = Steps { visible, num_heads, keys, heads };
            let mut walk = Vec::new();
            let mut at = Some(steps.first());
            while let Some(step) = at {
                let what = if step.is_values { "values" } else { "keys" };
                walk.push(format!("{what} {} {:?}", step.tile_start + step.first, step.heads));
                at = steps.after(&step);
            }
            walk.join(", ")
        };
        assert_eq!(
            walk(70..140, 3, 32, 2),
            "keys 64 0..2, keys 64 2..3, keys 96 0..2, keys 96 2..3, values 64 0..2, values 64 2..3, values 96 0..2, \
             values 96 2..3, keys 128 0..2, keys 128 2..3, values 128 0..2, values 128 2..3"
        );
        assert_eq!(walk(0..65, 1, 64, 1), "keys 0 0..1, values 0 0..1, keys 64 0..1, values 64 0..1");
    }
}
