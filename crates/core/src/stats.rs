//! Counts for whoever watches the engine. Integers; rates are the reader's.

use std::collections::VecDeque;

/// Admissions that the recent hit rate looks back on.
const RECENT_ADMISSIONS: usize = 1000;

/// A snapshot. Counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sequences that run.
    pub num_running: u64,
    /// Sequences that wait.
    pub num_waiting: u64,
    /// Steps scheduled and not yet updated.
    pub num_steps_in_flight: u64,
    /// Blocks that nobody holds.
    pub num_free_blocks: u64,
    /// Blocks that can be handed out.
    pub num_usable_blocks: u64,
    /// Blocks in the prefix cache, held or free.
    pub num_cached_blocks: u64,
    /// Steps scheduled.
    pub num_steps: u64,
    /// Tokens computed, drafts included.
    pub num_scheduled_tokens: u64,
    /// Tokens generated.
    pub num_generated_tokens: u64,
    /// Rows of steps that had drafts.
    pub num_drafted_rows: u64,
    /// Drafts verified.
    pub num_draft_tokens: u64,
    /// Drafts that were right.
    pub num_accepted_draft_tokens: u64,
    /// Times that a sequence yielded its blocks.
    pub num_preemptions: u64,
    /// Prefix cache, sequences that started and looked: their tokens.
    pub prefix_cache_queries: u64,
    /// Those of the tokens that were cached.
    pub prefix_cache_hits: u64,
    /// The same for sequences that started again after they had yielded.
    pub preempted_prefix_cache_queries: u64,
    /// Those of the tokens that were cached.
    pub preempted_prefix_cache_hits: u64,
    /// `prefix_cache_queries` of the last 1,000 sequences.
    pub recent_prefix_cache_queries: u64,
    /// `prefix_cache_hits` of the last 1,000 sequences.
    pub recent_prefix_cache_hits: u64,
}

/// Keeps the counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) totals: Stats,
    recent: VecDeque<(u32, u32)>,
}

impl Counters {
    /// A sequence that reads the prefix cache was admitted.
    pub(crate) fn record_admission(&mut self, num_tokens: u32, num_cached_tokens: u32, again: bool) {
        let (tokens, cached) = (u64::from(num_tokens), u64::from(num_cached_tokens));
        if again {
            self.totals.preempted_prefix_cache_queries += tokens;
            self.totals.preempted_prefix_cache_hits += cached;
            return;
        }
        self.totals.prefix_cache_queries += tokens;
        self.totals.prefix_cache_hits += cached;
        self.totals.recent_prefix_cache_queries += tokens;
        self.totals.recent_prefix_cache_hits += cached;
        if self.recent.len() == RECENT_ADMISSIONS
            && let Some((tokens, cached)) = self.recent.pop_front()
        {
            self.totals.recent_prefix_cache_queries -= u64::from(tokens);
            self.totals.recent_prefix_cache_hits -= u64::from(cached);
        }
        self.recent.push_back((num_tokens, num_cached_tokens));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_looks_back_a_thousand_admissions() {
        let mut counters = Counters::default();
        for index in 0..1500 {
            counters.record_admission(10, if index < 1000 { 0 } else { 4 }, false);
            counters.record_admission(7, 7, true);
        }
        let totals = counters.totals;
        assert_eq!((totals.prefix_cache_queries, totals.prefix_cache_hits), (15_000, 2_000));
        assert_eq!((totals.recent_prefix_cache_queries, totals.recent_prefix_cache_hits), (10_000, 2_000));
        assert_eq!((totals.preempted_prefix_cache_queries, totals.preempted_prefix_cache_hits), (10_500, 10_500));
    }
}
