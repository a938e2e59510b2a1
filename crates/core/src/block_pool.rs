//! All blocks: who is free, how often each is held, and which prefixes are cached. It knows no sequence.

use crate::block::{Block, BlockIdentity};
use crate::events::KvCacheEvent;
use crate::free_list::FreeList;
use crate::ids::BlockId;
use crate::prefix_map::{PrefixMap, Sought};

#[derive(Debug)]
pub(crate) struct BlockPool {
    blocks: Vec<Block>,
    free: FreeList,
    prefixes: PrefixMap,
    events: Option<Vec<KvCacheEvent>>,
}

impl BlockPool {
    pub(crate) fn new(num_blocks: u32, block_size: u32, enable_prefix_caching: bool, enable_events: bool) -> Self {
        let num_blocks = num_blocks as usize;
        let mut blocks = vec![Block::default(); num_blocks];
        let free = FreeList::all(&mut blocks);
        let num_cacheable = if enable_prefix_caching { num_blocks } else { 0 };
        let prefixes = PrefixMap::new(num_cacheable, block_size as usize);
        Self { blocks, free, prefixes, events: enable_events.then(Vec::new) }
    }

    pub(crate) fn num_free(&self) -> u32 {
        self.free.len()
    }

    pub(crate) fn num_usable(&self) -> u32 {
        self.blocks.len() as u32 - 1
    }

    pub(crate) fn num_cached(&self) -> u32 {
        self.prefixes.len()
    }

    pub(crate) fn ref_count(&self, id: BlockId) -> u32 {
        self.blocks[id.index()].ref_count
    }

    pub(crate) fn identity(&self, id: BlockId) -> Option<BlockIdentity> {
        self.blocks[id.index()].identity
    }

    /// Takes the block at the head of the free list; if it was cached, it no longer is.
    pub(crate) fn take(&mut self) -> BlockId {
        let id = self.free.head().expect("a block is taken only after counting the free ones: this is a bug");
        self.free.remove(&mut self.blocks, id);
        self.unregister(id);
        self.blocks[id.index()].ref_count = 1;
        id
    }

    /// One more sequence holds the block; leaves the free list if it was there.
    pub(crate) fn touch(&mut self, id: BlockId) {
        if id.is_null() {
            return;
        }
        if self.blocks[id.index()].ref_count == 0 {
            self.free.remove(&mut self.blocks, id);
        }
        self.blocks[id.index()].ref_count += 1;
    }

    /// One sequence less holds the block. The last one gives it back: to the tail of the free list if it is cached, to
    /// the head if not.
    pub(crate) fn release(&mut self, id: BlockId) {
        if id.is_null() {
            return;
        }
        let block = &mut self.blocks[id.index()];
        block.ref_count = block.ref_count.checked_sub(1).expect("a free block was released: this is a bug");
        if block.ref_count > 0 {
            return;
        }
        if block.identity.is_some() {
            self.free.push_tail(&mut self.blocks, id);
        } else {
            self.free.push_head(&mut self.blocks, id);
        }
    }

    pub(crate) fn find(&self, sought: Sought<'_>) -> Option<BlockId> {
        self.prefixes.find(&self.blocks, sought)
    }

    /// Puts a full, held block into the cache.
    pub(crate) fn register(&mut self, id: BlockId, identity: BlockIdentity, token_ids: &[i32]) {
        debug_assert!(!id.is_null() && self.identity(id).is_none());
        self.prefixes.insert(&mut self.blocks, id, identity, token_ids);
    }

    /// Takes a block out of the cache, held or not. A free one keeps its place in the free list.
    pub(crate) fn unregister(&mut self, id: BlockId) {
        let Some(identity) = self.prefixes.remove(&mut self.blocks, id) else { return };
        if self.events.is_some() && !self.prefixes.contains(&self.blocks, identity.hash) {
            self.record(KvCacheEvent::BlockRemoved { hash: identity.hash });
        }
    }

    /// Takes every block out of the cache that was registered in `step` or later.
    pub(crate) fn unregister_since(&mut self, step: u64) {
        for index in 1..self.blocks.len() {
            if self.blocks[index].identity.is_some_and(|identity| identity.registered_step >= step) {
                self.unregister(BlockId(index as u32));
            }
        }
    }

    /// Empties the cache; refused while any block is held.
    pub(crate) fn reset(&mut self) -> bool {
        if self.num_free() != self.num_usable() {
            return false;
        }
        for index in 1..self.blocks.len() {
            self.prefixes.remove(&mut self.blocks, BlockId(index as u32));
        }
        self.record(KvCacheEvent::AllBlocksCleared);
        true
    }

    pub(crate) fn records_events(&self) -> bool {
        self.events.is_some()
    }

    pub(crate) fn record(&mut self, event: KvCacheEvent) {
        if let Some(events) = &mut self.events {
            events.push(event);
        }
    }

    pub(crate) fn take_events(&mut self) -> Vec<KvCacheEvent> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The free blocks in the order in which they will be taken.
    pub(crate) fn free_blocks(&self) -> impl Iterator<Item = BlockId> + '_ {
        self.free.iter(&self.blocks)
    }

    /// Checks that every block is held as often as `holders` says, and free or cached exactly as it should be.
    pub(crate) fn check(&self, holders: &[u32]) -> Result<(), String> {
        let mut is_free = vec![false; self.blocks.len()];
        for id in self.free_blocks() {
            if std::mem::replace(&mut is_free[id.index()], true) {
                return Err(format!("block {} is in the free list twice", id.0));
            }
        }
        let counted = is_free.iter().filter(|free| **free).count();
        if counted != self.num_free() as usize {
            return Err(format!("the free list has {counted} blocks and says {}", self.num_free()));
        }
        if is_free[0] || self.blocks[0].ref_count != 0 || self.blocks[0].identity.is_some() {
            return Err("the null block is in use".to_owned());
        }
        for (index, block) in self.blocks.iter().enumerate().skip(1) {
            if block.ref_count != holders[index] {
                return Err(format!("block {index} counts {} holders of {}", block.ref_count, holders[index]));
            }
            if is_free[index] != (block.ref_count == 0) {
                return Err(format!("block {index} is free: {}, held {}", is_free[index], block.ref_count));
            }
        }
        let identities = self.blocks.iter().filter(|block| block.identity.is_some()).count();
        if self.prefixes.count(&self.blocks)? as usize != identities || self.prefixes.len() as usize != identities {
            return Err(format!("{identities} blocks have a name, the map has {}", self.prefixes.len()));
        }
        Ok(())
    }
}
