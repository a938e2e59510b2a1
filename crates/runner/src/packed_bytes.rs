//! How much memory weights take that stay in blocks: to be known before they are loaded.

use quire_blocks::BlockFormat;
use quire_kernels::{PackedMatrix, WeightFormat};

/// Bytes of a matrix [outputs, inputs] in blocks of `format`, as it is packed; `None` when they cannot be counted.
pub fn packed_bytes(format: BlockFormat, num_outputs: usize, num_inputs: usize) -> Option<usize> {
    PackedMatrix::bytes_of(WeightFormat::Blocks(format), num_outputs, num_inputs)
}
