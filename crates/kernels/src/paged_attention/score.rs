//! Scores of few rows: columns of keys stay as narrow as the cache has them, so that the nearest cache holds them, and are widened
//! where they are multiplied.

use super::{
    cached::{Bf16, E4m3, E5m2, Int8},
    narrow_columns::{NarrowColumns, from_byte},
    tile_kernels::{Entries, TILE_KEYS, stream},
};
use crate::{
    CacheType, Isa,
    lanes::{LANES, Lanes, avx2::Avx2Lanes},
    prefetch::{LINE_BYTES, ask_for},
};

/// Rows of queries against a tile of cached keys.
pub(super) struct ScoredTile<'a> {
    /// Where each key's elements are.
    pub(super) entries: &'a Entries,
    /// The elements that are wanted after these, as many of each.
    pub(super) next: &'a Entries,
    /// How many keys; a multiple of 16.
    pub(super) num_keys: usize,
    /// Elements of each.
    pub(super) head_dim: usize,
    /// [rows, head_dim].
    pub(super) queries: *const f32,
    /// Rows.
    pub(super) num_rows: usize,
    /// Room for the keys' columns.
    pub(super) columns: *mut f32,
    /// The scores, [rows, TILE_KEYS].
    pub(super) scores: *mut f32,
}

pub(super) type ScoreFn = unsafe fn(&ScoredTile<'_>);

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn score_avx2<C: NarrowColumns>(tile: &ScoredTile<'_>) {
    score_lanes::<Avx2Lanes, C>(tile);
}

/// The kernel, on instruction sets that profit from it.
pub(super) fn score(isa: Isa, cache_type: CacheType) -> Option<ScoreFn> {
    let score = match cache_type {
        // Nothing is narrower than what is multiplied.
        CacheType::F32 => return None,
        CacheType::Bf16 => score_avx2::<Bf16> as ScoreFn,
        CacheType::Fp8E4m3 => score_avx2::<E4m3>,
        CacheType::Fp8E5m2 => score_avx2::<E5m2>,
        CacheType::Int8 => score_avx2::<Int8>,
    };
    Some(score).filter(|_| isa == Isa::Avx2)
}

/// Scores of all rows, a few panels of sixteen keys at a time: enough that chains of additions need not wait for each other.
#[inline(always)]
unsafe fn score_lanes<L: Lanes, C: NarrowColumns>(tile: &ScoredTile<'_>) {
    let panels = match tile.num_rows {
        1 => 4,
        2 => 2,
        _ => 1,
    };
    let mut first = 0;
    while first < tile.num_keys {
        let panels = if first + panels * LANES <= tile.num_keys { panels } else { 1 };
        for panel in 0..panels {
            store_panel::<L, C>(tile, first + panel * LANES, panel);
        }
        match panels {
            4 => score_rows::<L, C, 1, 4>(tile, first, 0),
            2 => score_rows::<L, C, 2, 2>(tile, first, 0),
            _ => score_panel::<L, C>(tile, first),
        }
        first += panels * LANES;
    }
}

/// Bytes of sixteen keys' columns.
#[inline(always)]
fn panel_bytes<C: NarrowColumns>(head_dim: usize) -> usize {
    head_dim.next_multiple_of(C::CHUNK_BYTES / C::SIZE_BYTES) * LANES * C::COLUMN_BYTES
}

/// Brings the sixteen keys from `first` on into columns.
#[inline(always)]
unsafe fn store_panel<L: Lanes, C: NarrowColumns>(tile: &ScoredTile<'_>, first: usize, panel: usize) {
    let entries = tile.entries[first..].first_chunk().expect("keys come in sixteens; otherwise this is a bug");
    let columns = tile.columns.cast::<u8>().add(panel * panel_bytes::<C>(tile.head_dim));
    let entry_bytes = tile.head_dim * C::SIZE_BYTES;
    // Bytes take longer than the memory that was asked for.
    if C::SIZE_BYTES > 1 {
        stream(entries, entry_bytes);
    }
    let chunk_columns = C::CHUNK_BYTES / C::SIZE_BYTES * LANES * C::COLUMN_BYTES;
    for (chunk, byte) in (0..entry_bytes).step_by(C::CHUNK_BYTES).enumerate() {
        let target = columns.add(chunk * chunk_columns);
        let rest_bytes = entry_bytes - byte;
        if rest_bytes >= C::CHUNK_BYTES {
            C::store_chunk::<L>(&from_byte(entries, byte), target);
        } else {
            let mut rest = [[0_u8; 32]; LANES];
            for (rest, entry) in rest.iter_mut().zip(entries) {
                std::ptr::copy_nonoverlapping(entry.add(byte), rest.as_mut_ptr(), rest_bytes);
            }
            let mut starts = [std::ptr::null(); LANES];
            for (start, rest) in starts.iter_mut().zip(&rest) {
                *start = rest.as_ptr();
            }
            C::store_chunk::<L>(&starts, target);
        }
    }
}

/// Asks for what is wanted after these panels, a little at each pair of elements, the `pair`th of them: of too much at once some
/// processors drop most.
#[inline(always)]
fn ask_for_lines<C: NarrowColumns, const N: usize>(tile: &ScoredTile<'_>, first: usize, pair: usize) {
    // As much of sixteen entries as was multiplied in as many pairs.
    let len_bytes = 2 * LANES * C::SIZE_BYTES;
    let byte = pair / LANES * len_bytes;
    if byte.is_multiple_of(LINE_BYTES) {
        for panel in 0..N {
            ask_for(tile.next[first + panel * LANES + pair % LANES].wrapping_add(byte), len_bytes);
        }
    }
}

/// All rows against one panel.
#[inline(always)]
unsafe fn score_panel<L: Lanes, C: NarrowColumns>(tile: &ScoredTile<'_>, first: usize) {
    let mut row = 0;
    while row < tile.num_rows {
        let num_rows = (tile.num_rows - row).min(L::SUM_ROWS);
        match num_rows {
            6.. if L::SUM_ROWS >= 6 => score_rows::<L, C, 6, 1>(tile, first, row),
            5 if L::SUM_ROWS >= 5 => score_rows::<L, C, 5, 1>(tile, first, row),
            4 if L::SUM_ROWS >= 4 => score_rows::<L, C, 4, 1>(tile, first, row),
            3 if L::SUM_ROWS >= 3 => score_rows::<L, C, 3, 1>(tile, first, row),
            2 if L::SUM_ROWS >= 2 => score_rows::<L, C, 2, 1>(tile, first, row),
            _ => score_rows::<L, C, 1, 1>(tile, first, row),
        }
        row += num_rows;
    }
}

/// `M` rows against `N` panels of keys from `first` on.
///
/// Each score is the same chain of additions as a micro-kernel's: products in ascending order of the elements, from zero.
#[inline(always)]
unsafe fn score_rows<L: Lanes, C: NarrowColumns, const M: usize, const N: usize>(
    tile: &ScoredTile<'_>,
    first: usize,
    first_row: usize,
) {
    let panel_bytes = panel_bytes::<C>(tile.head_dim);
    let columns = tile.columns.cast::<u8>();
    let queries = tile.queries.add(first_row * tile.head_dim);
    let mut sums = [[L::splat(0.0); N]; M];
    for index in (0..tile.head_dim / 2 * 2).step_by(2) {
        if first_row == 0 {
            ask_for_lines::<C, N>(tile, first, index / 2);
        }
        for panel in 0..N {
            let (even, odd): (L, L) = C::load_two_columns(columns.add(panel * panel_bytes), index);
            for (row, sums) in sums.iter_mut().enumerate() {
                let query = queries.add(row * tile.head_dim + index);
                sums[panel] = L::splat(*query).mul_add(even, sums[panel]);
                sums[panel] = L::splat(*query.add(1)).mul_add(odd, sums[panel]);
            }
        }
    }
    if tile.head_dim % 2 == 1 {
        let index = tile.head_dim - 1;
        for (row, sums) in sums.iter_mut().enumerate() {
            let query = L::splat(*queries.add(row * tile.head_dim + index));
            for (panel, sum) in sums.iter_mut().enumerate() {
                let (keys, _): (L, L) = C::load_two_columns(columns.add(panel * panel_bytes), index);
                *sum = query.mul_add(keys, *sum);
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        for (panel, sum) in sums.into_iter().enumerate() {
            sum.store(tile.scores.add((first_row + row) * TILE_KEYS + first + panel * LANES));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lanes::scalar::ScalarLanes, testing::assert_same_bits};

    type Score = unsafe fn(&ScoredTile<'_>);

    /// Scores of whole numbers, of which every sum is exact, [rows, TILE_KEYS].
    fn scores(cache_type: CacheType, head_dim: usize, num_rows: usize, num_keys: usize, score: Score) -> Vec<f32> {
        let number = |index: usize| (index * 29 % 7) as f32 - 3.0;
        let slots: Vec<Vec<u8>> = (0..TILE_KEYS)
            .map(|key| {
                let numbers: Vec<f32> = (0..head_dim).map(|element| number(key * 13 + element)).collect();
                let mut slot = vec![0; cache_type.slot_elements(head_dim) * cache_type.size_bytes()];
                cache_type.store(&numbers, &mut slot);
                slot
            })
            .collect();
        let entries: Entries = std::array::from_fn(|key| slots[key].as_ptr());
        let queries: Vec<f32> = (0..num_rows * head_dim).map(|index| number(index + 5)).collect();
        let mut columns = vec![f32::NAN; TILE_KEYS * head_dim.next_multiple_of(LANES)];
        let mut scores = vec![f32::NAN; num_rows * TILE_KEYS];
        let tile = ScoredTile {
            entries: &entries,
            next: &entries,
            num_keys,
            head_dim,
            queries: queries.as_ptr(),
            num_rows,
            columns: columns.as_mut_ptr(),
            scores: scores.as_mut_ptr(),
        };
        // SAFETY: everything is as long as its field says, and the caller has the instruction set.
        unsafe { score(&tile) };
        scores
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that lacks something says so")]
    fn scores_agree_with_the_scalar_twin() {
        if !Isa::Avx2.is_available() {
            eprintln!("SKIPPED scores by AVX2: this processor lacks it");
            return;
        }
        for cache_type in CacheType::ALL {
            let twin: Score = match cache_type {
                CacheType::F32 => continue,
                CacheType::Bf16 => score_lanes::<ScalarLanes, Bf16>,
                CacheType::Fp8E4m3 => score_lanes::<ScalarLanes, E4m3>,
                CacheType::Fp8E5m2 => score_lanes::<ScalarLanes, E5m2>,
                CacheType::Int8 => score_lanes::<ScalarLanes, Int8>,
            };
            let score = score(Isa::Avx2, cache_type).expect("AVX2 profits");
            for head_dim in [1, 3, 4, 16, 17, 31, 33, 64, 80, 128, 131] {
                for num_rows in 1..=9 {
                    for num_keys in [16, 32, 48, 64] {
                        let by = |score| scores(cache_type, head_dim, num_rows, num_keys, score);
                        let (actual, expected) = (by(score), by(twin));
                        let what = format!("{cache_type}, {num_rows} x {num_keys} of {head_dim}");
                        assert!(actual.iter().filter(|score| !score.is_nan()).count() == num_rows * num_keys, "{what}");
                        let is_score = |(index, _): &(usize, &f32)| index % TILE_KEYS < num_keys;
                        let only = |scores: &[f32]| -> Vec<f32> {
                            scores.iter().enumerate().filter(is_score).map(|(_, &score)| score).collect()
                        };
                        assert_same_bits(&only(&actual), &only(&expected), &what);
                    }
                }
            }
        }
    }
}
