//! Row-wise work over the pool: how many rows make a chunk that is worth handing to another thread.

use std::ops::Range;

use crate::ThreadPool;

/// Elements that one thread handles in a few microseconds: less is not worth another thread's attention.
const CHUNK_ELEMENTS: usize = 8 * 1024;

/// Runs `task` over ranges of `num_rows` rows of `row_elements` elements.
pub(crate) fn for_rows(pool: &ThreadPool, num_rows: usize, row_elements: usize, task: &(dyn Fn(Range<usize>) + Sync)) {
    pool.run(num_rows, (CHUNK_ELEMENTS / row_elements.max(1)).max(1), task);
}
