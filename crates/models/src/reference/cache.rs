//! The paged cache, read and written one vector at a time.

use std::ops::Range;

use candle_core::{Device, Tensor};

use crate::{KvCache, ModelError};

/// Writes `keys` and `values`, each `[tokens, kv_heads, head_dim]`, to the slots; -1 is skipped.
pub(super) fn write_rows(cache: &KvCache, slots: &[i32], keys: &Tensor, values: &Tensor) -> Result<(), ModelError> {
    let mut memory = cache.buffer.write();
    for (part, tensor) in [keys, values].into_iter().enumerate() {
        let numbers = tensor.flatten_all()?.to_vec1::<f32>()?;
        for (vector, numbers) in numbers.chunks(cache.head_dim).enumerate() {
            let (token, head) = (vector / cache.num_kv_heads, vector % cache.num_kv_heads);
            let Ok(slot) = usize::try_from(slots[token]) else { continue };
            let slot = slot_bytes(cache, part, slot / cache.block_size, head, slot % cache.block_size);
            cache.cache_type.store(numbers, &mut memory.bytes_mut()[slot]);
        }
    }
    Ok(())
}

/// The first `length` keys (part 0) or values (part 1) of a sequence by its block table. `[kv_heads, length, head_dim]`
pub(super) fn gather(cache: &KvCache, part: usize, blocks: &[i32], length: usize) -> Result<Tensor, ModelError> {
    let memory = cache.buffer.read();
    let mut numbers = vec![0.0; cache.num_kv_heads * length * cache.head_dim];
    for (vector, target) in numbers.chunks_mut(cache.head_dim).enumerate() {
        let (head, position) = (vector / length, vector % length);
        let block = blocks[position / cache.block_size] as usize;
        let slot = slot_bytes(cache, part, block, head, position % cache.block_size);
        cache.cache_type.load(&memory.bytes()[slot], target);
    }
    Ok(Tensor::from_vec(numbers, (cache.num_kv_heads, length, cache.head_dim), &Device::Cpu)?)
}

/// Where the slot of a vector is in `[2, num_blocks, kv_heads, block_size, slot_stride]`, in bytes.
fn slot_bytes(cache: &KvCache, part: usize, block: usize, head: usize, offset: usize) -> Range<usize> {
    let vector = ((part * cache.num_blocks + block) * cache.num_kv_heads + head) * cache.block_size + offset;
    let width = cache.cache_type.size_bytes();
    let start = vector * cache.slot_stride * width;
    start..start + cache.cache_type.slot_elements(cache.head_dim) * width
}
