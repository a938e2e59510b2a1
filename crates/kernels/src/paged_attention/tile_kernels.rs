//! The parts of attention that are not matrix products: bringing a tile of keys and values into panels, and the online
//! softmax of a row of scores.

use super::{
    cached::{Bf16, Cached, E4m3, E5m2, F32, Int8},
    weigh::weigh_lanes,
};
use crate::{
    CacheType, Isa,
    lanes::{LANES, Lanes},
    math::{exp, tanh},
    per_isa::per_isa,
    prefetch::{LINE_BYTES, ask_for},
};

/// Key positions of one tile; tiles begin at multiples of it.
pub(super) const TILE_KEYS: usize = 64;

/// Elements from one panel of values to the next. One line more than the tile has keys: at a multiple of 4 KiB, the
/// panels' stores would compete for the same few lines of the nearest cache.
pub(super) const VALUE_PANEL: usize = (TILE_KEYS + 1) * LANES;

/// Where the keys, or the values, of a tile are in memory.
pub(super) type Entries = [*const u8; TILE_KEYS];

/// A tile of cached keys or values.
pub(super) struct CachedTile<'a> {
    /// Where each key's elements are.
    pub(super) entries: &'a Entries,
    /// The elements that are wanted after these, as many of each.
    pub(super) next: &'a Entries,
    /// How many of them to load; a multiple of 16 for keys.
    pub(super) num_keys: usize,
    /// Elements of each.
    pub(super) head_dim: usize,
    /// The panels to fill.
    pub(super) panels: *mut f32,
}

/// Rows of weights against a tile of cached values that stay where they are.
pub(super) struct WeighedTile<'a> {
    /// Where each key's values are.
    pub(super) entries: &'a [*const u8],
    /// The elements that are wanted after these, as many of each; none if they were asked for.
    pub(super) next: &'a [*const u8],
    /// Keys that any row sees.
    pub(super) num_keys: usize,
    /// Elements of each.
    pub(super) head_dim: usize,
    /// Weights, [rows, TILE_KEYS].
    pub(super) scores: *const f32,
    /// Rows.
    pub(super) num_rows: usize,
    /// Weighted values so far, [rows] of `sums_stride`, a multiple of 16.
    pub(super) sums: *mut f32,
    /// Elements from one row of sums, or of chains, to the next.
    pub(super) sums_stride: usize,
    /// Where chains of additions wait between parts of a tile, [rows] as `sums`.
    pub(super) chains: *mut f32,
    /// Whether these are the first keys of a tile, so that chains begin, and the last, so that they are added to the sums.
    pub(super) begins: bool,
    pub(super) ends: bool,
}

/// One row of scores against a tile.
pub(super) struct ScoreRow {
    /// Scores; become weights.
    pub(super) scores: *mut f32,
    /// How many scores; a multiple of 16.
    pub(super) num_keys: usize,
    /// The keys that this row may see, `first..end`.
    pub(super) first: usize,
    pub(super) end: usize,
    /// The row's greatest score so far.
    pub(super) largest: *mut f32,
    /// The row's sum of weights so far, relative to `largest`.
    pub(super) sum: *mut f32,
    /// The row's weighted values so far.
    pub(super) values: *mut f32,
    /// Their number, a multiple of 16.
    pub(super) num_values: usize,
}

type LoadFn = unsafe fn(&CachedTile<'_>);
pub(super) type WeighFn = unsafe fn(&WeighedTile<'_>);

/// What depends on the cache's type.
#[derive(Clone, Copy, Debug)]
pub(super) struct CachedKernels {
    /// Loads keys as [keys / 16][head_dim][16].
    pub(super) load_keys: LoadFn,
    /// Loads values as [head_dim / 16][VALUE_PANEL]; elements past head_dim are left as they are.
    pub(super) load_values: LoadFn,
    /// Weighs values without loading them into panels: for few rows.
    pub(super) weigh: WeighFn,
    /// Whether few rows of several heads may be scored at a time, so that the cache is read in the order of memory.
    pub(super) by_heads: bool,
    /// Scores from keys that are not widened before, where that is known to be faster: for few rows.
    #[cfg(target_arch = "x86_64")]
    pub(super) score: Option<super::score::ScoreFn>,
    /// Where the CPU has tile products that suit the type: what they take instead of all of these.
    #[cfg(target_arch = "x86_64")]
    pub(super) stage: Option<super::amx::StageKernels>,
}

impl CachedKernels {
    fn new(isa: Isa, cache_type: CacheType) -> Self {
        let (load_keys, load_values, weigh) = match cache_type {
            CacheType::F32 => (load_keys_f32(isa), load_values_f32(isa), weigh_f32(isa)),
            CacheType::Bf16 => (load_keys_bf16(isa), load_values_bf16(isa), weigh_bf16(isa)),
            CacheType::Fp8E4m3 => (load_keys_e4m3(isa), load_values_e4m3(isa), weigh_e4m3(isa)),
            CacheType::Fp8E5m2 => (load_keys_e5m2(isa), load_values_e5m2(isa), weigh_e5m2(isa)),
            CacheType::Int8 => (load_keys_int8(isa), load_values_int8(isa), weigh_int8(isa)),
        };
        #[cfg(target_arch = "x86_64")]
        let weigh = super::weigh_e4m3::weigh_as_bf16(isa, cache_type).unwrap_or(weigh);
        CachedKernels {
            load_keys,
            load_values,
            weigh,
            #[cfg(target_arch = "x86_64")]
            score: super::score::score(isa, cache_type),
            by_heads: isa == Isa::Avx2 && cache_type.size_bytes() > 1,
            #[cfg(target_arch = "x86_64")]
            stage: super::amx::StageKernels::new(isa, cache_type),
        }
    }

    /// Keeps tile products, where these kernels have any, from going to sleep between two tiles.
    ///
    /// # Safety
    /// The thread's tiles are configured where there is a `stage`.
    #[inline(always)]
    pub(super) unsafe fn stay_awake(&self) {
        #[cfg(target_arch = "x86_64")]
        if self.stage.is_some() {
            super::amx::stay_awake();
        }
    }
}

#[derive(Debug)]
pub(crate) struct AttentionKernels {
    f32: CachedKernels,
    bf16: CachedKernels,
    e4m3: CachedKernels,
    e5m2: CachedKernels,
    int8: CachedKernels,
    pub(super) update_row: unsafe fn(&ScoreRow),
    pub(super) scale_to: unsafe fn(&[f32], f32, &mut [f32]),
    pub(super) scale_keys: unsafe fn(&mut [f32], &[f32; TILE_KEYS]),
    pub(super) soft_cap: unsafe fn(&mut [f32], f32),
}

impl AttentionKernels {
    pub(crate) fn new(isa: Isa) -> Self {
        AttentionKernels {
            f32: CachedKernels::new(isa, CacheType::F32),
            bf16: CachedKernels::new(isa, CacheType::Bf16),
            e4m3: CachedKernels::new(isa, CacheType::Fp8E4m3),
            e5m2: CachedKernels::new(isa, CacheType::Fp8E5m2),
            int8: CachedKernels::new(isa, CacheType::Int8),
            update_row: update_row(isa),
            scale_to: scale_to(isa),
            scale_keys: scale_keys(isa),
            soft_cap: soft_cap(isa),
        }
    }

    /// The kernels that read a cache of this type.
    pub(super) fn cached(&self, cache_type: CacheType) -> CachedKernels {
        match cache_type {
            CacheType::F32 => self.f32,
            CacheType::Bf16 => self.bf16,
            CacheType::Fp8E4m3 => self.e4m3,
            CacheType::Fp8E5m2 => self.e5m2,
            CacheType::Int8 => self.int8,
        }
    }
}

per_isa!(load_keys_f32 = load_keys_lanes[F32](tile: &CachedTile<'_>));
per_isa!(load_keys_bf16 = load_keys_lanes[Bf16](tile: &CachedTile<'_>));
per_isa!(load_keys_e4m3 = load_keys_lanes[E4m3](tile: &CachedTile<'_>));
per_isa!(load_keys_e5m2 = load_keys_lanes[E5m2](tile: &CachedTile<'_>));
per_isa!(load_keys_int8 = load_keys_lanes[Int8](tile: &CachedTile<'_>));
per_isa!(load_values_f32 = load_values_lanes[F32](tile: &CachedTile<'_>));
per_isa!(load_values_bf16 = load_values_lanes[Bf16](tile: &CachedTile<'_>));
per_isa!(load_values_e4m3 = load_values_lanes[E4m3](tile: &CachedTile<'_>));
per_isa!(load_values_e5m2 = load_values_lanes[E5m2](tile: &CachedTile<'_>));
per_isa!(load_values_int8 = load_values_lanes[Int8](tile: &CachedTile<'_>));
per_isa!(weigh_f32 = weigh_lanes[F32](tile: &WeighedTile<'_>));
per_isa!(weigh_bf16 = weigh_lanes[Bf16](tile: &WeighedTile<'_>));
per_isa!(weigh_e4m3 = weigh_lanes[E4m3](tile: &WeighedTile<'_>));
per_isa!(weigh_e5m2 = weigh_lanes[E5m2](tile: &WeighedTile<'_>));
per_isa!(weigh_int8 = weigh_lanes[Int8](tile: &WeighedTile<'_>));
per_isa!(update_row = update_row_lanes[](row: &ScoreRow));
per_isa!(scale_to = scale_to_lanes[](source: &[f32], factor: f32, target: &mut [f32]));
per_isa!(scale_keys = scale_keys_lanes[](scores: &mut [f32], factors: &[f32; TILE_KEYS]));
per_isa!(soft_cap = soft_cap_lanes[](scores: &mut [f32], cap: f32));

/// Reads one byte of every line of some entries, one after the other.
///
/// Work on a tile jumps between entries, which the CPU's prefetchers do not follow. Most lines were asked for during the work before;
/// some processors drop that when too much is under way. Plain reads in order of address stream at full bandwidth; the work then
/// finds its numbers in cache. Entries shorter than a line are left: there is little of them, and a block's lie one behind the other.
#[inline(never)]
pub(super) unsafe fn stream(entries: &[*const u8], len_bytes: usize) {
    if len_bytes < LINE_BYTES {
        return;
    }
    for &entry in entries {
        let mut offset = 0;
        while offset < len_bytes {
            entry.add(offset).read_volatile();
            offset += LINE_BYTES;
        }
    }
}

/// Asks for the line of each entry that has a byte.
#[inline(never)]
fn ask_for_lines(entries: &[*const u8], byte: usize) {
    for entry in entries {
        ask_for(entry.wrapping_add(byte), LINE_BYTES);
    }
}

#[inline(always)]
unsafe fn load_keys_lanes<L: Lanes, C: Cached>(tile: &CachedTile<'_>) {
    let full = tile.head_dim / C::ELEMENTS_OF_16_WORDS * C::ELEMENTS_OF_16_WORDS;
    for first in (0..tile.num_keys).step_by(LANES) {
        let panel = tile.panels.add(first * tile.head_dim);
        stream(&tile.entries[first..first + LANES], tile.head_dim * C::SIZE_BYTES);
        let entries = tile.entries[first..].first_chunk().expect("keys come in sixteens; otherwise this is a bug");
        for index in (0..full).step_by(C::ELEMENTS_OF_16_WORDS) {
            ask_for_lines(&tile.next[first..first + LANES], index * C::SIZE_BYTES);
            C::columns_of_16_words::<L>(entries, index, panel.add(index * LANES));
        }
        for index in (full..tile.head_dim).step_by(LANES) {
            let count = (tile.head_dim - index).min(LANES);
            C::first_columns::<L>(entries, index, count, panel.add(index * LANES));
        }
    }
}

#[inline(always)]
unsafe fn load_values_lanes<L: Lanes, C: Cached>(tile: &CachedTile<'_>) {
    let full = tile.head_dim / LANES * LANES;
    let rest = tile.head_dim - full;
    for key in 0..tile.num_keys {
        let entry = tile.entries[key];
        let target = tile.panels.add(key * LANES);
        for index in (0..full).step_by(LANES) {
            C::load::<L>(entry, index).store(target.add(index / LANES * VALUE_PANEL));
        }
        if rest > 0 {
            C::load_first::<L>(entry, full, rest).store(target.add(full / LANES * VALUE_PANEL));
        }
    }
}

/// Turns scores into weights relative to the greatest score so far, and rescales what was summed before.
#[inline(always)]
unsafe fn update_row_lanes<L: Lanes>(row: &ScoreRow) {
    for key in (0..row.first).chain(row.end..row.num_keys) {
        *row.scores.add(key) = f32::NEG_INFINITY;
    }
    let before = *row.largest;
    let mut greatest = L::splat(before);
    for key in (0..row.num_keys).step_by(LANES) {
        greatest = L::load(row.scores.add(key)).max(greatest);
    }
    let largest = greatest.largest();
    if largest == f32::NEG_INFINITY {
        // Nothing to see yet: the weights are zero, and infinities must not meet below.
        for key in (0..row.num_keys).step_by(LANES) {
            L::splat(0.0).store(row.scores.add(key));
        }
        return;
    }
    if largest != before {
        // Before the first visible key, `before` is negative infinity and the factor 0.
        let factor = exp(L::splat(before - largest));
        let mut lanes = [0.0; LANES];
        factor.store(lanes.as_mut_ptr());
        *row.sum *= lanes[0];
        for index in (0..row.num_values).step_by(LANES) {
            let values = row.values.add(index);
            L::load(values).mul(factor).store(values);
        }
        *row.largest = largest;
    }
    let shift = L::splat(largest);
    let mut sum = L::splat(0.0);
    for key in (0..row.num_keys).step_by(LANES) {
        let scores = row.scores.add(key);
        let weights = exp(L::load(scores).sub(shift));
        weights.store(scores);
        sum = sum.add(weights);
    }
    *row.sum += sum.sum();
}

/// `target = source * factor`, and no zero is negative.
#[inline(always)]
unsafe fn scale_to_lanes<L: Lanes>(source: &[f32], factor: f32, target: &mut [f32]) {
    let (len, factor, zero) = (source.len().min(target.len()), L::splat(factor), L::splat(0.0));
    let (source, target) = (source.as_ptr(), target.as_mut_ptr());
    let full = len / LANES * LANES;
    for index in (0..full).step_by(LANES) {
        L::load(source.add(index)).mul(factor).add(zero).store(target.add(index));
    }
    let rest = len - full;
    if rest > 0 {
        let values = L::load_first(source.add(full), rest, 0.0).mul(factor).add(zero);
        values.store_first(target.add(full), rest);
    }
}

/// `scores *= factors`, key by key, of rows of a tile; no more than a tile's keys.
#[inline(always)]
unsafe fn scale_keys_lanes<L: Lanes>(scores: &mut [f32], factors: &[f32; TILE_KEYS]) {
    for (score, factor) in scores.iter_mut().zip(factors) {
        *score *= factor;
    }
}

/// `scores = cap * tanh(scores)`; their number is a multiple of 16.
#[inline(always)]
unsafe fn soft_cap_lanes<L: Lanes>(scores: &mut [f32], cap: f32) {
    let cap = L::splat(cap);
    for scores in scores.chunks_exact_mut(LANES) {
        let target = scores.as_mut_ptr();
        tanh(L::load(target)).mul(cap).store(target);
    }
}
