//! The paged KV cache of one layer: where a slot lies, and how new keys and values get there.
//!
//! ```text
//! [2: keys, values][num_blocks][num_kv_heads][block_size][slot: head_dim and, in caches with scales, the slot's scale]
//! ```

use std::ops::Range;

use crate::{
    CacheType, HeadLayout, Kernels, KernelsError, SharedBuffer, ThreadPool, cache_type::StoreFn, disjoint::Disjoint,
    rows::for_rows,
};

/// Shape and element type of one layer's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvLayout {
    /// What keys and values are stored as.
    pub cache_type: CacheType,
    /// Blocks, the null block included.
    pub num_blocks: usize,
    /// Heads of keys and of values.
    pub num_kv_heads: usize,
    /// Tokens of one block; any number.
    pub block_size: usize,
    /// Elements of one head; any number.
    pub head_dim: usize,
    /// Elements from one slot of a head to the next: those of a slot, or more when the entries are padded.
    pub slot_stride: usize,
}

impl KvLayout {
    /// Bytes of a cache of this layout.
    ///
    /// # Errors
    /// [`KernelsError::SizeOverflow`] when they leave the address space.
    pub fn size_bytes(&self) -> Result<usize, KernelsError> {
        let element_bytes = self.cache_type.size_bytes();
        [2, self.num_blocks, self.num_kv_heads, self.block_size, self.slot_stride]
            .into_iter()
            .try_fold(element_bytes, usize::checked_mul)
            .ok_or(KernelsError::SizeOverflow { count: usize::MAX, element_bytes })
    }

    /// Byte offset of a slot's key. Panics on a block, head or offset outside of the layout.
    pub(crate) fn key_offset(&self, block: usize, head: usize, offset: usize) -> usize {
        assert!(
            block < self.num_blocks && head < self.num_kv_heads && offset < self.block_size,
            "block {block}, head {head}, slot {offset} are outside of {self:?}; this is a bug"
        );
        ((block * self.num_kv_heads + head) * self.block_size + offset)
            * self.slot_stride
            * self.cache_type.size_bytes()
    }

    /// Bytes from a slot's key to its value.
    pub(crate) fn value_offset(&self) -> usize {
        self.num_blocks * self.num_kv_heads * self.block_size * self.slot_stride * self.cache_type.size_bytes()
    }

    /// Panics unless the layout is one that kernels can use on a buffer of `len_bytes` bytes.
    pub(crate) fn check(&self, len_bytes: usize) {
        let slot_elements = self.cache_type.slot_elements(self.head_dim);
        assert!(self.slot_stride >= slot_elements && self.block_size > 0, "{self:?}: no room; this is a bug");
        let size = self.size_bytes().ok();
        assert!(size.is_some_and(|size| size <= len_bytes), "{self:?} does not fit {len_bytes} bytes; this is a bug");
    }
}

/// New keys and values on their way into a cache.
#[derive(Debug)]
pub struct WriteKv<'a> {
    /// Rows that hold the keys where `key_layout` says.
    pub keys: &'a [f32],
    /// The keys' heads.
    pub key_layout: HeadLayout,
    /// Rows that hold the values where `value_layout` says; may be the same rows.
    pub values: &'a [f32],
    /// The values' heads.
    pub value_layout: HeadLayout,
    /// For each token its slot, block * block_size + offset, or -1 to skip it. Of several tokens with one slot, the last stays.
    pub slot_mapping: &'a [i32],
    /// The cache's layout.
    pub layout: KvLayout,
    /// The cache.
    pub cache: &'a SharedBuffer,
}

impl Kernels {
    /// Writes each token's keys and values into its slot, rounded to the cache's element type.
    pub fn write_kv(&self, pool: &ThreadPool, write: WriteKv<'_>) {
        let WriteKv { keys, key_layout, values, value_layout, slot_mapping, layout, cache } = write;
        let num_tokens = slot_mapping.len();
        layout.check(cache.len_bytes());
        for (heads, data) in [(key_layout, keys), (value_layout, values)] {
            assert_eq!(heads.num_tokens(data.len()), num_tokens, "write_kv: rows and slots differ; this is a bug");
            assert!(
                heads.num_heads == layout.num_kv_heads && heads.head_dim == layout.head_dim,
                "write_kv: {heads:?} does not fit {layout:?}; this is a bug"
            );
        }
        let mut cache = cache.write();
        let head_elements = 2 * num_tokens * layout.head_dim;
        let cache = Disjoint::new(cache.bytes_mut());
        let store = layout.cache_type.store_fn(self.isa());
        for_rows(pool, layout.num_kv_heads, head_elements, &|heads| write_heads(&write, &cache, heads, store));
    }
}

/// Writes all tokens of some heads. Work is shared out by heads, so that two tokens with one slot do not race.
fn write_heads(write: &WriteKv<'_>, cache: &Disjoint<'_, u8>, heads: Range<usize>, store: StoreFn) {
    let layout = &write.layout;
    let slot_bytes = layout.cache_type.slot_elements(layout.head_dim) * layout.cache_type.size_bytes();
    for (token, &slot) in write.slot_mapping.iter().enumerate().filter(|(_, slot)| **slot != -1) {
        let slot = usize::try_from(slot).expect("a slot below -1; this is a bug");
        for head in heads.clone() {
            let key = layout.key_offset(slot / layout.block_size, head, slot % layout.block_size);
            let value = key + layout.value_offset();
            // SAFETY: heads do not overlap in the cache, and each is handed out once; the lengths agree, and the instruction
            // set is this CPU's.
            unsafe {
                store(&write.keys[write.key_layout.head(token, head)], cache.range(key..key + slot_bytes));
                store(&write.values[write.value_layout.head(token, head)], cache.range(value..value + slot_bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{for_each_setup, numbers};

    #[test]
    fn tokens_land_in_their_slots() {
        for_each_setup(|kernels, pool| {
            for cache_type in CacheType::ALL {
                for (block_size, head_dim, padding) in [(1, 1, 0), (3, 5, 3), (16, 32, 0), (5, 17, 0)] {
                    let slot_stride = cache_type.slot_elements(head_dim) + padding;
                    let layout =
                        KvLayout { cache_type, num_blocks: 7, num_kv_heads: 2, block_size, head_dim, slot_stride };
                    let cache = SharedBuffer::zeroed(layout.size_bytes().expect("small")).expect("memory");
                    let row_stride = 4 * head_dim + 1;
                    let key_layout = HeadLayout { offset: 1, row_stride, num_heads: 2, head_dim };
                    let value_layout = HeadLayout { offset: 1 + 2 * head_dim, ..key_layout };
                    let rows = numbers(4 * row_stride, 1);
                    let slot_mapping = [2, -1, (7 * block_size - 1) as i32, 0];
                    let write = WriteKv {
                        keys: &rows,
                        key_layout,
                        values: &rows,
                        value_layout,
                        slot_mapping: &slot_mapping,
                        layout,
                        cache: &cache,
                    };
                    kernels.write_kv(pool, write);
                    let mut expected = vec![0; layout.size_bytes().expect("small")];
                    let slot_bytes = cache_type.slot_elements(head_dim) * cache_type.size_bytes();
                    for (token, slot) in slot_mapping.into_iter().enumerate().filter(|(_, slot)| *slot >= 0) {
                        for (half, heads) in [key_layout, value_layout].into_iter().enumerate() {
                            for head in 0..2 {
                                let (block, offset) = (slot as usize / block_size, slot as usize % block_size);
                                let start = (((half * 7 + block) * 2 + head) * block_size + offset) * slot_stride;
                                let slot = &mut expected[start * cache_type.size_bytes()..][..slot_bytes];
                                cache_type.store(&rows[heads.head(token, head)], slot);
                            }
                        }
                    }
                    assert_eq!(cache.read().bytes(), expected, "{cache_type}");
                }
            }
        });
    }
}
