//! Gives sequences the blocks for their tokens, finds cached prefixes, and takes blocks back. It decides nothing about
//! who runs.

use crate::block::BlockIdentity;
use crate::block_hash::BlockHasher;
use crate::block_pool::BlockPool;
use crate::config::EngineConfig;
use crate::events::KvCacheEvent;
use crate::ids::BlockId;
use crate::prefix_map::Sought;
use crate::sequence::Sequence;

#[derive(Debug)]
pub(crate) struct KvCacheManager {
    config: EngineConfig,
    pub(crate) pool: BlockPool,
    hasher: BlockHasher,
    /// Blocks of the prefix found by the last `find_cached_prefix`; null where a sliding window does not look.
    hits: Vec<BlockId>,
}

/// What is asked for when a waiting sequence is to start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admission {
    /// Tokens to compute now, after the cached prefix.
    pub(crate) num_new_tokens: u32,
    /// Blocks that must stay free.
    pub(crate) watermark_blocks: u32,
    /// The step being scheduled.
    pub(crate) step: u64,
}

impl KvCacheManager {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        Self {
            pool: BlockPool::new(
                config.num_blocks,
                config.block_size,
                config.enable_prefix_caching,
                config.enable_events,
            ),
            hasher: BlockHasher::new(&config.hash_secret),
            hits: Vec::new(),
            config: config.clone(),
        }
    }

    /// Looks for the longest cached prefix and returns its tokens: whole blocks, at most all tokens but one, because
    /// one must be computed to have logits. Touches nothing.
    pub(crate) fn find_cached_prefix(&mut self, sequence: &mut Sequence) -> u32 {
        self.hits.clear();
        if !self.config.enable_prefix_caching || !sequence.reads_prefix_cache() {
            return 0;
        }
        let block_size = self.config.block_size;
        let most = (sequence.num_tokens() - 1) / block_size;
        match self.config.sliding_window {
            None => {
                for index in 0..most {
                    sequence.extend_chain(&self.hasher, block_size, index + 1);
                    match self.find_block(sequence, index) {
                        Some(id) => self.hits.push(id),
                        None => break,
                    }
                }
            }
            Some(window) => {
                sequence.extend_chain(&self.hasher, block_size, most);
                self.find_cached_window(sequence, most, (window - 1).div_ceil(block_size));
            }
        }
        self.hits.len() as u32 * block_size
    }

    /// With a sliding window only the last `needed` blocks of a prefix must be there. Searched from the right; what is
    /// further left than the window is the null block.
    fn find_cached_window(&mut self, sequence: &Sequence, most: u32, needed: u32) {
        // A window of one token looks at nothing but itself.
        if needed == 0 {
            self.hits.resize(most as usize, BlockId::NULL);
            return;
        }
        self.hits.resize(most as usize, BlockId::NULL);
        let (mut end, mut run) = (most, 0);
        for index in (0..most).rev() {
            match self.find_block(sequence, index) {
                Some(id) => {
                    self.hits[index as usize] = id;
                    run += 1;
                    if run == needed {
                        self.hits.truncate(end as usize);
                        self.hits[..index as usize].fill(BlockId::NULL);
                        return;
                    }
                }
                None => {
                    end = index;
                    run = 0;
                }
            }
        }
        // A run that starts with the sequence needs nothing before it.
        self.hits.truncate(end as usize);
    }

    fn find_block(&self, sequence: &Sequence, index: u32) -> Option<BlockId> {
        let link = sequence.chain[index as usize];
        self.pool.find(Sought {
            hash: link.hash,
            parent: sequence.parent_of(index),
            extra_digest: link.extra_digest,
            token_ids: self.tokens_of(sequence, index),
        })
    }

    fn tokens_of<'s>(&self, sequence: &'s Sequence, index: u32) -> &'s [i32] {
        let block_size = self.config.block_size as usize;
        &sequence.token_ids[index as usize * block_size..][..block_size]
    }

    /// Blocks for the next `num_new_tokens` tokens of a running sequence; false, and nothing taken, if there are not
    /// enough. Blocks that fell out of the sliding window are given back in any case: nobody looks at them again.
    pub(crate) fn extend(&mut self, sequence: &mut Sequence, num_new_tokens: u32, step: u64) -> bool {
        self.drop_out_of_window(sequence);
        let end = sequence.num_computed_tokens + num_new_tokens;
        let slots = end + self.config.num_lookahead_tokens;
        if slots > sequence.table.len() * self.config.block_size {
            let needed = slots.div_ceil(self.config.block_size) - sequence.table.len();
            if needed > self.pool.num_free() {
                return false;
            }
            self.take(sequence, needed);
        }
        self.register_full_blocks(sequence, end, step);
        true
    }

    /// Starts a sequence on the prefix found last; false, and nothing changed, if its first chunk (or all of its
    /// tokens, with whole-prompt reservation) does not fit.
    pub(crate) fn admit(&mut self, sequence: &mut Sequence, admission: Admission) -> bool {
        let Admission { num_new_tokens, watermark_blocks, step } = admission;
        let num_hits = self.hits.len() as u32;
        let num_null = self.hits.iter().take_while(|id| id.is_null()).count() as u32;
        // Cached blocks that nobody holds are free now, and will not be.
        let num_revived = self.hits.iter().filter(|id| !id.is_null() && self.pool.ref_count(**id) == 0).count() as u32;
        let end = num_hits * self.config.block_size + num_new_tokens;
        let needed = (end + self.config.num_lookahead_tokens).div_ceil(self.config.block_size) - num_hits;
        let available = self.pool.num_free().saturating_sub(num_revived);
        let mut wanted = needed;
        if self.config.reserve_full_prompt {
            let slots = u64::from(sequence.num_tokens() + self.config.num_lookahead_tokens);
            let table = slots.div_ceil(u64::from(self.config.block_size)) - u64::from(num_null);
            let held = u64::from(num_hits - num_null);
            let whole = table.min(self.config.window_blocks()).saturating_sub(held);
            wanted = wanted.max(u32::try_from(whole).unwrap_or(u32::MAX));
        }
        if wanted.saturating_add(watermark_blocks) > available {
            return false;
        }
        sequence.reserve(self.config.block_size);
        for &id in &self.hits {
            self.pool.touch(id);
        }
        sequence.table.start_with(&self.hits);
        sequence.num_computed_tokens = num_hits * self.config.block_size;
        sequence.num_settled_tokens = sequence.num_computed_tokens;
        self.take(sequence, needed);
        self.register_full_blocks(sequence, end, step);
        true
    }

    fn take(&mut self, sequence: &mut Sequence, num_blocks: u32) {
        for _ in 0..num_blocks {
            let id = self.pool.take();
            sequence.table.push(id);
        }
    }

    /// Registers the blocks that are full of known tokens once the tokens before `end` are computed. Drafts and tokens
    /// that are still being sampled are not known.
    fn register_full_blocks(&mut self, sequence: &mut Sequence, end: u32, step: u64) {
        let known = end.min(sequence.num_tokens());
        let first = sequence.table.num_registered();
        if !self.config.enable_prefix_caching || known < (first + 1) * self.config.block_size {
            return;
        }
        let full = known / self.config.block_size;
        sequence.extend_chain(&self.hasher, self.config.block_size, full);
        for index in first..full {
            let id = sequence.table.blocks()[index as usize];
            if id.is_null() {
                continue;
            }
            let link = sequence.chain[index as usize];
            let parent = sequence.parent_of(index);
            let identity =
                BlockIdentity { hash: link.hash, parent, extra_digest: link.extra_digest, registered_step: step };
            self.pool.register(id, identity, self.tokens_of(sequence, index));
        }
        sequence.table.set_num_registered(full);
        if self.pool.records_events() {
            self.record_stored(sequence, first, full);
        }
    }

    fn record_stored(&mut self, sequence: &Sequence, first: u32, full: u32) {
        let first = first.max(sequence.table.num_leading_null());
        if first >= full {
            return;
        }
        let links = &sequence.chain[first as usize..full as usize];
        let block_size = self.config.block_size;
        self.pool.record(KvCacheEvent::BlockStored {
            hashes: links.iter().map(|link| link.hash).collect(),
            parent: (first > 0).then(|| sequence.parent_of(first)),
            token_ids: sequence.token_ids[(first * block_size) as usize..(full * block_size) as usize].to_vec(),
            block_size,
            extra_digests: links.iter().map(|link| link.extra_digest).collect(),
        });
    }

    /// Gives back the blocks that neither the next token nor any step in flight looks at.
    fn drop_out_of_window(&mut self, sequence: &mut Sequence) {
        let Some(window) = self.config.sliding_window else { return };
        // The token at position p looks at positions above p - window.
        let num_skippable = (sequence.num_settled_tokens + 1).saturating_sub(window);
        let end = num_skippable / self.config.block_size;
        if end > sequence.table.num_leading_null() {
            let pool = &mut self.pool;
            sequence.table.nullify_before(end, |id| pool.release(id));
        }
    }

    /// Takes all blocks of a sequence back, last one first.
    pub(crate) fn release(&mut self, sequence: &mut Sequence) {
        let pool = &mut self.pool;
        sequence.table.clear(|id| pool.release(id));
    }

    /// Takes blocks out of the cache that were registered in `step` or later: their content will not be written.
    pub(crate) fn unregister_blocks_of(&mut self, sequence: &Sequence, step: u64) {
        for &id in sequence.table.blocks() {
            if self.pool.identity(id).is_some_and(|identity| identity.registered_step >= step) {
                self.pool.unregister(id);
            }
        }
    }

    /// Whether the sequence holds a block that was registered in `step` or later.
    pub(crate) fn holds_blocks_since(&self, sequence: &Sequence, step: u64) -> bool {
        let since = |id: &BlockId| self.pool.identity(*id).is_some_and(|identity| identity.registered_step >= step);
        sequence.table.blocks().iter().any(since)
    }

    /// Blocks at the start that every one of the sequences holds; 0 with a sliding window.
    pub(crate) fn num_common_prefix_blocks<'s>(&self, mut holders: impl Iterator<Item = &'s Sequence>) -> u32 {
        if self.config.sliding_window.is_some() {
            return 0;
        }
        let Some(first) = holders.next() else { return 0 };
        let num_holders = 1 + holders.count() as u32;
        first.table.blocks().iter().take_while(|id| self.pool.ref_count(**id) == num_holders).count() as u32
    }
}
