//! One block's bookkeeping. It holds no tensor and does not know who references it.

use crate::block_hash::BlockHash;

/// No neighbour, no block: block 0 is never in a list.
pub(crate) const NONE: u32 = 0;

#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    /// Sequences that hold the block; at 0 it is in the free list.
    pub(crate) ref_count: u32,
    /// Neighbours in the free list.
    pub(crate) free_before: u32,
    pub(crate) free_after: u32,
    /// Neighbours in the prefix map's bucket.
    pub(crate) bucket_before: u32,
    pub(crate) bucket_after: u32,
    /// Set while the block is in the prefix map: full, and found by this hash.
    pub(crate) identity: Option<BlockIdentity>,
}

/// What a block in the prefix map holds; its token ids lie in the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockIdentity {
    pub(crate) hash: BlockHash,
    pub(crate) parent: BlockHash,
    pub(crate) extra_digest: u128,
    /// The step that was being scheduled when the block was registered: until that step has returned, its content may
    /// still be on its way.
    pub(crate) registered_step: u64,
}
