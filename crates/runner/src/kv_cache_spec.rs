//! What a KV cache for a model looks like, and whether a given one does.

use quire_kernels::CacheType;
use quire_models::KvCache;
use quire_weights::ModelConfig;

use crate::{HostDType, HostTensor, RunnerError};

/// The cache of every layer: all are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvCacheSpec {
    /// Number of layers; 0 for a model that needs no cache.
    pub num_layers: usize,
    /// What keys and values are stored as.
    pub cache_type: CacheType,
    /// Type of a tensor's element: bytes for a cache of eight bits.
    pub dtype: HostDType,
    /// Key and value heads.
    pub num_kv_heads: usize,
    /// Tokens per block.
    pub block_size: usize,
    /// Size of a head.
    pub head_dim: usize,
    /// Elements of a key or a value, a scale included: the entry that may be padded.
    pub entry_elements: usize,
    /// Bytes of one block of one layer, keys and values together, unpadded.
    pub bytes_per_block: usize,
    /// Bytes to which an entry is worth rounding up; 0 = this device asks for none.
    pub alignment_bytes: usize,
}

impl KvCacheSpec {
    pub(crate) fn new(
        config: &ModelConfig,
        cache_type: CacheType,
        block_size: usize,
        num_layers: usize,
    ) -> KvCacheSpec {
        let (num_kv_heads, head_dim) = (config.num_key_value_heads, config.head_dim);
        let bytes = KvCache::size_bytes(cache_type, 1, num_kv_heads, block_size, head_dim);
        KvCacheSpec {
            num_layers,
            cache_type,
            dtype: element_dtype(cache_type),
            num_kv_heads,
            block_size,
            head_dim,
            entry_elements: cache_type.slot_elements(head_dim),
            bytes_per_block: bytes.unwrap_or(usize::MAX),
            alignment_bytes: 0,
        }
    }

    /// One layer's shape: `[2, num_blocks, num_kv_heads, block_size, entry_elements]`, keys first.
    pub fn shape(&self, num_blocks: usize) -> [usize; 5] {
        [2, num_blocks, self.num_kv_heads, self.block_size, self.entry_elements]
    }

    /// Takes a tensor of this spec, any number of blocks, any block size, padded entries allowed.
    pub(crate) fn accept(&self, tensor: &HostTensor) -> Result<KvCache, RunnerError> {
        let bad = |what, expected: String, given: String| RunnerError::BadKvCache { what, expected, given };
        if tensor.dtype() != self.dtype {
            return Err(bad("dtype", self.dtype.name().to_string(), tensor.dtype().name().to_string()));
        }
        let [2, num_blocks, num_kv_heads, block_size, entry_elements] = *tensor.shape() else {
            return Err(bad("shape", format!("{:?}", self.shape(1)), format!("{:?}", tensor.shape())));
        };
        if num_blocks == 0
            || block_size == 0
            || num_kv_heads != self.num_kv_heads
            || entry_elements != self.entry_elements
        {
            let expected = format!("[2, blocks, {}, block size, {}]", self.num_kv_heads, self.entry_elements);
            return Err(bad("shape", expected, format!("{:?}", tensor.shape())));
        }
        let slot_stride = tensor.strides()[3];
        let head_stride = block_size * slot_stride;
        let block_stride = num_kv_heads * head_stride;
        let expected = [num_blocks * block_stride, block_stride, head_stride, slot_stride, 1];
        if tensor.strides() != expected || slot_stride < entry_elements || tensor.offset() != 0 {
            let given = format!("{:?} from element {}", tensor.strides(), tensor.offset());
            return Err(bad("strides", format!("{expected:?} from element 0"), given));
        }
        let buffer = tensor.storage().clone();
        let (cache_type, head_dim) = (self.cache_type, self.head_dim);
        Ok(KvCache { buffer, cache_type, num_blocks, block_size, num_kv_heads, head_dim, slot_stride })
    }
}

/// The tensors' type: they have no numbers of eight bits with an exponent.
fn element_dtype(cache_type: CacheType) -> HostDType {
    match cache_type {
        CacheType::F32 => HostDType::Float32,
        CacheType::Bf16 => HostDType::Bfloat16,
        CacheType::Fp8E4m3 | CacheType::Fp8E5m2 => HostDType::Uint8,
        CacheType::Int8 => HostDType::Int8,
    }
}
