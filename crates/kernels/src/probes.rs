//! What the machine can do at its best, measured with bare loops: how fast memory is read, and how fast an instruction set
//! multiplies. Kernels are told as shares of it. Other programs on the machine make it less, so a probe belongs beside what it
//! is compared with.

mod byte_peak;
mod peak;
mod reading;
mod share;

use std::time::Instant;

pub use byte_peak::{block_multiply_rate, byte_multiply_rate, widest_byte_multiply_rate};
pub use peak::multiply_rate;
pub use share::{ProductShares, product_shares};

use crate::{AlignedBuffer, ElementType, Isa, KernelsError, ThreadPool};

/// More memory than any cache holds.
pub const STREAM_BYTES: usize = 256 << 20;

/// Times that a probe is run; the best counts, since others take away and never add.
const RUNS: usize = 3;

/// What the machine can do with one instruction set, on all threads of a pool. Rates are for a second.
#[derive(Clone, Copy, Debug)]
pub struct MachineLimits {
    /// Bytes that are read from memory.
    pub read_bytes: f64,
    /// Operations of single precision; a multiply-add is two.
    pub f32_operations: f64,
    /// Operations of the widest multiply-add of bf16, where there is one; else as single precision.
    pub bf16_operations: f64,
    /// Operations of the widest multiply-add of bytes.
    pub int8_operations: f64,
}

impl MachineLimits {
    /// Measures for about half a second. `memory` is [`STREAM_BYTES`] of anything.
    ///
    /// # Errors
    /// [`KernelsError::UnsupportedIsa`].
    pub fn measure(isa: Isa, pool: &ThreadPool, memory: &AlignedBuffer) -> Result<MachineLimits, KernelsError> {
        if !isa.is_available() {
            return Err(KernelsError::UnsupportedIsa { isa });
        }
        let best = |probe: &dyn Fn() -> f64| (0..RUNS).map(|_| probe()).fold(0.0, f64::max);
        Ok(MachineLimits {
            read_bytes: best(&|| read_rate(pool, memory)),
            f32_operations: best(&|| multiply_rate(isa, pool, ElementType::F32)),
            bf16_operations: best(&|| multiply_rate(isa, pool, ElementType::Bf16)),
            int8_operations: best(&|| widest_byte_multiply_rate(isa, pool)),
        })
    }
}

/// Memory for probes, written once: pages that nobody wrote to are all the same one.
///
/// # Errors
/// [`KernelsError::OutOfMemory`].
pub fn stream_memory() -> Result<AlignedBuffer, KernelsError> {
    let mut memory = AlignedBuffer::zeroed(STREAM_BYTES)?;
    // Small, ordinary numbers in f32, in bf16 and in blocks.
    for (index, pair) in memory.bytes_mut().as_chunks_mut().0.iter_mut().enumerate() {
        *pair = [(index * 37 % 251) as u8, 0x3c];
    }
    Ok(memory)
}

/// Bytes per second of a plain read loop.
pub fn read_rate(pool: &ThreadPool, memory: &AlignedBuffer) -> f64 {
    let words = memory.elements::<i32>();
    let chunk = 1 << 18;
    let start = Instant::now();
    pool.run(words.len() / chunk, 1, &|chunks| {
        for index in chunks {
            let words = &words[index * chunk..(index + 1) * chunk];
            reading::read(words);
        }
    });
    memory.len_bytes() as f64 / start.elapsed().as_secs_f64()
}
