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

    /// Plans a batch into `memory` and checks its tables' sizes.
    pub(super) fn new(
        attention: &PagedAttention<'_>,
        num_tokens: usize,
        group: usize,
        heads_of_item: usize,
        memory: &'a mut [i32],
    ) -> Plan<'a> {
        let PagedAttention { query_start_loc, seq_lens, layout, block_table_stride, causal, .. } = *attention;
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
                let heads = if num_queries as usize * group <= DIRECT_ROWS { heads_of_item } else { 1 };
                max_rows = max_rows.max(num_queries as usize * group * heads);
                let first_position = seq_len - end + first;
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
        let window = attention.sliding_window.unwrap_or(usize::MAX);
        let cost = |item: Item| {
            let keys = match causal {
                true => (item.first_position as usize + 1).min(window) + item.num_queries as usize,
                false => seq_lens[item.sequence as usize] as usize,
            };
            // Turning a tile of keys costs about as much as attending to it with 16 rows.
            keys * (item.num_queries as usize * group + 16) * item.num_kv_heads as usize
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

/// Key-value heads that items of few rows have, where items may have several.
pub(super) fn heads_of_item(attention: &PagedAttention<'_>, group: usize, threads: usize) -> usize {
    let num_kv_heads = attention.layout.num_kv_heads.max(1);
    let has_few_rows =
        |bounds: &&[i32]| usize::try_from(bounds[1] - bounds[0]).is_ok_and(|queries| queries * group <= DIRECT_ROWS);
    let sequences = attention.query_start_loc.windows(2).filter(has_few_rows).count();
    let most_heads = (sequences * num_kv_heads / (threads * ITEMS_OF_THREAD)).clamp(1, num_kv_heads);
    // A sequence's items have as many heads each, or nearly.
    num_kv_heads.div_ceil(num_kv_heads.div_ceil(most_heads))
}

fn queries_per_item(group: usize) -> usize {
    (ITEM_ROWS / group.max(1)).max(1)
}
