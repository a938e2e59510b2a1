//! The keys and values of one layer in host memory, as both backends read them. Allocated and owned elsewhere.

use quire_kernels::{ElementType, SharedBuffer};

/// One layer's cache: `[2, num_blocks, num_kv_heads, block_size, head_dim]`, keys first, row-major.
#[derive(Clone, Debug)]
pub struct KvCache {
    /// The memory.
    pub buffer: SharedBuffer,
    /// Type of an element: f32 or bf16.
    pub dtype: ElementType,
    /// Number of blocks, the null block included.
    pub num_blocks: usize,
    /// Tokens per block.
    pub block_size: usize,
    /// Number of key and value heads.
    pub num_kv_heads: usize,
    /// Size of a head.
    pub head_dim: usize,
}

impl KvCache {
    /// Bytes that a cache of these sizes takes; `None` when that is more than memory can be addressed with.
    pub fn size_bytes(
        dtype: ElementType,
        num_blocks: usize,
        num_kv_heads: usize,
        block_size: usize,
        head_dim: usize,
    ) -> Option<usize> {
        [num_blocks, num_kv_heads, block_size, head_dim, dtype.size_bytes()]
            .into_iter()
            .try_fold(2_usize, usize::checked_mul)
    }
}
