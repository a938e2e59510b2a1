//! What happens to cached blocks, for routers that send a prompt where its prefix already is.

use crate::block_hash::BlockHash;

/// A change of the prefix cache, in the order in which changes happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvCacheEvent {
    /// Consecutive full blocks of one sequence entered the cache. A block that is already there may be reported again.
    BlockStored {
        /// Names of the blocks, in order.
        hashes: Vec<BlockHash>,
        /// Name of the block before the first, if there is one.
        parent: Option<BlockHash>,
        /// Tokens of all blocks, in order.
        token_ids: Vec<i32>,
        /// Tokens per block.
        block_size: u32,
        /// Digest of each block's extra keys and salt, 0 without any.
        extra_digests: Vec<u128>,
    },
    /// The last block of this name left the cache.
    BlockRemoved {
        /// Its name.
        hash: BlockHash,
    },
    /// The cache was reset.
    AllBlocksCleared,
}
