//! Memory of one thread for the work items of attention.

#[cfg(target_arch = "x86_64")]
use super::amx::sizes as staged_sizes;
use super::tile_kernels::{TILE_KEYS, VALUE_PANEL};
use crate::lanes::LANES;

/// Scratch of one thread. A row is one query of one head; rows of an item are key-value head by key-value head, query by query, head
/// by head.
pub(super) struct Workspace<'a> {
    /// Scaled queries, [rows, head_dim], or as tile products take them.
    pub(super) queries: &'a mut [f32],
    /// A tile of keys, [TILE_KEYS / 16, head_dim, 16], or as tile products take them.
    pub(super) keys: &'a mut [f32],
    /// A tile of values, [head_dim / 16, VALUE_PANEL], or as tile products take them.
    pub(super) values: &'a mut [f32],
    /// Scores, then weights, [rows, TILE_KEYS].
    pub(super) scores: &'a mut [f32],
    /// Weighted values so far, [rows, head_dim rounded up to 16].
    pub(super) sums: &'a mut [f32],
    /// Those of a tile so far, the same.
    pub(super) chains: &'a mut [f32],
    /// Greatest score so far, [rows].
    pub(super) largest: &'a mut [f32],
    /// Sum of weights so far, [rows].
    pub(super) weights: &'a mut [f32],
    /// What keys outside of the visible range read, [slot elements].
    pub(super) zeros: &'a mut [f32],
}

impl<'a> Workspace<'a> {
    fn sizes(max_rows: usize, head_dim: usize) -> [usize; 9] {
        let padded = head_dim.next_multiple_of(LANES);
        let [queries, keys, values] = staged_sizes(max_rows, head_dim);
        [
            queries.max(max_rows * head_dim),
            keys.max(TILE_KEYS * padded),
            values.max(VALUE_PANEL * padded / LANES),
            max_rows * TILE_KEYS,
            max_rows * padded,
            max_rows * padded,
            max_rows,
            max_rows,
            head_dim,
        ]
        .map(|size| size.next_multiple_of(LANES))
    }

    /// Size for items of at most `max_rows` rows.
    pub(super) fn num_floats(max_rows: usize, head_dim: usize) -> usize {
        Workspace::sizes(max_rows, head_dim).into_iter().sum()
    }

    /// Divides up `memory` of [`Workspace::num_floats`].
    pub(super) fn new(memory: &'a mut [f32], max_rows: usize, head_dim: usize) -> Self {
        let mut rest = memory;
        let [queries, keys, values, scores, sums, chains, largest, weights, zeros] =
            Workspace::sizes(max_rows, head_dim).map(|size| {
                let (part, tail) = std::mem::take(&mut rest).split_at_mut(size);
                rest = tail;
                part
            });
        zeros.fill(0.0);
        Workspace { queries, keys, values, scores, sums, chains, largest, weights, zeros }
    }
}

/// Nothing is staged for tile products elsewhere.
#[cfg(not(target_arch = "x86_64"))]
fn staged_sizes(_max_rows: usize, _head_dim: usize) -> [usize; 3] {
    [0; 3]
}
