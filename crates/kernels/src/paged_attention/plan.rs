//! Cuts a batch into work items of similar size and puts the longest first, so that threads finish together.

use super::{PagedAttention, attend::DIRECT_ROWS};

/// Rows (queries times grouped heads) that one item aims at: enough to pay for turning a tile of keys.
const ITEM_ROWS: usize = 128;

/// How many items each thread has at least where there are enough heads: the fewer, the longer are the runs of memory that each reads,
/// and the longer may one thread wait for another.
const ITEMS_OF_THREAD: usize = 2;

/// Some key-value heads and some queries of one sequence.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Item {
    /// Index of the sequence in the batch.
    pub(super) sequence: i32,
    /// The first key-value head.
    pub(super) kv_head: i32,
    /// Key-value heads.
    pub(super) num_kv_heads: i32,
    /// Token of the first query in the batch.
    pub(super) first_token: i32,
    /// Its position in the sequence.
    pub(super) first_position: i32,
    /// Consecutive queries.
    pub(super) num_queries: i32,
}

const ITEM_WORDS: usize = size_of::<Item>() / size_of::<i32>();

/// An item, as stored.
pub(super) type ItemWords = [i32; ITEM_WORDS];

/// The items of a batch, longest first.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    items: &'a [ItemWords],
    max_rows: usize,
    most_work: usize,
}

/// The items of a plan, as stored.
pub(super) type Items<'a> = &'a [ItemWords];

impl Item {
    /// Reads an item of [`Plan::items`].
    pub(super) fn read(words: &ItemWords) -> Item {
        let [sequence, kv_head, num_kv_heads, first_token, first_position, num_queries] = *words;
        Item { sequence, kv_head, num_kv_heads, first_token, first_position, num_queries }
    }
}

impl<'a> Plan<'a> {
    /// Memory for the items of a batch.
    pub(super) fn size_bytes(attention: &PagedAttention<'_>, group: usize) -> usize {
        let block = queries_per_item(group);
        let num_tokens = attention.query_start_loc.last().map_or(0, |&last| usize::try_from(last).unwrap_or(0));
        (num_tokens / block + attention.seq_lens.len()) * attention.layout.num_kv_heads * size_of::<Item>()
    }

    /// Plans a batch into `memory` and checks its tables' sizes. Items of few rows have as many heads as `most_cost` allows, and one at
    /// least.
    pub(super) fn new(
        attention: &PagedAttention<'_>,
        num_tokens: usize,
        group: usize,
        most_cost: usize,
        memory: &'a mut [i32],
    ) -> Plan<'a> {
        let PagedAttention { query_start_loc, seq_lens, layout, block_table_stride, .. } = *attention;
        assert_eq!(query_start_loc.len(), seq_lens.len() + 1, "query_start_loc is not [sequences + 1]; this is a bug");
        assert!(
            attention.block_tables.len() >= seq_lens.len() * block_table_stride,
            "block_tables are not [sequences, stride]; this is a bug"
        );
        let block = queries_per_item(group);
        let memory = memory.as_chunks_mut::<ITEM_WORDS>().0;
        let (mut num_items, mut max_rows) = (0, 0);
        for (sequence, (bounds, &seq_len)) in query_start_loc.windows(2).zip(seq_lens).enumerate() {
            let (start, end) = (bounds[0], bounds[1]);
            assert!(
                0 <= start && start <= end && end as usize <= num_tokens && end - start <= seq_len,
                "sequence {sequence}: tokens {start}..{end} of {num_tokens}, length {seq_len}; this is a bug"
            );
            assert!(
                seq_len as usize <= block_table_stride * layout.block_size,
                "sequence {sequence} of {seq_len} tokens is longer than its block table; this is a bug"
            );
            let mut first = start;
            while first < end {
                let num_queries = (end - first).min(block as i32);
                let first_position = seq_len - end + first;
                let rows = num_queries as usize * group;
                let heads = if rows <= DIRECT_ROWS {
                    let cost = cost_of_head(attention, group, sequence, first_position, num_queries);
                    even_heads(layout.num_kv_heads, most_cost / cost)
                } else {
                    1
                };
                max_rows = max_rows.max(rows * heads);
                for kv_head in (0..layout.num_kv_heads).step_by(heads) {
                    let num_kv_heads = heads.min(layout.num_kv_heads - kv_head) as i32;
                    memory[num_items] =
                        [sequence as i32, kv_head as i32, num_kv_heads, first, first_position, num_queries];
                    num_items += 1;
                }
                first += num_queries;
            }
        }
        let items = &mut memory[..num_items];
        let cost = |item: Item| {
            let Item { sequence, num_kv_heads, first_position, num_queries, .. } = item;
            cost_of_head(attention, group, sequence as usize, first_position, num_queries) * num_kv_heads as usize
        };
        items.sort_unstable_by_key(|words| {
            let item = Item::read(words);
            (std::cmp::Reverse(cost(item)), item.first_token, item.kv_head)
        });
        let most_work = items.first().map_or(0, |words| cost(Item::read(words)) * layout.head_dim);
        Plan { items, max_rows, most_work }
    }

    /// Multiplications of the longest item, of scores or of values.
    pub(super) fn most_work(&self) -> usize {
        self.most_work
    }

    /// The items, to be read by [`Item::read`].
    pub(super) fn items(&self) -> Items<'a> {
        self.items
    }

    /// The most rows of one item.
    pub(super) fn max_rows(&self) -> usize {
        self.max_rows
    }
}

/// The most that an item of several heads may cost: a share of the batch that leaves each thread some items, and a long sequence
/// among short ones to several threads.
pub(super) fn most_cost(attention: &PagedAttention<'_>, group: usize, threads: usize) -> usize {
    let PagedAttention { query_start_loc, seq_lens, layout, .. } = *attention;
    let costs = query_start_loc.windows(2).zip(seq_lens).enumerate().map(|(sequence, (bounds, &seq_len))| match bounds
        [1]
    .saturating_sub(bounds[0])
    {
        ..1 => 0,
        num_queries => cost_of_head(attention, group, sequence, seq_len.saturating_sub(num_queries), num_queries),
    });
    costs.sum::<usize>() * layout.num_kv_heads / (threads * ITEMS_OF_THREAD)
}

/// What some queries of a sequence cost for one key-value head, in numbers to compare; not 0.
fn cost_of_head(
    attention: &PagedAttention<'_>,
    group: usize,
    sequence: usize,
    first_position: i32,
    num_queries: i32,
) -> usize {
    let window = attention.sliding_window.unwrap_or(usize::MAX);
    let keys = match attention.causal {
        true => (first_position as usize + 1).min(window) + num_queries as usize,
        false => attention.seq_lens[sequence] as usize,
    };
    // Turning a tile of keys costs about as much as attending to it with 16 rows.
    keys * (num_queries as usize * group + 16)
}

/// How many heads the items of a sequence have, `most` at most: as many each, or nearly.
fn even_heads(num_kv_heads: usize, most: usize) -> usize {
    num_kv_heads.div_ceil(num_kv_heads.div_ceil(most.clamp(1, num_kv_heads)))
}

fn queries_per_item(group: usize) -> usize {
    (ITEM_ROWS / group.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CacheType, HeadLayout, KvLayout, SharedBuffer};

    /// The heads of each item of single tokens of sequences of so many tokens, by sequence.
    fn heads_of_items(seq_lens: &[i32], num_kv_heads: usize, threads: usize) -> Vec<Vec<i32>> {
        let layout = KvLayout {
            cache_type: CacheType::Bf16,
            num_blocks: 1,
            num_kv_heads,
            block_size: 1 << 20,
            head_dim: 64,
            slot_stride: 64,
        };
        let query_start_loc: Vec<i32> = (0..=seq_lens.len() as i32).collect();
        let block_tables = vec![0; seq_lens.len()];
        let cache = SharedBuffer::zeroed(1).expect("memory");
        let attention = PagedAttention {
            queries: &[],
            query_layout: HeadLayout { offset: 0, row_stride: 0, num_heads: num_kv_heads, head_dim: 64 },
            cache: &cache,
            layout,
            scale: 1.0,
            soft_cap: None,
            causal: true,
            sliding_window: None,
            query_start_loc: &query_start_loc,
            seq_lens,
            block_tables: &block_tables,
            block_table_stride: 1,
            out: &mut [],
        };
        let mut memory = vec![0; Plan::size_bytes(&attention, 1) / size_of::<i32>()];
        let plan = Plan::new(&attention, seq_lens.len(), 1, most_cost(&attention, 1, threads), &mut memory);
        let mut heads = vec![Vec::new(); seq_lens.len()];
        for item in plan.items().iter().map(Item::read) {
            heads[item.sequence as usize].push(item.num_kv_heads);
        }
        heads
    }

    #[test]
    fn items_have_as_many_heads_as_leave_every_thread_some_items() {
        assert_eq!(heads_of_items(&[4096; 4], 8, 2), vec![vec![8]; 4]);
        assert_eq!(heads_of_items(&[4096], 8, 2), [[2; 4]]);
        assert_eq!(heads_of_items(&[4096; 2], 5, 2), vec![vec![2, 2, 1]; 2]);
        assert_eq!(heads_of_items(&[4096], 8, 64), [[1; 8]]);
        assert_eq!(heads_of_items(&[1, 1], 1, 1), vec![vec![1]; 2]);
    }

    #[test]
    fn a_long_sequence_among_short_ones_is_shared_between_threads() {
        let heads = heads_of_items(&[32_768, 200, 200, 200], 8, 2);
        assert_eq!(heads, [vec![2; 4], vec![8], vec![8], vec![8]]);
    }
}
