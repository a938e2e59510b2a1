//! Finds the block that holds a given prefix. A hash table whose chains run through the blocks, so that it never
//! allocates; equal blocks may be in it several times.
//!
//! A hit is proven, not believed: the block's own token ids, its parent's name and the digest of its extra keys are
//! compared. What is left to the hash is the prefix before the parent: to be served another prefix's block, a
//! sequence would need an earlier block of another content with the same 128-bit name under a secret key, in the
//! cache at the same time.

use crate::block::{Block, BlockIdentity, NONE};
use crate::block_hash::BlockHash;
use crate::ids::BlockId;

#[derive(Debug)]
pub(crate) struct PrefixMap {
    /// First block of each chain; the number of buckets is a power of two.
    buckets: Vec<u32>,
    /// Tokens of every block, `[num_blocks][block_size]`; meaningful for blocks in the map.
    token_ids: Vec<i32>,
    block_size: usize,
    len: u32,
}

/// What a sequence looks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought<'a> {
    pub(crate) hash: BlockHash,
    pub(crate) parent: BlockHash,
    pub(crate) extra_digest: u128,
    pub(crate) token_ids: &'a [i32],
}

impl PrefixMap {
    pub(crate) fn new(num_blocks: usize, block_size: usize) -> Self {
        Self {
            buckets: vec![NONE; num_blocks.next_power_of_two()],
            token_ids: vec![0; num_blocks * block_size],
            block_size,
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    fn bucket(&self, hash: BlockHash) -> usize {
        hash.0 as usize & (self.buckets.len() - 1)
    }

    fn chain<'a>(&self, blocks: &'a [Block], hash: BlockHash) -> impl Iterator<Item = (BlockId, BlockIdentity)> + 'a {
        let mut at = self.buckets[self.bucket(hash)];
        std::iter::from_fn(move || {
            let id = (at != NONE).then_some(BlockId(at))?;
            let block = &blocks[id.index()];
            at = block.bucket_after;
            Some((id, block.identity.expect("a block in the prefix map has an identity: this is a bug")))
        })
    }

    pub(crate) fn token_ids(&self, id: BlockId) -> &[i32] {
        &self.token_ids[id.index() * self.block_size..][..self.block_size]
    }

    pub(crate) fn find(&self, blocks: &[Block], sought: Sought<'_>) -> Option<BlockId> {
        let proven = |(id, identity): &(BlockId, BlockIdentity)| {
            identity.hash == sought.hash
                && identity.parent == sought.parent
                && identity.extra_digest == sought.extra_digest
                && self.token_ids(*id) == sought.token_ids
        };
        self.chain(blocks, sought.hash).find(proven).map(|(id, _)| id)
    }

    pub(crate) fn contains(&self, blocks: &[Block], hash: BlockHash) -> bool {
        self.chain(blocks, hash).any(|(_, identity)| identity.hash == hash)
    }

    pub(crate) fn insert(&mut self, blocks: &mut [Block], id: BlockId, identity: BlockIdentity, token_ids: &[i32]) {
        let bucket = self.bucket(identity.hash);
        let first = self.buckets[bucket];
        if first != NONE {
            blocks[first as usize].bucket_before = id.0;
        }
        let block = &mut blocks[id.index()];
        block.identity = Some(identity);
        (block.bucket_before, block.bucket_after) = (NONE, first);
        self.buckets[bucket] = id.0;
        self.token_ids[id.index() * self.block_size..][..self.block_size].copy_from_slice(token_ids);
        self.len += 1;
    }

    /// Takes a block out; `None` if it is not in the map.
    pub(crate) fn remove(&mut self, blocks: &mut [Block], id: BlockId) -> Option<BlockIdentity> {
        let Block { bucket_before, bucket_after, .. } = blocks[id.index()];
        let identity = blocks[id.index()].identity.take()?;
        match bucket_before {
            NONE => {
                let bucket = self.bucket(identity.hash);
                self.buckets[bucket] = bucket_after;
            }
            before => blocks[before as usize].bucket_after = bucket_after,
        }
        if bucket_after != NONE {
            blocks[bucket_after as usize].bucket_before = bucket_before;
        }
        self.len -= 1;
        Some(identity)
    }

    /// Walks every chain; used to check that the map and the blocks agree.
    pub(crate) fn count(&self, blocks: &[Block]) -> Result<u32, String> {
        let mut count = 0;
        for (bucket, &first) in self.buckets.iter().enumerate() {
            let (mut at, mut before) = (first, NONE);
            while at != NONE {
                let block = &blocks[at as usize];
                let identity = block.identity.ok_or_else(|| format!("block {at} is in the map without identity"))?;
                if self.bucket(identity.hash) != bucket || block.bucket_before != before {
                    return Err(format!("block {at} is linked wrongly in bucket {bucket}"));
                }
                count += 1;
                if count > self.len {
                    return Err("the prefix map has a cycle or a wrong length".to_owned());
                }
                (before, at) = (at, block.bucket_after);
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(hash: u128, parent: u128, extra_digest: u128) -> BlockIdentity {
        BlockIdentity { hash: BlockHash(hash), parent: BlockHash(parent), extra_digest, registered_step: 0 }
    }

    #[test]
    fn a_collision_serves_nobody_elses_block() {
        let mut blocks = vec![Block::default(); 4];
        let mut map = PrefixMap::new(4, 2);
        map.insert(&mut blocks, BlockId(1), identity(5, 9, 0), &[1, 2]);
        map.insert(&mut blocks, BlockId(2), identity(5, 9, 0), &[3, 4]);
        // (hash, parent, extra, tokens, found)
        let rows = [
            (5, 9, 0, [1, 2], Some(1)),
            (5, 9, 0, [3, 4], Some(2)),
            (5, 9, 0, [3, 5], None),
            (5, 8, 0, [1, 2], None),
            (5, 9, 7, [1, 2], None),
            (6, 9, 0, [1, 2], None),
            (5 + (1 << 80), 9, 0, [1, 2], None),
        ];
        for (hash, parent, extra_digest, token_ids, found) in rows {
            let sought =
                Sought { hash: BlockHash(hash), parent: BlockHash(parent), extra_digest, token_ids: &token_ids };
            assert_eq!(map.find(&blocks, sought), found.map(BlockId), "{sought:?}");
        }
    }

    #[test]
    fn equal_blocks_leave_one_by_one() {
        let mut blocks = vec![Block::default(); 4];
        let mut map = PrefixMap::new(4, 1);
        for id in 1..4 {
            map.insert(&mut blocks, BlockId(id), identity(5, 0, 0), &[1]);
        }
        let sought = Sought { hash: BlockHash(5), parent: BlockHash(0), extra_digest: 0, token_ids: &[1] };
        for (removed, left) in [(2, 2), (3, 1), (1, 0)] {
            assert!(map.remove(&mut blocks, BlockId(removed)).is_some());
            assert!(map.remove(&mut blocks, BlockId(removed)).is_none());
            assert_eq!(map.count(&blocks), Ok(left));
            assert_eq!(map.find(&blocks, sought).is_some(), left > 0);
            assert_eq!(map.contains(&blocks, BlockHash(5)), left > 0);
        }
    }
}
