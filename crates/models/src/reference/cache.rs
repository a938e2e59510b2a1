//! The paged cache, read and written one vector at a time.

use candle_core::{Device, Tensor};
use half::bf16;
use quire_kernels::ElementType;

use crate::{KvCache, ModelError};

/// Writes `keys` and `values`, each `[tokens, kv_heads, head_dim]`, to the slots; -1 is skipped.
pub(super) fn write_rows(cache: &KvCache, slots: &[i32], keys: &Tensor, values: &Tensor) -> Result<(), ModelError> {
    let mut memory = cache.buffer.write();
    for (part, tensor) in [keys, values].into_iter().enumerate() {
        let numbers = tensor.flatten_all()?.to_vec1::<f32>()?;
        for (vector, numbers) in numbers.chunks(cache.head_dim).enumerate() {
            let (token, head) = (vector / cache.num_kv_heads, vector % cache.num_kv_heads);
            let Ok(slot) = usize::try_from(slots[token]) else { continue };
            let first = first_element(cache, part, slot / cache.block_size, head, slot % cache.block_size);
            match cache.dtype {
                ElementType::Bf16 => {
                    let target = &mut memory.bytes_mut()[2 * first..2 * (first + cache.head_dim)];
                    for (bytes, number) in target.chunks_exact_mut(2).zip(numbers) {
                        bytes.copy_from_slice(&bf16::from_f32(*number).to_le_bytes());
                    }
                }
                _ => {
                    let target = &mut memory.bytes_mut()[4 * first..4 * (first + cache.head_dim)];
                    for (bytes, number) in target.chunks_exact_mut(4).zip(numbers) {
                        bytes.copy_from_slice(&number.to_le_bytes());
                    }
                }
            }
        }
    }
    Ok(())
}

/// The first `length` keys (part 0) or values (part 1) of a sequence by its block table. `[kv_heads, length, head_dim]`
pub(super) fn gather(cache: &KvCache, part: usize, blocks: &[i32], length: usize) -> Result<Tensor, ModelError> {
    let memory = cache.buffer.read();
    let width = cache.dtype.size_bytes();
    let mut numbers = vec![0.0; cache.num_kv_heads * length * cache.head_dim];
    for (vector, target) in numbers.chunks_mut(cache.head_dim).enumerate() {
        let (head, position) = (vector / length, vector % length);
        let block = blocks[position / cache.block_size] as usize;
        let first = first_element(cache, part, block, head, position % cache.block_size);
        cache.dtype.widen(&memory.bytes()[width * first..width * (first + cache.head_dim)], target);
    }
    Ok(Tensor::from_vec(numbers, (cache.num_kv_heads, length, cache.head_dim), &Device::Cpu)?)
}

/// Index of a vector's first element in `[2, num_blocks, kv_heads, block_size, slot_stride]`.
fn first_element(cache: &KvCache, part: usize, block: usize, head: usize, offset: usize) -> usize {
    let vector = ((part * cache.num_blocks + block) * cache.num_kv_heads + head) * cache.block_size + offset;
    vector * cache.slot_stride
}
