//! Scores of few rows: columns of keys stay as narrow as the cache has them, so that the nearest cache holds them, and are widened
//! where they are multiplied.

use super::{
    ahead::Ahead,
    cached::{Bf16, E4m3, E5m2, F32, Int8},
    narrow_columns::{NarrowColumns, from_byte},
    tile_kernels::TILE_KEYS,
};
use crate::{
    CacheType, Isa,
    lanes::{LANES, Lanes, avx2::Avx2Lanes},
    prefetch::LINE_BYTES,
};

/// Rows of queries against panels of cached keys.
pub(super) struct ScoredTile<'a> {
    /// The panels.
    pub(super) panels: &'a [Panel<'a>],
    /// The elements that are wanted after these, as many of each.
    pub(super) next: &'a [*const u8],
    /// Elements of each key.
    pub(super) head_dim: usize,
    /// Rows.
    pub(super) num_rows: usize,
    /// Room for the columns of four panels.
    pub(super) columns: *mut f32,
}

/// Sixteen keys of a head.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    /// Where each key's elements are.
    pub(super) entries: &'a [*const u8; LANES],
    /// The head's queries, [rows, head_dim].
    pub(super) queries: *const f32,
    /// The scores, [rows] of TILE_KEYS.
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
        CacheType::F32 => score_avx2::<F32> as ScoreFn,
        CacheType::Bf16 => score_avx2::<Bf16>,
        CacheType::Fp8E4m3 => score_avx2::<E4m3>,
        CacheType::Fp8E5m2 => score_avx2::<E5m2>,
        CacheType::Int8 => score_avx2::<Int8>,
    };
    Some(score).filter(|_| isa == Isa::Avx2)
}

/// Scores of all rows, a few panels at a time: enough that chains of additions need not wait for each other.
#[inline(always)]
unsafe fn score_lanes<L: Lanes, C: NarrowColumns>(tile: &ScoredTile<'_>) {
    let at_once = match tile.num_rows {
        1 => 4,
        2 => 2,
        _ => 1,
    };
    let mut ahead = Ahead::new(tile.next, tile.head_dim * C::SIZE_BYTES);
    let mut rest = tile.panels;
    while !rest.is_empty() {
        let panels;
        (panels, rest) = rest.split_at(if at_once <= rest.len() { at_once } else { 1 });
        for (index, panel) in panels.iter().enumerate() {
            store_panel::<L, C>(tile, panel.entries, index, &mut ahead);
        }
        match panels {
            [a, b, c, d] => score_rows::<L, C, 1, 4>(tile, &[*a, *b, *c, *d], 0, &mut ahead),
            [a, b] => score_rows::<L, C, 2, 2>(tile, &[*a, *b], 0, &mut ahead),
            [panel, ..] => score_panel::<L, C>(tile, panel, &mut ahead),
            [] => (),
        }
    }
}

/// Bytes of sixteen keys' columns.
#[inline(always)]
fn panel_bytes<C: NarrowColumns>(head_dim: usize) -> usize {
    head_dim.next_multiple_of(C::CHUNK_BYTES / C::SIZE_BYTES) * LANES * C::COLUMN_BYTES
}

/// Brings sixteen keys into columns.
#[inline(always)]
unsafe fn store_panel<L: Lanes, C: NarrowColumns>(
    tile: &ScoredTile<'_>,
    entries: &[*const u8; LANES],
    index: usize,
    ahead: &mut Ahead<'_>,
) {
    let columns = tile.columns.cast::<u8>().add(index * panel_bytes::<C>(tile.head_dim));
    let entry_bytes = tile.head_dim * C::SIZE_BYTES;
    let chunk_columns = C::CHUNK_BYTES / C::SIZE_BYTES * LANES * C::COLUMN_BYTES;
    for (chunk, byte) in (0..entry_bytes).step_by(C::CHUNK_BYTES).enumerate() {
        let target = columns.add(chunk * chunk_columns);
        // Bytes are turned in so many registers that it is better to ask while they are multiplied.
        if C::BY_HEADS {
            ahead.ask(LANES * C::CHUNK_BYTES / LINE_BYTES);
        }
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

/// All rows against one panel.
#[inline(always)]
unsafe fn score_panel<L: Lanes, C: NarrowColumns>(tile: &ScoredTile<'_>, panel: &Panel<'_>, ahead: &mut Ahead<'_>) {
    let panels = &[*panel];
    let mut row = 0;
    while row < tile.num_rows {
        let num_rows = (tile.num_rows - row).min(L::SUM_ROWS);
        match num_rows {
            6.. if L::SUM_ROWS >= 6 => score_rows::<L, C, 6, 1>(tile, panels, row, ahead),
            5 if L::SUM_ROWS >= 5 => score_rows::<L, C, 5, 1>(tile, panels, row, ahead),
            4 if L::SUM_ROWS >= 4 => score_rows::<L, C, 4, 1>(tile, panels, row, ahead),
            3 if L::SUM_ROWS >= 3 => score_rows::<L, C, 3, 1>(tile, panels, row, ahead),
            2 if L::SUM_ROWS >= 2 => score_rows::<L, C, 2, 1>(tile, panels, row, ahead),
            _ => score_rows::<L, C, 1, 1>(tile, panels, row, ahead),
        }
        row += num_rows;
    }
}

/// `M` rows against `N` panels of keys.
///
/// Each score is the same chain of additions as a micro-kernel's: products in ascending order of the elements, from zero.
#[inline(always)]
unsafe fn score_rows<L: Lanes, C: NarrowColumns, const M: usize, const N: usize>(
    tile: &ScoredTile<'_>,
    panels: &[Panel<'_>; N],
    first_row: usize,
    ahead: &mut Ahead<'_>,
) {
    let panel_bytes = panel_bytes::<C>(tile.head_dim);
    let columns = tile.columns.cast::<u8>();
    let query = |panel: usize, row: usize| {
        panels[if C::BY_HEADS { panel } else { 0 }].queries.add((first_row + row) * tile.head_dim)
    };
    let mut sums = [[L::splat(0.0); N]; M];
    for index in (0..tile.head_dim / 2 * 2).step_by(2) {
        // Four columns of bytes are a line.
        if !C::BY_HEADS && index.is_multiple_of(4) {
            ahead.ask(N);
        }
        for panel in 0..N {
            let (even, odd): (L, L) = C::load_two_columns(columns.add(panel * panel_bytes), index);
            for (row, sums) in sums.iter_mut().enumerate() {
                let query = query(panel, row).add(index);
                sums[panel] = L::splat(*query).mul_add(even, sums[panel]);
                sums[panel] = L::splat(*query.add(1)).mul_add(odd, sums[panel]);
            }
        }
    }
    if tile.head_dim % 2 == 1 {
        let index = tile.head_dim - 1;
        for (row, sums) in sums.iter_mut().enumerate() {
            for (panel, sum) in sums.iter_mut().enumerate() {
                let query = L::splat(*query(panel, row).add(index));
                let (keys, _): (L, L) = C::load_two_columns(columns.add(panel * panel_bytes), index);
                *sum = query.mul_add(keys, *sum);
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        for (panel, sum) in panels.iter().zip(sums) {
            sum.store(panel.scores.add((first_row + row) * TILE_KEYS));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lanes::scalar::ScalarLanes, testing::assert_same_bits};

    type Score = unsafe fn(&ScoredTile<'_>);

    /// Scores of whole numbers, of which every sum is exact, by panels of keys that have queries of their own where
    /// panels may be of several heads: [panels, rows, TILE_KEYS], the first sixteen of each row.
    fn scores(cache_type: CacheType, head_dim: usize, num_rows: usize, num_panels: usize, score: Score) -> Vec<f32> {
        let number = |index: usize| (index * 29 % 7) as f32 - 3.0;
        let slots: Vec<Vec<u8>> = (0..num_panels * LANES)
            .map(|key| {
                let numbers: Vec<f32> = (0..head_dim).map(|element| number(key * 13 + element)).collect();
                let mut slot = vec![0; cache_type.slot_elements(head_dim) * cache_type.size_bytes()];
                cache_type.store(&numbers, &mut slot);
                slot
            })
            .collect();
        let entries: Vec<*const u8> = slots.iter().map(|slot| slot.as_ptr()).collect();
        let queries: Vec<f32> = (0..num_panels * num_rows * head_dim).map(|index| number(index + 5)).collect();
        let mut columns = vec![f32::NAN; TILE_KEYS * head_dim.next_multiple_of(LANES)];
        let mut scores = vec![f32::NAN; num_panels * num_rows * TILE_KEYS];
        let start = scores.as_mut_ptr();
        let panel = |(index, entries)| Panel {
            entries,
            queries: queries[index * num_rows * head_dim..].as_ptr(),
            scores: start.wrapping_add(index * num_rows * TILE_KEYS),
        };
        let panels: Vec<Panel<'_>> = entries.as_chunks().0.iter().enumerate().map(panel).collect();
        // SAFETY: everything is as long as its field says, and the caller has the instruction set.
        unsafe {
            score(&ScoredTile { panels: &panels, next: &entries, head_dim, num_rows, columns: columns.as_mut_ptr() })
        };
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
                CacheType::F32 => score_lanes::<ScalarLanes, F32>,
                CacheType::Bf16 => score_lanes::<ScalarLanes, Bf16>,
                CacheType::Fp8E4m3 => score_lanes::<ScalarLanes, E4m3>,
                CacheType::Fp8E5m2 => score_lanes::<ScalarLanes, E5m2>,
                CacheType::Int8 => score_lanes::<ScalarLanes, Int8>,
            };
            let score = score(Isa::Avx2, cache_type).expect("AVX2 profits");
            for head_dim in [1, 3, 4, 16, 17, 31, 33, 64, 80, 128, 131] {
                for num_rows in 1..=9 {
                    for num_panels in 1..=4 {
                        let by = |score| scores(cache_type, head_dim, num_rows, num_panels, score);
                        let (actual, expected) = (by(score), by(twin));
                        let what = format!("{cache_type}, {num_rows} rows, {num_panels} panels of {head_dim}");
                        let is_score = |(index, _): &(usize, &f32)| index % TILE_KEYS < LANES;
                        let only = |scores: &[f32]| -> Vec<f32> {
                            scores.iter().enumerate().filter(is_score).map(|(_, &score)| score).collect()
                        };
                        let num_scores = actual.iter().filter(|score| !score.is_nan()).count();
                        assert!(num_scores == num_panels * num_rows * LANES, "{what}");
                        assert_same_bits(&only(&actual), &only(&expected), &what);
                    }
                }
            }
        }
    }
}
