//! Adding weighted values straight from the cache, for few rows.

use super::{
    cached::Elements,
    tile_kernels::{TILE_KEYS, WeighedTile, stream},
};
use crate::{
    lanes::{LANES, Lanes},
    prefetch::{LINE_BYTES, ask_for},
};

/// Adds the weighted values of a tile to the sums of rows `0..M`.
///
/// Each sum is the same chain of additions as a micro-kernel's over loaded panels: weights times values in ascending
/// order of the keys from zero, then added to what was there.
#[inline(always)]
unsafe fn weigh_rows<L: Lanes, C: Elements, const M: usize>(weigh: &WeighedTile<'_>, first_row: usize) {
    let mut index = 0;
    // Chains of additions wait for each other, so as many as possible run side by side.
    if M * 4 <= L::SUMS {
        while index + 4 * LANES <= weigh.head_dim {
            weigh_vectors::<L, C, M, 4>(weigh, first_row, index);
            index += 4 * LANES;
        }
    }
    if M * 2 <= L::SUMS {
        while index + 2 * LANES <= weigh.head_dim {
            weigh_vectors::<L, C, M, 2>(weigh, first_row, index);
            index += 2 * LANES;
        }
    }
    while index + LANES <= weigh.head_dim {
        weigh_vectors::<L, C, M, 1>(weigh, first_row, index);
        index += LANES;
    }
    if index == weigh.head_dim {
        return;
    }
    let count = weigh.head_dim - index;
    let mut sums = [L::splat(0.0); M];
    for (key, &entry) in weigh.entries[..weigh.num_keys].iter().enumerate() {
        let values: L = C::load_first(entry, index, count);
        for (row, sum) in sums.iter_mut().enumerate() {
            *sum = L::splat(*weigh.scores.add((first_row + row) * TILE_KEYS + key)).mul_add(values, *sum);
        }
    }
    for (row, sum) in sums.into_iter().enumerate() {
        let target = weigh.sums.add((first_row + row) * weigh.sums_stride + index);
        L::load(target).add(sum).store(target);
    }
}

/// The part of [`weigh_rows`] that is `V` whole vectors from element `index` on.
#[inline(always)]
unsafe fn weigh_vectors<L: Lanes, C: Elements, const M: usize, const V: usize>(
    weigh: &WeighedTile<'_>,
    first_row: usize,
    index: usize,
) {
    let scores = weigh.scores.add(first_row * TILE_KEYS);
    let mut sums = [[L::splat(0.0); V]; M];
    let next = weigh.next.filter(|_| first_row == 0);
    // Parts of lines take turns: each asks for whole lines of some keys.
    let asks_by_key = V * LANES * C::SIZE_BYTES < LINE_BYTES;
    if let Some(next) = next.filter(|_| asks_by_key) {
        let keys = |index: usize| TILE_KEYS * index / weigh.head_dim;
        for entry in &next[keys(index)..keys(index + V * LANES)] {
            ask_for(*entry, weigh.head_dim * C::SIZE_BYTES);
        }
    }
    for (key, &entry) in weigh.entries[..weigh.num_keys].iter().enumerate() {
        let mut values = [L::splat(0.0); V];
        for (vector, values) in values.iter_mut().enumerate() {
            *values = C::load(entry, index + vector * LANES);
        }
        if let Some(next) = next.filter(|_| !asks_by_key) {
            ask_for(next[key].wrapping_add(index * C::SIZE_BYTES), V * LANES * C::SIZE_BYTES);
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let weight = L::splat(*scores.add(row * TILE_KEYS + key));
            for (sum, values) in sums.iter_mut().zip(values) {
                *sum = weight.mul_add(values, *sum);
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        for (vector, sum) in sums.into_iter().enumerate() {
            let target = weigh.sums.add((first_row + row) * weigh.sums_stride + index + vector * LANES);
            L::load(target).add(sum).store(target);
        }
    }
}

#[inline(always)]
pub(super) unsafe fn weigh_lanes<L: Lanes, C: Elements>(weigh: &WeighedTile<'_>) {
    // Where few sums fit into registers, bytes take longer than the memory that was asked for.
    if C::SIZE_BYTES > 1 || L::SUMS > 6 {
        stream(&weigh.entries[..weigh.num_keys], weigh.head_dim * C::SIZE_BYTES);
    }
    weigh_all_rows::<L, C>(weigh);
}

/// Rows by rows of what lies in cache.
#[inline(always)]
pub(super) unsafe fn weigh_all_rows<L: Lanes, C: Elements>(weigh: &WeighedTile<'_>) {
    let mut row = 0;
    while row < weigh.num_rows {
        let num_rows = (weigh.num_rows - row).min(L::SUM_ROWS);
        match num_rows {
            6.. if L::SUM_ROWS >= 6 => weigh_rows::<L, C, 6>(weigh, row),
            5 if L::SUM_ROWS >= 5 => weigh_rows::<L, C, 5>(weigh, row),
            4 if L::SUM_ROWS >= 4 => weigh_rows::<L, C, 4>(weigh, row),
            3 if L::SUM_ROWS >= 3 => weigh_rows::<L, C, 3>(weigh, row),
            2 if L::SUM_ROWS >= 2 => weigh_rows::<L, C, 2>(weigh, row),
            _ => weigh_rows::<L, C, 1>(weigh, row),
        }
        row += num_rows;
    }
}
