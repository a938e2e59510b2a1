//! One work item of attention: its queries against tile after tile of keys and values.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::amx::{self, sizes as staged_sizes};
use super::{
    plan::Item,
    tile_kernels::{CachedKernels, CachedTile, Entries, ScoreRow, TILE_KEYS, VALUE_PANEL, WeighedTile},
};
use crate::{Epilogue, HeadLayout, Kernels, KvLayout, disjoint::Disjoint, lanes::LANES, tile::Tile};

/// Up to so many rows, values are weighed where they are; more rows pay for bringing them into panels.
const DIRECT_ROWS: usize = 9;

/// What the items of a batch have in common.
pub(super) struct Attend<'a> {
    pub(super) kernels: &'a Kernels,
    pub(super) queries: &'a [f32],
    pub(super) query_layout: HeadLayout,
    pub(super) cache: &'a [u8],
    pub(super) layout: KvLayout,
    /// Factor on the scores; with a soft cap, divided by it.
    pub(super) scale: f32,
    pub(super) soft_cap: Option<f32>,
    pub(super) causal: bool,
    pub(super) sliding_window: Option<usize>,
    pub(super) seq_lens: &'a [i32],
    pub(super) block_tables: &'a [i32],
    pub(super) block_table_stride: usize,
    /// Query heads that share a key-value head.
    pub(super) group: usize,
    pub(super) out: Disjoint<'a, f32>,
}

/// Scratch of one thread. A row is one query of one head; rows of an item are query by query, head by head.
pub(super) struct Workspace<'a> {
    /// Scaled queries, [rows, head_dim], or as tile products take them.
    queries: &'a mut [f32],
    /// A tile of keys, [TILE_KEYS / 16, head_dim, 16], or as tile products take them.
    keys: &'a mut [f32],
    /// A tile of values, [head_dim / 16, VALUE_PANEL], or as tile products take them.
    values: &'a mut [f32],
    /// Scores, then weights, [rows, TILE_KEYS].
    scores: &'a mut [f32],
    /// Weighted values so far, [rows, head_dim rounded up to 16].
    sums: &'a mut [f32],
    /// Greatest score so far, [rows].
    largest: &'a mut [f32],
    /// Sum of weights so far, [rows].
    weights: &'a mut [f32],
    /// What keys outside of the visible range read, [slot elements].
    zeros: &'a mut [f32],
}

impl<'a> Workspace<'a> {
    fn sizes(max_rows: usize, head_dim: usize) -> [usize; 8] {
        let padded = head_dim.next_multiple_of(LANES);
        let [queries, keys, values] = staged_sizes(max_rows, head_dim);
        [
            queries.max(max_rows * head_dim),
            keys.max(TILE_KEYS * padded),
            values.max(VALUE_PANEL * padded / LANES),
            max_rows * TILE_KEYS,
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
        let [queries, keys, values, scores, sums, largest, weights, zeros] =
            Workspace::sizes(max_rows, head_dim).map(|size| {
                let (part, tail) = std::mem::take(&mut rest).split_at_mut(size);
                rest = tail;
                part
            });
        zeros.fill(0.0);
        Workspace { queries, keys, values, scores, sums, largest, weights, zeros }
    }
}

/// Nothing is staged for tile products elsewhere.
#[cfg(not(target_arch = "x86_64"))]
fn staged_sizes(_max_rows: usize, _head_dim: usize) -> [usize; 3] {
    [0; 3]
}

/// One tile, on its way through [`Attend`].
struct TileStep<'a> {
    /// Where its keys are, and its values.
    keys: &'a Entries,
    values: &'a Entries,
    /// The keys of the next tile.
    next_keys: &'a Entries,
    /// Keys up to the last one that any row sees.
    num_visible: usize,
    /// Rows.
    rows: usize,
}

impl TileStep<'_> {
    /// Keys that are scored.
    fn num_keys(&self) -> usize {
        self.num_visible.next_multiple_of(LANES)
    }
}

impl Attend<'_> {
    /// Computes an item's outputs.
    pub(super) fn run(&self, item: &[i32; 5], workspace: &mut Workspace<'_>) {
        let item = Item::read(item);
        let (first_position, num_queries) = (item.first_position as usize, item.num_queries as usize);
        let head_dim = self.layout.head_dim;
        let padded = head_dim.next_multiple_of(LANES);
        let rows = num_queries * self.group;
        let cached = self.kernels.attention.cached(self.layout.cache_type);
        // SAFETY: the kernels have tile products only where the CPU has, and nothing below configures them.
        #[cfg(target_arch = "x86_64")]
        let _configured = cached.stage.map(|_| unsafe { amx::configure() });
        self.load_queries(&item, workspace);
        workspace.sums[..rows * padded].fill(0.0);
        workspace.largest[..rows].fill(f32::NEG_INFINITY);
        workspace.weights[..rows].fill(0.0);

        let first_visible = self.first_visible(first_position);
        let end = self.end_visible(&item, first_position + num_queries - 1);
        let visible = |tile_start: usize| first_visible.max(tile_start)..end.min(tile_start + TILE_KEYS);
        let mut tile_start = first_visible / TILE_KEYS * TILE_KEYS;
        let mut keys = self.entries(&item, tile_start, &visible(tile_start), workspace);
        while tile_start < end {
            let next_start = tile_start + TILE_KEYS;
            // SAFETY: the tiles are configured where they are used.
            unsafe { cached.stay_awake() };
            let next_keys =
                if next_start < end { self.entries(&item, next_start, &visible(next_start), workspace) } else { keys };
            self.attend_tile(&item, &cached, tile_start, visible(tile_start), [&keys, &next_keys], workspace);
            (tile_start, keys) = (next_start, next_keys);
        }
        self.store(&item, workspace);
    }

    /// The first position that a query sees.
    fn first_visible(&self, position: usize) -> usize {
        self.sliding_window.map_or(0, |window| (position + 1).saturating_sub(window))
    }

    /// One past the last position that a query sees.
    fn end_visible(&self, item: &Item, position: usize) -> usize {
        if self.causal { position + 1 } else { self.seq_lens[item.sequence as usize] as usize }
    }

    fn load_queries(&self, item: &Item, workspace: &mut Workspace<'_>) {
        let head_dim = self.layout.head_dim;
        let first_head = item.kv_head as usize * self.group;
        let row = |row: usize| {
            let token = item.first_token as usize + row / self.group;
            &self.queries[self.query_layout.head(token, first_head + row % self.group)]
        };
        let rows = item.num_queries as usize * self.group;
        #[cfg(target_arch = "x86_64")]
        if self.kernels.attention.cached(self.layout.cache_type).stage.is_some() {
            // SAFETY: the workspace has the sizes that were asked for, and the instruction set is this CPU's.
            unsafe { amx::stage_queries(rows, row, self.scale, workspace.queries) };
            return;
        }
        for (index, target) in workspace.queries[..rows * head_dim].chunks_exact_mut(head_dim).enumerate() {
            // SAFETY: the lengths agree, and the instruction set is this CPU's.
            unsafe { (self.kernels.attention.scale_to)(row(index), self.scale, target) };
        }
    }

    fn attend_tile(
        &self,
        item: &Item,
        cached: &CachedKernels,
        tile_start: usize,
        visible: Range<usize>,
        [keys, next_keys]: [&Entries; 2],
        workspace: &mut Workspace<'_>,
    ) {
        let padded = self.layout.head_dim.next_multiple_of(LANES);
        let num_visible = visible.end - tile_start;
        let attention = &self.kernels.attention;
        let value_offset = self.layout.value_offset();
        let mut values = *keys;
        for entry in &mut values[visible.start - tile_start..num_visible] {
            *entry = entry.wrapping_add(value_offset);
        }
        let rows = item.num_queries as usize * self.group;
        let step = TileStep { keys, values: &values, next_keys, num_visible, rows };
        let num_keys = step.num_keys();
        // SAFETY: entries point at slots of the cache (checked against its size) or at zeros as long; the
        // workspace is of the sizes that its fields state, and this thread's alone; the instruction set is this CPU's.
        unsafe {
            self.score(&step, cached, workspace);
            self.scale_keys(keys, num_keys, rows, workspace);
            if let Some(cap) = self.soft_cap {
                for row in workspace.scores[..rows * TILE_KEYS].chunks_exact_mut(TILE_KEYS) {
                    (attention.soft_cap)(&mut row[..num_keys], cap);
                }
            }
            for row in 0..rows {
                cached.stay_awake();
                let position = item.first_position as usize + row / self.group;
                let first = self.first_visible(position).clamp(tile_start, tile_start + num_keys) - tile_start;
                let end = self.end_visible(item, position).clamp(tile_start, tile_start + num_visible) - tile_start;
                (attention.update_row)(&ScoreRow {
                    scores: workspace.scores.as_mut_ptr().add(row * TILE_KEYS),
                    num_keys,
                    first,
                    end: end.max(first),
                    largest: &mut workspace.largest[row],
                    sum: &mut workspace.weights[row],
                    values: workspace.sums.as_mut_ptr().add(row * padded),
                    num_values: padded,
                });
            }
            self.scale_keys(&values, num_visible, rows, workspace);
            self.weigh(&step, cached, workspace);
        }
    }

    /// Scores of a tile's keys.
    ///
    /// # Safety
    /// Entries are slots of the cache, or zeros as long.
    unsafe fn score(&self, step: &TileStep<'_>, cached: &CachedKernels, workspace: &mut Workspace<'_>) {
        let head_dim = self.layout.head_dim;
        let panels = workspace.keys.as_mut_ptr();
        let num_keys = step.num_keys();
        let tile = CachedTile { entries: step.keys, next: step.values, num_keys, head_dim, panels };
        #[cfg(target_arch = "x86_64")]
        if let Some(stage) = cached.stage {
            (stage.keys)(&tile);
            amx::score(&amx::Scored {
                queries: workspace.queries.as_ptr(),
                keys: panels,
                head_dim,
                num_rows: step.rows,
                scores: workspace.scores.as_mut_ptr(),
            });
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(score) = cached.score.filter(|_| step.rows <= DIRECT_ROWS) {
            score(&super::score::ScoredTile {
                entries: step.keys,
                next: step.values,
                num_keys,
                head_dim,
                queries: workspace.queries.as_ptr(),
                num_rows: step.rows,
                columns: panels,
                scores: workspace.scores.as_mut_ptr(),
            });
            return;
        }
        (cached.load_keys)(&tile);
        let scores = Tile {
            weights: workspace.keys.as_ptr().cast(),
            panel_bytes: head_dim * LANES * 4,
            x: workspace.queries.as_ptr().cast(),
            x_stride_bytes: head_dim * 4,
            x_scales: std::ptr::null(),
            num_inputs: head_dim,
            bias: std::ptr::null(),
            out: workspace.scores.as_mut_ptr(),
            out_stride: TILE_KEYS,
            columns: num_keys,
            epilogue: Epilogue::Store,
            waiting: std::ptr::null_mut(),
        };
        self.kernels.f32_tiles.multiply(&scores, step.rows);
    }

    /// Adds a tile's weighted values to the sums.
    ///
    /// # Safety
    /// As [`Attend::score`].
    unsafe fn weigh(&self, step: &TileStep<'_>, cached: &CachedKernels, workspace: &mut Workspace<'_>) {
        let head_dim = self.layout.head_dim;
        let padded = head_dim.next_multiple_of(LANES);
        let weigh = WeighedTile {
            entries: step.values,
            next: Some(step.next_keys),
            num_keys: step.num_visible,
            head_dim,
            scores: workspace.scores.as_ptr(),
            num_rows: step.rows,
            sums: workspace.sums.as_mut_ptr(),
            sums_stride: padded,
        };
        let panels = workspace.values.as_mut_ptr();
        let tile =
            CachedTile { entries: step.values, next: step.next_keys, num_keys: step.num_visible, head_dim, panels };
        #[cfg(target_arch = "x86_64")]
        if let Some(stage) = cached.stage {
            (stage.values)(&tile);
            amx::weigh(&weigh, panels);
            return;
        }
        if step.rows <= DIRECT_ROWS {
            (cached.weigh)(&weigh);
            return;
        }
        (cached.load_values)(&tile);
        let weighted = Tile {
            weights: workspace.values.as_ptr().cast(),
            panel_bytes: VALUE_PANEL * 4,
            x: workspace.scores.as_ptr().cast(),
            x_stride_bytes: TILE_KEYS * 4,
            x_scales: std::ptr::null(),
            num_inputs: step.num_visible,
            bias: std::ptr::null(),
            out: workspace.sums.as_mut_ptr(),
            out_stride: padded,
            columns: padded,
            epilogue: Epilogue::Add,
            waiting: std::ptr::null_mut(),
        };
        self.kernels.f32_tiles.multiply(&weighted, step.rows);
    }

    /// Multiplies rows of scores with the scales of `entries`, in a cache that has scales.
    ///
    /// # Safety
    /// The first `num_keys` entries are slots of the cache, or zeros as long.
    unsafe fn scale_keys(&self, entries: &Entries, num_keys: usize, rows: usize, workspace: &mut Workspace<'_>) {
        if !self.layout.cache_type.has_scales() {
            return;
        }
        let mut scales = [0.0; TILE_KEYS];
        for (scale, entry) in scales.iter_mut().zip(&entries[..num_keys]) {
            *scale = entry.add(self.layout.head_dim).cast::<f32>().read_unaligned();
        }
        for row in workspace.scores[..rows * TILE_KEYS].chunks_exact_mut(TILE_KEYS) {
            (self.kernels.attention.scale_keys)(&mut row[..num_keys], &scales);
        }
    }

    /// Addresses of the visible keys of a tile. Invisible ones read zeros, so that whatever another sequence left in a
    /// block cannot reach a sum.
    fn entries(&self, item: &Item, tile_start: usize, visible: &Range<usize>, workspace: &Workspace<'_>) -> Entries {
        let mut entries = [workspace.zeros.as_ptr().cast(); TILE_KEYS];
        let block_size = self.layout.block_size;
        let table = &self.block_tables[item.sequence as usize * self.block_table_stride..][..self.block_table_stride];
        let stride_bytes = self.layout.slot_stride * self.layout.cache_type.size_bytes();
        let mut position = visible.start;
        while position < visible.end {
            let block = usize::try_from(table[position / block_size]).expect("a negative block; this is a bug");
            let offset = position % block_size;
            let count = (block_size - offset).min(visible.end - position);
            let start = self.layout.key_offset(block, item.kv_head as usize, offset);
            let first = self.cache[start..].as_ptr();
            for (index, entry) in entries[position - tile_start..][..count].iter_mut().enumerate() {
                *entry = first.wrapping_add(index * stride_bytes);
            }
            position += count;
        }
        entries
    }

    fn store(&self, item: &Item, workspace: &Workspace<'_>) {
        let head_dim = self.layout.head_dim;
        let padded = head_dim.next_multiple_of(LANES);
        let num_heads = self.query_layout.num_heads;
        let first_head = item.kv_head as usize * self.group;
        for row in 0..item.num_queries as usize * self.group {
            let token = item.first_token as usize + row / self.group;
            let start = (token * num_heads + first_head + row % self.group) * head_dim;
            let sums = &workspace.sums[row * padded..][..head_dim];
            // SAFETY: each token and head belongs to one item; lengths agree; the instruction set is this CPU's.
            unsafe {
                let target = self.out.range(start..start + head_dim);
                (self.kernels.attention.scale_to)(sums, 1.0 / workspace.weights[row], target);
            }
        }
    }
}
