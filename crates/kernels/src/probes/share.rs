//! How near the products of one weight format come to the machine's limits.

use std::time::Instant;

use super::{MachineLimits, block_multiply_rate, multiply_rate, read_rate, widest_byte_multiply_rate};
use crate::{
    AlignedBuffer, ElementType, Epilogue, Kernels, KernelsError, Matmul, MatrixOrder, MatrixSource, PackedMatrix,
    ThreadPool, WeightFormat,
};

/// Weights of the matrix that streams from memory: more than caches hold.
const STREAMED_BYTES: usize = 128 << 20;
/// Inputs of both matrices.
const INPUTS: usize = 2048;
/// Outputs of the matrix that stays in cache.
const OUTPUTS: usize = 2048;
/// Rows of a chunk of a prompt.
const PROMPT_ROWS: usize = 512;
/// Times that a product is computed; the best counts.
const RUNS: usize = 3;

/// Shares of the limits, from 0 to 1 and, as limits are measured too, a little beyond.
#[derive(Clone, Copy, Debug)]
pub struct ProductShares {
    /// Of the rate at which memory is read: one row times weights that stream from memory.
    pub decode: f64,
    /// Of the rate of multiply-adds: 512 rows times weights that stay in cache.
    pub prefill: f64,
}

/// Measures the products of weights of `format`, for about a second. `memory` is [`STREAM_BYTES`](super::STREAM_BYTES) of what
/// [`stream_memory`](super::stream_memory) writes.
///
/// # Errors
/// [`KernelsError::OutOfMemory`].
pub fn product_shares(
    kernels: &Kernels,
    pool: &ThreadPool,
    memory: &AlignedBuffer,
    limits: &MachineLimits,
    format: WeightFormat,
) -> Result<ProductShares, KernelsError> {
    let (stored, order) = (format, MatrixOrder::OutputsFirst);
    let row_bytes = format.row_bytes(INPUTS).ok_or(KernelsError::SizeOverflow { count: INPUTS, element_bytes: 1 })?;
    let pack = |num_outputs: usize| {
        let bytes = &memory.bytes()[..num_outputs * row_bytes];
        // No kernel multiplies f16: loading makes f32 of it.
        let packed = match format {
            WeightFormat::Elements(ElementType::F16) => WeightFormat::Elements(ElementType::F32),
            format => format,
        };
        PackedMatrix::pack(
            pool,
            &[MatrixSource { bytes, stored, packed, order, num_outputs, num_inputs: INPUTS, importance: None }],
        )
    };
    // The share of a limit, which is measured again beside each run: others on the machine take from both.
    let share = |weights: &PackedMatrix, num_rows: usize, work: f64, limit: f64, probe: &dyn Fn() -> f64| {
        let x = vec![0.5; num_rows * INPUTS];
        let out_stride = weights.num_outputs();
        let mut out = vec![0.0; num_rows * out_stride];
        let (mut best, mut limit) = (0.0_f64, limit);
        // Once more, since the first finds no scratch memory.
        for _ in 0..=RUNS {
            let (x, out, epilogue) = (&x, &mut out, Epilogue::Store);
            let start = Instant::now();
            kernels.matmul(pool, Matmul { x, num_rows, weights, bias: None, out, out_stride, epilogue })?;
            best = best.max(work / start.elapsed().as_secs_f64());
            limit = limit.max(probe());
        }
        Ok::<f64, KernelsError>(best / limit)
    };
    let streamed = pack(STREAMED_BYTES / row_bytes)?;
    let read = || read_rate(pool, memory);
    let decode = share(&streamed, 1, streamed.size_bytes() as f64, limits.read_bytes, &read)?;
    drop(streamed);
    let cached = pack(OUTPUTS)?;
    let operations = 2.0 * (PROMPT_ROWS * OUTPUTS * INPUTS) as f64;
    let isa = kernels.isa();
    let limit = match format {
        WeightFormat::Elements(ElementType::F32 | ElementType::F16) => limits.f32_operations,
        WeightFormat::Elements(ElementType::Bf16) => limits.bf16_operations,
        WeightFormat::Blocks(_) | WeightFormat::Int8 => limits.int8_operations,
    };
    let multiplied = || match format {
        WeightFormat::Elements(ElementType::F16) => multiply_rate(isa, pool, ElementType::F32),
        WeightFormat::Elements(dtype) => multiply_rate(isa, pool, dtype),
        WeightFormat::Blocks(format) => {
            widest_byte_multiply_rate(isa, pool).max(block_multiply_rate(isa, pool, format))
        }
        WeightFormat::Int8 => widest_byte_multiply_rate(isa, pool),
    };
    Ok(ProductShares { decode, prefill: share(&cached, PROMPT_ROWS, operations, limit, &multiplied)? })
}

#[cfg(test)]
mod tests {
    use quire_blocks::BlockFormat;

    use super::*;
    use crate::{Isa, probes::stream_memory};

    #[test]
    fn every_format_has_shares_of_limits_that_are_there() {
        let (isa, pool) = (Isa::detect(), ThreadPool::new(2).expect("threads"));
        let (kernels, memory) = (Kernels::new(isa).expect("available"), stream_memory().expect("memory"));
        let limits = MachineLimits::measure(isa, &pool, &memory).expect("available");
        let rates = [limits.read_bytes, limits.f32_operations, limits.bf16_operations, limits.int8_operations];
        assert!(rates.iter().all(|rate| rate.is_finite() && *rate > 0.0), "{limits:?}");
        for format in [WeightFormat::Elements(ElementType::F16), WeightFormat::Blocks(BlockFormat::Q4_K)] {
            let shares = product_shares(&kernels, &pool, &memory, &limits, format).expect("memory");
            assert!(shares.decode > 0.0 && shares.prefill > 0.0, "{format}: {shares:?}");
        }
    }
}
