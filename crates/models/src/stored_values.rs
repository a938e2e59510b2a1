//! Stored weights as the numbers that they stand for, whatever they are stored as.

use quire_weights::{StoredFormat, TensorView};

use crate::kv_cache::element_type;

/// All numbers of `view`.
pub(crate) fn widened(view: &TensorView<'_>) -> Vec<f32> {
    let mut values = vec![0.0; view.num_values()];
    match view.format {
        StoredFormat::Elements(dtype) => element_type(dtype).widen(view.bytes, &mut values),
        StoredFormat::Blocks(format) => quire_blocks::dequantise(format, view.bytes, &mut values),
        StoredFormat::Int8 => panic!("a vector of rows of bytes; this is a bug"),
    }
    values
}
