//! Stored weights as the numbers that they stand for, whatever they are stored as.

use quire_weights::{StoredFormat, TensorView};

use crate::kv_cache::element_type;

/// All numbers of `view`.
pub(crate) fn widened(view: &TensorView<'_>) -> Vec<f32> {
    let mut values = vec![0.0; view.num_values()];
    match view.format {
        StoredFormat::Elements(dtype) => element_type(dtype).widen(view.bytes, &mut values),
        StoredFormat::Blocks(format) => quire_blocks::dequantise(format, view.bytes, &mut values),
        StoredFormat::Int8 => {
            let num_inputs = view.shape.last().copied().unwrap_or(0).max(1);
            let rows = view.bytes.chunks_exact(size_of::<f32>() + num_inputs);
            for (row, values) in rows.zip(values.chunks_exact_mut(num_inputs)) {
                let (scale, levels) = row.split_at(size_of::<f32>());
                let scale = f32::from_le_bytes(scale.try_into().expect("four bytes were split off"));
                for (value, &level) in values.iter_mut().zip(levels) {
                    *value = scale * f32::from(level.cast_signed());
                }
            }
        }
    }
    values
}
