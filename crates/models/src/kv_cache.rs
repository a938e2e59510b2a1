//! The keys and values of one layer in host memory, as both backends read them. Allocated and owned elsewhere.

use quire_kernels::{CacheType, ElementType, KvLayout, SharedBuffer};
use quire_weights::DType;

/// One layer's cache: `[2, num_blocks, num_kv_heads, block_size, slot_stride]`, keys first, row-major; of each slot the first
/// `cache_type.slot_elements(head_dim)` elements are used.
#[derive(Clone, Debug)]
pub struct KvCache {
    /// The memory.
    pub buffer: SharedBuffer,
    /// What keys and values are stored as.
    pub cache_type: CacheType,
    /// Number of blocks, the null block included.
    pub num_blocks: usize,
    /// Tokens per block.
    pub block_size: usize,
    /// Number of key and value heads.
    pub num_kv_heads: usize,
    /// Size of a head.
    pub head_dim: usize,
    /// Elements from one slot to the next.
    pub slot_stride: usize,
}

impl KvCache {
    /// Bytes that a cache of these sizes, without padding, takes; `None` when that is more than can be addressed.
    pub fn size_bytes(
        cache_type: CacheType,
        num_blocks: usize,
        num_kv_heads: usize,
        block_size: usize,
        head_dim: usize,
    ) -> Option<usize> {
        [num_blocks, num_kv_heads, block_size, cache_type.slot_elements(head_dim), cache_type.size_bytes()]
            .into_iter()
            .try_fold(2_usize, usize::checked_mul)
    }

    /// The kernels' words for it.
    pub(crate) fn layout(&self) -> KvLayout {
        KvLayout {
            cache_type: self.cache_type,
            num_blocks: self.num_blocks,
            num_kv_heads: self.num_kv_heads,
            block_size: self.block_size,
            head_dim: self.head_dim,
            slot_stride: self.slot_stride,
        }
    }
}

/// The kernels' word for a stored format.
pub(crate) fn element_type(dtype: DType) -> ElementType {
    match dtype {
        DType::F32 => ElementType::F32,
        DType::F16 => ElementType::F16,
        DType::Bf16 => ElementType::Bf16,
    }
}
