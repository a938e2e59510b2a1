//! A sequence's blocks in order of its tokens. Append-only while the sequence runs, but for blocks that fall out of a
//! sliding window: those are replaced by the null block.

use crate::ids::BlockId;

#[derive(Clone, Debug, Default)]
pub(crate) struct BlockTable {
    blocks: Vec<BlockId>,
    /// Blocks at the start that are null.
    num_leading_null: u32,
    /// Blocks at the start that are in the prefix cache (or were, before they became null).
    num_registered: u32,
}

impl BlockTable {
    pub(crate) fn blocks(&self) -> &[BlockId] {
        &self.blocks
    }

    pub(crate) fn len(&self) -> u32 {
        self.blocks.len() as u32
    }

    pub(crate) fn num_leading_null(&self) -> u32 {
        self.num_leading_null
    }

    pub(crate) fn num_registered(&self) -> u32 {
        self.num_registered
    }

    pub(crate) fn reserve(&mut self, num_blocks: usize) {
        self.blocks.reserve(num_blocks.saturating_sub(self.blocks.len()));
    }

    pub(crate) fn push(&mut self, block: BlockId) {
        self.blocks.push(block);
    }

    /// Starts the table with the blocks of a cached prefix.
    pub(crate) fn start_with(&mut self, hits: &[BlockId]) {
        debug_assert!(self.blocks.is_empty());
        self.blocks.extend_from_slice(hits);
        self.num_leading_null = hits.iter().take_while(|block| block.is_null()).count() as u32;
        self.num_registered = self.len();
    }

    pub(crate) fn set_num_registered(&mut self, num_registered: u32) {
        self.num_registered = num_registered;
    }

    /// Replaces the blocks before index `end` by the null block and hands those that were not null to `give_back`, last
    /// one first.
    pub(crate) fn nullify_before(&mut self, end: u32, mut give_back: impl FnMut(BlockId)) {
        let end = end.min(self.len());
        for index in (self.num_leading_null..end).rev() {
            give_back(std::mem::replace(&mut self.blocks[index as usize], BlockId::NULL));
        }
        self.num_leading_null = self.num_leading_null.max(end);
    }

    /// Empties the table and hands its blocks to `give_back`, last one first.
    pub(crate) fn clear(&mut self, mut give_back: impl FnMut(BlockId)) {
        for block in self.blocks.drain(..).rev() {
            give_back(block);
        }
        (self.num_leading_null, self.num_registered) = (0, 0);
    }
}
