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
    /// Of the first draft of a row, of the second, ...: those that were right.
    pub(crate) num_accepted_by_position: Vec<u64>,
    recent: VecDeque<(u32, u32)>,
}

impl Counters {
    /// Counts drafts at `num_positions` positions; at more if rows have more.
    pub(crate) fn new(num_positions: u32) -> Self {
        Self { num_accepted_by_position: vec![0; num_positions as usize], ..Self::default() }
    }

    /// Of `num_drafts` of a row the first `num_accepted` were right.
    pub(crate) fn record_drafts(&mut self, num_drafts: u32, num_accepted: u32) {
        self.totals.num_drafted_rows += 1;
        self.totals.num_draft_tokens += u64::from(num_drafts);
        self.totals.num_accepted_draft_tokens += u64::from(num_accepted);
        if self.num_accepted_by_position.len() < num_drafts as usize {
            self.num_accepted_by_position.resize(num_drafts as usize, 0);
        }
        for count in &mut self.num_accepted_by_position[..num_accepted as usize] {
            *count += 1;
        }
    }

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

    #[test]
    fn drafts_are_counted_at_their_positions() {
        let mut counters = Counters::new(3);
        assert_eq!(counters.num_accepted_by_position, [0, 0, 0]);
        for (num_drafts, num_accepted) in [(3, 2), (3, 0), (1, 1), (2, 2)] {
            counters.record_drafts(num_drafts, num_accepted);
        }
        assert_eq!(counters.num_accepted_by_position, [3, 2, 0]);
        counters.record_drafts(5, 4);
        assert_eq!(counters.num_accepted_by_position, [4, 3, 1, 1, 0]);
        let totals = counters.totals;
        assert_eq!((totals.num_drafted_rows, totals.num_draft_tokens, totals.num_accepted_draft_tokens), (5, 14, 9));
    }
}
