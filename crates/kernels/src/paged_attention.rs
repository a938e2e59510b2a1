//! Attention over a paged cache, for ragged batches that mix prompt chunks and single decode tokens.
//!
//! A work item is one key-value head and a few queries of one sequence, with all query heads that share the key-value
//! head; or several key-value heads, where it is faster to read a cache's blocks in the order of memory. It walks over
//! tiles of 64 absolute key positions with an online softmax (Milakov and Gimelshein, arXiv:1805.02867; Dao et al.,
//! arXiv:2205.14135). Tiles begin at multiples of 64 whatever the chunk, the block size or the window, and each query's
//! sums run over its keys tile by tile, in an order inside of a tile that is always the same, so a query's result depends
//! on nothing but the query and its keys.

mod ahead;
#[cfg(target_arch = "x86_64")]
mod amx;
mod attend;
mod cached;
#[cfg(target_arch = "x86_64")]
mod narrow_columns;
mod plan;
#[cfg(target_arch = "x86_64")]
mod score;
mod steps;
mod tile_kernels;
mod weigh;
#[cfg(target_arch = "x86_64")]
mod weigh_e4m3;
mod workspace;

pub(crate) use tile_kernels::AttentionKernels;

use crate::{
    HeadLayout, Kernels, KernelsError, KvLayout, SharedBuffer, ThreadPool, disjoint::Disjoint,
    threads::LEAST_CHUNK_WORK,
};
use attend::Attend;
use plan::Plan;
use workspace::Workspace;

/// Attention of a batch's new tokens over their sequences' cached keys and values (their own included).
#[derive(Debug)]
pub struct PagedAttention<'a> {
    /// Rows that hold the queries where `query_layout` says; one row per new token.
    pub queries: &'a [f32],
    /// The queries' heads; a multiple of the cache's heads. Head h reads key-value head h / (heads / kv heads).
    pub query_layout: HeadLayout,
    /// The cache, with the new tokens' keys and values already in it.
    pub cache: &'a SharedBuffer,
    /// The cache's layout.
    pub layout: KvLayout,
    /// Factor on the scores, mostly 1 / sqrt(head_dim).
    pub scale: f32,
    /// Scores become `soft_cap * tanh(score / soft_cap)` before the softmax; None leaves them.
    pub soft_cap: Option<f32>,
    /// True: a query sees its own position and those before it. False: it sees its whole sequence, as in an encoder.
    pub causal: bool,
    /// How many positions a causal query sees, its own included; None for all before it.
    pub sliding_window: Option<usize>,
    /// First new token of each sequence, and the number of tokens at the end: [sequences + 1].
    pub query_start_loc: &'a [i32],
    /// Tokens of each sequence, new ones included: [sequences].
    pub seq_lens: &'a [i32],
    /// Blocks of each sequence in order: [sequences, block_table_stride].
    pub block_tables: &'a [i32],
    /// Entries of one sequence in `block_tables`.
    pub block_table_stride: usize,
    /// [tokens, heads * head_dim].
    pub out: &'a mut [f32],
}

impl Kernels {
    /// `out = softmax(scale * q k^T) v` for every new token and head, over the positions that it may see.
    ///
    /// Panics when sizes disagree or a block table names a block outside of the cache.
    ///
    /// # Errors
    /// [`KernelsError::OutOfMemory`] when there is no room for scratch memory.
    pub fn paged_attention(&self, pool: &ThreadPool, attention: PagedAttention<'_>) -> Result<(), KernelsError> {
        let PagedAttention { queries, query_layout, cache, layout, scale, soft_cap, causal, sliding_window, .. } =
            attention;
        layout.check(cache.len_bytes());
        let num_tokens = query_layout.num_tokens(queries.len());
        let group = query_layout.num_heads / layout.num_kv_heads.max(1);
        assert!(
            group * layout.num_kv_heads == query_layout.num_heads && query_layout.head_dim == layout.head_dim,
            "{query_layout:?} does not fit {layout:?}; this is a bug"
        );
        assert_eq!(
            attention.out.len(),
            num_tokens * query_layout.num_heads * layout.head_dim,
            "paged_attention: out is not [tokens, heads * head_dim]; this is a bug"
        );
        assert!(soft_cap.is_none_or(|cap| cap > 0.0), "a cap that is not above 0; this is a bug");
        assert!(sliding_window != Some(0), "a window of no positions; this is a bug");
        assert!(causal || sliding_window.is_none(), "a window that is not causal; this is a bug");
        let mut plan_memory = self.arena.take(Plan::size_bytes(&attention, group))?;
        let most_cost = match self.attention.cached(layout.cache_type).by_heads {
            true => plan::most_cost(&attention, group, pool.threads()),
            false => 0,
        };
        let plan = Plan::new(&attention, num_tokens, group, most_cost, plan_memory.elements_mut());
        if plan.items().is_empty() || layout.head_dim == 0 {
            return Ok(());
        }
        let workspace_floats = Workspace::num_floats(plan.max_rows(), layout.head_dim);
        let mut workspaces = self.arena.take(workspace_floats * pool.threads() * 4)?;
        let workspaces = Disjoint::new(workspaces.elements_mut::<f32>());
        let cache = cache.read();
        let attend = Attend {
            kernels: self,
            queries,
            query_layout,
            cache: cache.bytes(),
            layout,
            scale: soft_cap.map_or(scale, |cap| scale / cap),
            soft_cap,
            causal,
            sliding_window,
            seq_lens: attention.seq_lens,
            block_tables: attention.block_tables,
            block_table_stride: attention.block_table_stride,
            group,
            out: Disjoint::new(attention.out),
        };
        let chunk = LEAST_CHUNK_WORK / plan.most_work().max(1);
        pool.run_indexed(plan.items().len(), chunk, &|worker, items| {
            // SAFETY: workers of a region have distinct indices, so their workspaces do not overlap.
            let memory = unsafe { workspaces.range(worker * workspace_floats..(worker + 1) * workspace_floats) };
            let mut workspace = Workspace::new(memory, plan.max_rows(), layout.head_dim);
            for item in &plan.items()[items] {
                attend.run(item, &mut workspace);
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
