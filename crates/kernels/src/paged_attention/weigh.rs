//! Adding weighted values straight from the cache, for few rows.

use super::{
    ahead::Ahead,
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
/// order of the keys from zero, then added to what was there. Between parts of a tile it waits in memory.
#[inline(always)]
unsafe fn weigh_rows<L: Lanes, C: Elements, const M: usize>(
    weigh: &WeighedTile<'_>,
    first_row: usize,
    ahead: &mut Ahead<'_>,
) {
    let mut index = 0;
    // Chains of additions wait for each other, so as many as possible run side by side.
    if M * 4 <= L::SUMS {
        while index + 4 * LANES <= weigh.head_dim {
            weigh_vectors::<L, C, M, 4>(weigh, first_row, index, ahead);
            index += 4 * LANES;
        }
    }
    if M * 2 <= L::SUMS {
        while index + 2 * LANES <= weigh.head_dim {
            weigh_vectors::<L, C, M, 2>(weigh, first_row, index, ahead);
            index += 2 * LANES;
        }
    }
    while index + LANES <= weigh.head_dim {
        weigh_vectors::<L, C, M, 1>(weigh, first_row, index, ahead);
        index += LANES;
    }
    if index == weigh.head_dim {
        return;
    }
    const HALF: usize = LANES / 2;
    let count = weigh.head_dim - index;
    if L::BRANCHES_ON_COUNTS && count == HALF {
        weigh_first::<L, C, M>(weigh, first_row, index, HALF);
    } else {
        weigh_first::<L, C, M>(weigh, first_row, index, count);
    }
}

/// The part of [`weigh_rows`] that is the last `count` elements, fewer than a vector.
#[inline(always)]
unsafe fn weigh_first<L: Lanes, C: Elements, const M: usize>(
    weigh: &WeighedTile<'_>,
    first_row: usize,
    index: usize,
    count: usize,
) {
    let mut sums = [[L::splat(0.0)]; M];
    resume(weigh, first_row, index, &mut sums);
    for (key, &entry) in weigh.entries[..weigh.num_keys].iter().enumerate() {
        let values: L = C::load_first(entry, index, count);
        for (row, [sum]) in sums.iter_mut().enumerate() {
            let weight = L::splat(*weigh.scores.add((first_row + row) * TILE_KEYS + key));
            *sum = weight.mul_add_first(values, *sum, count);
        }
    }
    leave(weigh, first_row, index, &sums);
}

/// Loads chains that wait.
#[inline(always)]
unsafe fn resume<L: Lanes, const M: usize, const V: usize>(
    weigh: &WeighedTile<'_>,
    first_row: usize,
    index: usize,
    sums: &mut [[L; V]; M],
) {
    if weigh.begins {
        return;
    }
    for (row, sums) in sums.iter_mut().enumerate() {
        for (vector, sum) in sums.iter_mut().enumerate() {
            *sum = L::load(weigh.chains.add((first_row + row) * weigh.sums_stride + index + vector * LANES));
        }
    }
}

/// Lets chains wait, or adds them to the sums.
#[inline(always)]
unsafe fn leave<L: Lanes, const M: usize, const V: usize>(
    weigh: &WeighedTile<'_>,
    first_row: usize,
    index: usize,
    sums: &[[L; V]; M],
) {
    for (row, sums) in sums.iter().enumerate() {
        for (vector, &sum) in sums.iter().enumerate() {
            let place = (first_row + row) * weigh.sums_stride + index + vector * LANES;
            if weigh.ends {
                let target = weigh.sums.add(place);
                L::load(target).add(sum).store(target);
            } else {
                sum.store(weigh.chains.add(place));
            }
        }
    }
}

/// The part of [`weigh_rows`] that is `V` whole vectors from element `index` on.
#[inline(always)]
unsafe fn weigh_vectors<L: Lanes, C: Elements, const M: usize, const V: usize>(
    weigh: &WeighedTile<'_>,
    first_row: usize,
    index: usize,
    ahead: &mut Ahead<'_>,
) {
    let scores = weigh.scores.add(first_row * TILE_KEYS);
    let mut sums = [[L::splat(0.0); V]; M];
    resume(weigh, first_row, index, &mut sums);
    // As much as is weighed, where nothing was asked for yet.
    let asks = first_row == 0 && !weigh.next.is_empty();
    let lines_of_key = V * LANES * C::SIZE_BYTES / LINE_BYTES;
    if asks && lines_of_key == 0 {
        ahead.ask(weigh.num_keys * V * LANES * C::SIZE_BYTES / LINE_BYTES);
    }
    for (key, &entry) in weigh.entries[..weigh.num_keys].iter().enumerate() {
        let mut values = [L::splat(0.0); V];
        for (vector, values) in values.iter_mut().enumerate() {
            *values = C::load(entry, index + vector * LANES);
        }
        if asks && lines_of_key > 0 {
            // Of bytes there is little time to find out what comes next.
            match C::SIZE_BYTES {
                1 => ask_for(weigh.next[key].wrapping_add(index), V * LANES),
                _ => ahead.ask(lines_of_key),
            }
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let weight = L::splat(*scores.add(row * TILE_KEYS + key));
            for (sum, values) in sums.iter_mut().zip(values) {
                *sum = weight.mul_add(values, *sum);
            }
        }
    }
    leave(weigh, first_row, index, &sums);
}

#[inline(always)]
pub(super) unsafe fn weigh_lanes<L: Lanes, C: Elements>(weigh: &WeighedTile<'_>) {
    // With many sums at a time a tile is read before it is multiplied; with fewer, lines that were asked for come in time.
    if L::SUMS > 6 {
        stream(&weigh.entries[..weigh.num_keys], weigh.head_dim * C::SIZE_BYTES);
    }
    weigh_all_rows::<L, C>(weigh);
}

/// Rows by rows of what lies in cache.
#[inline(always)]
pub(super) unsafe fn weigh_all_rows<L: Lanes, C: Elements>(weigh: &WeighedTile<'_>) {
    let mut ahead = Ahead::new(weigh.next, weigh.head_dim * C::SIZE_BYTES);
    let mut row = 0;
    while row < weigh.num_rows {
        let num_rows = (weigh.num_rows - row).min(L::SUM_ROWS);
        match num_rows {
            6.. if L::SUM_ROWS >= 6 => weigh_rows::<L, C, 6>(weigh, row, &mut ahead),
            5 if L::SUM_ROWS >= 5 => weigh_rows::<L, C, 5>(weigh, row, &mut ahead),
            4 if L::SUM_ROWS >= 4 => weigh_rows::<L, C, 4>(weigh, row, &mut ahead),
            3 if L::SUM_ROWS >= 3 => weigh_rows::<L, C, 3>(weigh, row, &mut ahead),
            2 if L::SUM_ROWS >= 2 => weigh_rows::<L, C, 2>(weigh, row, &mut ahead),
            _ => weigh_rows::<L, C, 1>(weigh, row, &mut ahead),
        }
        row += num_rows;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        CacheType, Isa,
        paged_attention::tile_kernels::AttentionKernels,
        testing::{assert_same_bits, numbers},
    };

    /// The tests of attention compare the whole with its formula; parts must be the same to the bit, on every set.
    #[test]
    fn a_tile_weighed_in_parts_has_the_same_sums() {
        let check = |isa: Isa, cache_type: CacheType, head_dim: usize, num_rows: usize, num_keys: usize| {
            let weigh = AttentionKernels::new(isa).cached(cache_type).weigh;
            let mut slots = vec![vec![0; cache_type.slot_elements(head_dim) * cache_type.size_bytes()]; num_keys];
            for (key, slot) in slots.iter_mut().enumerate() {
                cache_type.store(&numbers(head_dim, key as u64), slot);
            }
            let entries: Vec<*const u8> = slots.iter().map(|slot| slot.as_ptr()).collect();
            let (scores, stride) = (numbers(num_rows * TILE_KEYS, 1000), head_dim.next_multiple_of(LANES));
            let by_parts_of = |keys: usize| {
                let mut sums = numbers(num_rows * stride, 2000);
                let mut chains = vec![f32::NAN; sums.len()];
                for (part, entries) in entries.chunks(keys).enumerate() {
                    let first = part * keys;
                    let tile = WeighedTile {
                        entries,
                        next: entries,
                        num_keys: entries.len(),
                        head_dim,
                        scores: scores[first..].as_ptr(),
                        num_rows,
                        sums: sums.as_mut_ptr(),
                        sums_stride: stride,
                        chains: chains.as_mut_ptr(),
                        begins: first == 0,
                        ends: first + keys >= num_keys,
                    };
                    // SAFETY: everything is as long as its field says, and the instruction set is there.
                    unsafe { weigh(&tile) };
                }
                sums.chunks(stride).flat_map(|sums| sums[..head_dim].to_vec()).collect::<Vec<f32>>()
            };
            let whole = by_parts_of(TILE_KEYS);
            for keys in [16, 32] {
                let what =
                    format!("{isa} {cache_type}, {num_rows} rows, {num_keys} keys of {head_dim}, {keys} at a time");
                assert_same_bits(&by_parts_of(keys), &whole, &what);
            }
        };
        for isa in Isa::available() {
            for cache_type in CacheType::ALL {
                for head_dim in [1, 8, 17, 24, 64, 80, 131] {
                    for (num_rows, num_keys) in [(1, 64), (2, 33), (4, 50), (9, 17)] {
                        check(isa, cache_type, head_dim, num_rows, num_keys);
                    }
                }
            }
        }
    }
}
