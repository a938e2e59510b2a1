//! One work item of attention: its queries against tile after tile of keys and values.

#[cfg(target_arch = "x86_64")]
use super::{
    amx,
    score::{Panel, ScoredTile},
};
use super::{
    plan::{Item, ItemWords},
    steps::{Step, Steps},
    tile_kernels::{CachedKernels, CachedTile, Entries, ScoreRow, TILE_KEYS, VALUE_PANEL, WeighedTile},
    workspace::Workspace,
};
use crate::{Epilogue, HeadLayout, Kernels, KvLayout, disjoint::Disjoint, lanes::LANES, tile::Tile};

/// Up to so many rows, values are weighed where they are; more rows pay for bringing them into panels.
pub(super) const DIRECT_ROWS: usize = 9;

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

/// What is read of the cache at a time, on its way through [`Attend`].
struct Part<'a> {
    item: &'a Item,
    cached: &'a CachedKernels,
    /// Entries of each head.
    keys: usize,
    /// Where they are.
    entries: &'a Entries,
    /// Those of the next part.
    next: &'a Entries,
}

impl Attend<'_> {
    /// Computes an item's outputs.
    pub(super) fn run(&self, item: &ItemWords, workspace: &mut Workspace<'_>) {
        let item = Item::read(item);
        let padded = self.layout.head_dim.next_multiple_of(LANES);
        let rows = item.num_kv_heads as usize * self.rows_of_head(&item);
        let cached = self.kernels.attention.cached(self.layout.cache_type);
        // SAFETY: the kernels have tile products only where the CPU has, and nothing below configures them.
        #[cfg(target_arch = "x86_64")]
        let _configured = cached.stage.map(|_| unsafe { amx::configure() });
        self.load_queries(&item, workspace);
        workspace.sums[..rows * padded].fill(0.0);
        workspace.largest[..rows].fill(f32::NEG_INFINITY);
        workspace.weights[..rows].fill(0.0);

        let steps = self.steps(&item, &cached);
        let mut step = steps.first();
        let mut places = [[workspace.zeros.as_ptr().cast(); TILE_KEYS]; 2];
        let [mut entries, mut next_entries] = places.each_mut();
        self.find_entries(&item, &steps, &step, workspace, entries);
        loop {
            // SAFETY: the tiles are configured where they are used.
            unsafe { cached.stay_awake() };
            let next = steps.after(&step);
            match &next {
                // The same keys' values.
                Some(next) if next.is_values && steps.keys == TILE_KEYS => {
                    next_entries.copy_from_slice(entries);
                    let visible = next.visible.start - next.tile_start..next.num_visible();
                    for entry in &mut next_entries[visible] {
                        *entry = entry.wrapping_add(self.layout.value_offset());
                    }
                }
                Some(next) => self.find_entries(&item, &steps, next, workspace, next_entries),
                None => (),
            }
            let part = Part { item: &item, cached: &cached, keys: steps.keys, entries, next: next_entries };
            // SAFETY: entries point at slots of the cache (checked against its size) or at zeros as long; the
            // workspace is of the sizes that its fields state, and this thread's alone; the instruction set is this CPU's.
            unsafe {
                if !step.is_values {
                    self.score(&step, &part, workspace);
                } else {
                    if step.first == 0 {
                        self.turn_into_weights(&step, &part, workspace);
                    }
                    self.weigh(&step, &part, workspace);
                }
            }
            let Some(next) = next else { break };
            step = next;
            std::mem::swap(&mut entries, &mut next_entries);
        }
        self.store(&item, workspace);
    }

    /// Rows of an item that share a key-value head.
    fn rows_of_head(&self, item: &Item) -> usize {
        item.num_queries as usize * self.group
    }

    /// The order in which an item reads the cache. Where keys of several heads can be scored at a time, they are read as they lie.
    fn steps(&self, item: &Item, cached: &CachedKernels) -> Steps {
        let first_position = item.first_position as usize;
        let last_position = first_position + item.num_queries as usize - 1;
        let visible = self.first_visible(first_position)..self.end_visible(item, last_position);
        let num_heads = item.num_kv_heads as usize;
        let is_direct = cached.by_heads && self.rows_of_head(item) <= DIRECT_ROWS;
        let heads = if is_direct { num_heads.min(TILE_KEYS / LANES) } else { 1 };
        Steps { visible, num_heads, keys: TILE_KEYS / heads.next_power_of_two(), heads }
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
        let rows_of_head = self.rows_of_head(item);
        let row = |row: usize| {
            let (head, row) = (item.kv_head as usize + row / rows_of_head, row % rows_of_head);
            let token = item.first_token as usize + row / self.group;
            &self.queries[self.query_layout.head(token, head * self.group + row % self.group)]
        };
        let rows = item.num_kv_heads as usize * rows_of_head;
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

    /// Scores of some keys.
    ///
    /// # Safety
    /// Entries are slots of the cache, or zeros as long.
    unsafe fn score(&self, step: &Step, part: &Part<'_>, workspace: &mut Workspace<'_>) {
        let head_dim = self.layout.head_dim;
        let panels = workspace.keys.as_mut_ptr();
        let num_keys = (step.num_keys() - step.first).min(part.keys);
        let rows = self.rows_of_head(part.item);
        let tile = CachedTile { entries: part.entries, next: part.next, num_keys, head_dim, panels };
        #[cfg(target_arch = "x86_64")]
        if let Some(stage) = part.cached.stage {
            (stage.keys)(&tile);
            amx::score(&amx::Scored {
                queries: workspace.queries.as_ptr(),
                keys: panels,
                head_dim,
                num_rows: rows,
                scores: workspace.scores.as_mut_ptr(),
            });
            return self.scale_scores(step, part, num_keys, workspace);
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(score) = part.cached.score.filter(|_| rows <= DIRECT_ROWS) {
            let (queries, scores) = (workspace.queries.as_ptr(), workspace.scores.as_mut_ptr());
            let entries = part.entries.as_chunks().0;
            let panels_of_head = part.keys / LANES;
            let mut panels = [Panel { entries: &entries[0], queries, scores }; TILE_KEYS / LANES];
            let mut num_panels = 0;
            for (index, head) in step.heads.clone().enumerate() {
                for panel in 0..num_keys / LANES {
                    panels[num_panels] = Panel {
                        entries: &entries[index * panels_of_head + panel],
                        queries: queries.add(head * rows * head_dim),
                        scores: scores.add(head * rows * TILE_KEYS + step.first + panel * LANES),
                    };
                    num_panels += 1;
                }
            }
            let columns = workspace.keys.as_mut_ptr();
            score(&ScoredTile { panels: &panels[..num_panels], next: part.next, head_dim, num_rows: rows, columns });
            return self.scale_scores(step, part, num_keys, workspace);
        }
        (part.cached.load_keys)(&tile);
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
        self.kernels.f32_tiles.multiply(&scores, rows);
        self.scale_scores(step, part, num_keys, workspace);
    }

    /// Turns scores of a tile into weights, of a step's heads.
    ///
    /// # Safety
    /// The tile's scores are there.
    unsafe fn turn_into_weights(&self, step: &Step, part: &Part<'_>, workspace: &mut Workspace<'_>) {
        let padded = self.layout.head_dim.next_multiple_of(LANES);
        let Part { item, cached, .. } = *part;
        let attention = &self.kernels.attention;
        let (num_keys, rows_of_head) = (step.num_keys(), self.rows_of_head(item));
        for row in step.heads.start * rows_of_head..step.heads.end * rows_of_head {
            cached.stay_awake();
            let scores = &mut workspace.scores[row * TILE_KEYS..][..num_keys];
            if let Some(cap) = self.soft_cap {
                (attention.soft_cap)(scores, cap);
            }
            let position = item.first_position as usize + row % rows_of_head / self.group;
            let in_tile = |position: usize, end: usize| position.clamp(step.tile_start, end) - step.tile_start;
            let first = in_tile(self.first_visible(position), step.tile_start + num_keys);
            let end = in_tile(self.end_visible(item, position), step.visible.end);
            (attention.update_row)(&ScoreRow {
                scores: scores.as_mut_ptr(),
                num_keys,
                first,
                end: end.max(first),
                largest: &mut workspace.largest[row],
                sum: &mut workspace.weights[row],
                values: workspace.sums.as_mut_ptr().add(row * padded),
                num_values: padded,
            });
        }
    }

    /// Adds weighted values to the sums.
    ///
    /// # Safety
    /// As [`Attend::score`].
    unsafe fn weigh(&self, step: &Step, part: &Part<'_>, workspace: &mut Workspace<'_>) {
        let head_dim = self.layout.head_dim;
        let padded = head_dim.next_multiple_of(LANES);
        let num_keys = (step.num_visible() - step.first).min(part.keys);
        let num_rows = self.rows_of_head(part.item);
        self.scale_scores(step, part, num_keys, workspace);
        let (scores, sums) = (workspace.scores.as_mut_ptr(), workspace.sums.as_mut_ptr());
        let chains = workspace.chains.as_mut_ptr();
        let weighed = |index: usize, head: usize| WeighedTile {
            entries: &part.entries[index * part.keys..][..part.keys],
            next: &part.next[index * part.keys..][..part.keys],
            num_keys,
            head_dim,
            scores: scores.add(head * num_rows * TILE_KEYS + step.first),
            num_rows,
            sums: sums.add(head * num_rows * padded),
            sums_stride: padded,
            chains: chains.add(head * num_rows * padded),
            begins: step.first == 0,
            ends: step.first + part.keys >= step.num_visible(),
        };
        let panels = workspace.values.as_mut_ptr();
        let tile = CachedTile { entries: part.entries, next: part.next, num_keys, head_dim, panels };
        #[cfg(target_arch = "x86_64")]
        if let Some(stage) = part.cached.stage {
            (stage.values)(&tile);
            amx::weigh(&weighed(0, 0), panels);
            return;
        }
        if num_rows <= DIRECT_ROWS {
            for (index, head) in step.heads.clone().enumerate() {
                (part.cached.weigh)(&weighed(index, head));
            }
            return;
        }
        (part.cached.load_values)(&tile);
        let weighted = Tile {
            weights: workspace.values.as_ptr().cast(),
            panel_bytes: VALUE_PANEL * 4,
            x: workspace.scores.as_ptr().cast(),
            x_stride_bytes: TILE_KEYS * 4,
            x_scales: std::ptr::null(),
            num_inputs: num_keys,
            bias: std::ptr::null(),
            out: workspace.sums.as_mut_ptr(),
            out_stride: padded,
            columns: padded,
            epilogue: Epilogue::Add,
            waiting: std::ptr::null_mut(),
        };
        self.kernels.f32_tiles.multiply(&weighted, num_rows);
    }

    /// Multiplies scores, or weights, of a step with the scales of its entries, in a cache that has scales.
    ///
    /// # Safety
    /// The first `num_keys` entries of each head are slots of the cache, or zeros as long.
    unsafe fn scale_scores(&self, step: &Step, part: &Part<'_>, num_keys: usize, workspace: &mut Workspace<'_>) {
        if !self.layout.cache_type.has_scales() {
            return;
        }
        let rows = self.rows_of_head(part.item);
        for (index, head) in step.heads.clone().enumerate() {
            let mut scales = [0.0; TILE_KEYS];
            for (scale, entry) in scales.iter_mut().zip(&part.entries[index * part.keys..][..num_keys]) {
                *scale = entry.add(self.layout.head_dim).cast::<f32>().read_unaligned();
            }
            let scores = &mut workspace.scores[head * rows * TILE_KEYS..][..rows * TILE_KEYS];
            for row in scores.chunks_exact_mut(TILE_KEYS) {
                (self.kernels.attention.scale_keys)(&mut row[step.first..][..num_keys], &scales);
            }
        }
    }

    /// Finds a step's visible keys or values, `keys` of them for each head. Invisible ones read zeros, so that whatever another
    /// sequence left in a block cannot reach a sum.
    fn find_entries(&self, item: &Item, steps: &Steps, step: &Step, workspace: &Workspace<'_>, entries: &mut Entries) {
        entries.fill(workspace.zeros.as_ptr().cast());
        let block_size = self.layout.block_size;
        let table = &self.block_tables[item.sequence as usize * self.block_table_stride..][..self.block_table_stride];
        let stride_bytes = self.layout.slot_stride * self.layout.cache_type.size_bytes();
        let value_offset = if step.is_values { self.layout.value_offset() } else { 0 };
        let start = step.tile_start + step.first;
        let (mut position, end) = (step.visible.start.max(start), step.visible.end.min(start + steps.keys));
        let (mut table_index, mut offset) = (position / block_size, position % block_size);
        while position < end {
            let block = usize::try_from(table[table_index]).expect("a negative block; this is a bug");
            let count = (block_size - offset).min(end - position);
            for (index, head) in step.heads.clone().enumerate() {
                let key = self.layout.key_offset(block, item.kv_head as usize + head, offset);
                let first = self.cache[key + value_offset..].as_ptr();
                let entries = &mut entries[index * steps.keys + position - start..][..count];
                for (index, entry) in entries.iter_mut().enumerate() {
                    *entry = first.wrapping_add(index * stride_bytes);
                }
            }
            position += count;
            (table_index, offset) = (table_index + 1, 0);
        }
    }

    fn store(&self, item: &Item, workspace: &Workspace<'_>) {
        let head_dim = self.layout.head_dim;
        let padded = head_dim.next_multiple_of(LANES);
        let rows_of_head = self.rows_of_head(item);
        for index in 0..item.num_kv_heads as usize * rows_of_head {
            let (kv_head, row) = (item.kv_head as usize + index / rows_of_head, index % rows_of_head);
            let token = item.first_token as usize + row / self.group;
            let head = kv_head * self.group + row % self.group;
            let start = (token * self.query_layout.num_heads + head) * head_dim;
            let sums = &workspace.sums[index * padded..][..head_dim];
            // SAFETY: each token and head belongs to one item; lengths agree; the instruction set is this CPU's.
            unsafe {
                let target = self.out.range(start..start + head_dim);
                (self.kernels.attention.scale_to)(sums, 1.0 / workspace.weights[index], target);
            }
        }
    }
}
