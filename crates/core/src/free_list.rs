//! Free blocks as a doubly linked list through the blocks themselves: any block leaves it in constant time.
//!
//! Blocks are taken from the head. A freed block without a hash goes to the head (it is of no use to anybody, and
//! warm), one with a hash to the tail, so that the head is also the least recently used of the cached ones.

use crate::block::{Block, NONE};
use crate::ids::BlockId;

#[derive(Debug)]
pub(crate) struct FreeList {
    head: u32,
    tail: u32,
    len: u32,
}

impl FreeList {
    /// A list of all blocks but the null block, in order of their ids.
    pub(crate) fn all(blocks: &mut [Block]) -> Self {
        let mut list = Self { head: NONE, tail: NONE, len: 0 };
        for id in 1..blocks.len() {
            list.push_tail(blocks, BlockId(id as u32));
        }
        list
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn head(&self) -> Option<BlockId> {
        (self.head != NONE).then_some(BlockId(self.head))
    }

    pub(crate) fn push_head(&mut self, blocks: &mut [Block], id: BlockId) {
        let block = &mut blocks[id.index()];
        block.free_before = NONE;
        block.free_after = self.head;
        match self.head {
            NONE => self.tail = id.0,
            head => blocks[head as usize].free_before = id.0,
        }
        self.head = id.0;
        self.len += 1;
    }

    pub(crate) fn push_tail(&mut self, blocks: &mut [Block], id: BlockId) {
        let block = &mut blocks[id.index()];
        block.free_before = self.tail;
        block.free_after = NONE;
        match self.tail {
            NONE => self.head = id.0,
            tail => blocks[tail as usize].free_after = id.0,
        }
        self.tail = id.0;
        self.len += 1;
    }

    /// Unlinks a block that is in the list.
    pub(crate) fn remove(&mut self, blocks: &mut [Block], id: BlockId) {
        let Block { free_before, free_after, .. } = blocks[id.index()];
        match free_before {
            NONE => self.head = free_after,
            before => blocks[before as usize].free_after = free_after,
        }
        match free_after {
            NONE => self.tail = free_before,
            after => blocks[after as usize].free_before = free_before,
        }
        let block = &mut blocks[id.index()];
        (block.free_before, block.free_after) = (NONE, NONE);
        self.len -= 1;
    }

    /// The blocks from head to tail.
    pub(crate) fn iter<'a>(&self, blocks: &'a [Block]) -> impl Iterator<Item = BlockId> + 'a {
        let mut at = self.head;
        std::iter::from_fn(move || {
            let id = (at != NONE).then_some(BlockId(at))?;
            at = blocks[id.index()].free_after;
            Some(id)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations: `h3` push 3 to the head, `t3` to the tail, `x3` remove 3, `p` pop the head.
    fn check(operations: &str, expected: &[u32]) {
        let mut blocks = vec![Block::default(); 6];
        let mut list = FreeList::all(&mut blocks);
        for operation in operations.split_whitespace() {
            let id = || BlockId(operation[1..].parse().expect("a block id"));
            match operation.as_bytes()[0] {
                b'h' => list.push_head(&mut blocks, id()),
                b't' => list.push_tail(&mut blocks, id()),
                b'x' => list.remove(&mut blocks, id()),
                _ => list.remove(&mut blocks, list.head().expect("a free block")),
            }
        }
        let found: Vec<u32> = list.iter(&blocks).map(|id| id.0).collect();
        assert_eq!(found, expected, "after {operations:?}");
        assert_eq!(list.len() as usize, expected.len(), "after {operations:?}");
        assert_eq!(list.head().map(|id| id.0), expected.first().copied());
    }

    #[test]
    fn keeps_its_order() {
        check("", &[1, 2, 3, 4, 5]);
        check("p p", &[3, 4, 5]);
        check("x3", &[1, 2, 4, 5]);
        check("x1 x5", &[2, 3, 4]);
        check("p p h2 t1", &[2, 3, 4, 5, 1]);
        check("p p p p p", &[]);
        check("p p p p p t4", &[4]);
        check("p p p p p h4 h5 t1", &[5, 4, 1]);
    }
}
