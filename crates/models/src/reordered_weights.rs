//! Weights that are multiplied in another order than checkpoints have them: outputs in another order, and the maps of latent
//! attention, head by head.

use quire_weights::{DType, StoredFormat, TensorView};

use crate::layers::LatentSizes;
use crate::stored_values::widened;
use crate::{Backend, Linear, MatrixPart, ModelError, StoredOrder, WeightLoader};

/// The maps of latent attention, one for each head.
pub(crate) struct LatentMaps<B: Backend> {
    /// `[rank, unrotated]`
    pub(crate) keys: Vec<Linear<B>>,
    /// `[value_dim, rank]`
    pub(crate) values: Vec<Linear<B>>,
}

impl<B: Backend> WeightLoader<'_, B> {
    /// A linear map whose output `i` is the stored output `order[i]`.
    pub(crate) fn linear_in_order(
        &self,
        prefix: &str,
        order: &[usize],
        inputs: usize,
        bias: bool,
    ) -> Result<Linear<B>, ModelError> {
        self.stacked_in_order(&[(prefix.to_string(), order)], inputs, bias)
    }

    /// Several linear maps of the same input as one, each with its outputs in such an order.
    pub(crate) fn stacked_in_order(
        &self,
        parts: &[(String, &[usize])],
        inputs: usize,
        bias: bool,
    ) -> Result<Linear<B>, ModelError> {
        let ordered = |kind: &str, shape: fn(usize, usize) -> Vec<usize>| {
            let of_part = |(prefix, order): &(String, &[usize])| {
                let name = format!("{prefix}.{kind}");
                let stored = self.tensor(&name, &shape(order.len(), inputs))?;
                Ok((in_order(stored.bytes(), order), order.len(), stored, name))
            };
            parts.iter().map(of_part).collect::<Result<Vec<_>, ModelError>>()
        };
        let weights = ordered("weight", |outputs, inputs| vec![outputs, inputs])?;
        let weights = weights.iter().map(|(bytes, outputs, stored, name)| MatrixPart {
            name,
            view: TensorView { bytes, ..stored.view() },
            order: StoredOrder::OutputMajor,
            outputs: *outputs,
            inputs,
        });
        let weight = self.load_matrix(&weights.collect::<Vec<_>>())?;
        let bias = match bias {
            false => None,
            true => {
                let biases = ordered("bias", |outputs, _| vec![outputs])?;
                let views = biases.iter().map(|(bytes, _, stored, _)| TensorView { bytes, ..stored.view() });
                Some(self.load_vector(&views.collect::<Vec<_>>())?)
            }
        };
        Ok(Linear { weight, bias })
    }

    /// For each head its map from the unrotated part of a query, `[rank, unrotated]`, and its map to values,
    /// `[value_dim, rank]`: the two halves of `kv_b_proj` of the attention called `name`, the former transposed, or `k_b_proj`
    /// and `v_b_proj`, where they are stored so.
    pub(crate) fn latent_maps(&self, name: &str, sizes: &LatentSizes) -> Result<LatentMaps<B>, ModelError> {
        let (keys, values) = (format!("{name}.k_b_proj"), format!("{name}.v_b_proj"));
        if self.contains(&format!("{keys}.weight")) {
            let keys = self.stacked_by_expert(&[(keys, sizes.rank)], sizes.unrotated, sizes.num_heads)?;
            let values = self.stacked_by_expert(&[(values, sizes.value_dim)], sizes.rank, sizes.num_heads)?;
            return Ok(LatentMaps { keys, values });
        }
        let rows_of_head = sizes.unrotated + sizes.value_dim;
        let num_rows = sizes.num_heads * rows_of_head;
        let name = format!("{name}.kv_b_proj.weight");
        let stored = self.tensor(&name, &[num_rows, sizes.rank])?;
        let row_bytes = stored.bytes().len() / num_rows;
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        // The half of the keys is turned round: its columns are no columns of the tensor.
        let name_of_keys = format!("{name} of keys");
        for head in 0..sizes.num_heads {
            let of_head = &stored.bytes()[head * rows_of_head * row_bytes..][..rows_of_head * row_bytes];
            let (of_key, of_value) = of_head.split_at(sizes.unrotated * row_bytes);
            let view = TensorView { format: stored.format, shape: &[sizes.unrotated, sizes.rank], bytes: of_key };
            keys.push(self.transposed(&name_of_keys, view)?);
            let part = MatrixPart {
                name: &name,
                view: TensorView { format: stored.format, shape: &[sizes.value_dim, sizes.rank], bytes: of_value },
                order: StoredOrder::OutputMajor,
                outputs: sizes.value_dim,
                inputs: sizes.rank,
            };
            values.push(Linear { weight: self.load_matrix(&[part])?, bias: None });
        }
        Ok(LatentMaps { keys, values })
    }

    /// A matrix `[inputs, outputs]`; blocks and bytes, whose scales lie along the outputs, as the numbers that they stand for.
    fn transposed(&self, name: &str, view: TensorView<'_>) -> Result<Linear<B>, ModelError> {
        let (inputs, outputs) = (view.shape[0], view.shape[1]);
        let numbers: Vec<u8>;
        let widened = match view.format {
            StoredFormat::Elements(_) => view,
            StoredFormat::Blocks(_) | StoredFormat::Int8 => {
                numbers = widened(&view).into_iter().flat_map(f32::to_le_bytes).collect();
                TensorView { format: StoredFormat::Elements(DType::F32), bytes: &numbers, ..view }
            }
        };
        let part = MatrixPart { name, view: widened, order: StoredOrder::InputMajor, outputs, inputs };
        let weight = self.backend.matrix(&[part])?;
        self.count_work(&weight);
        self.count(std::iter::once(view), self.backend.matrix_bytes(&weight));
        Ok(Linear { weight, bias: None })
    }
}

/// Rows of equally many bytes, row `order[i]` at `i`.
fn in_order(bytes: &[u8], order: &[usize]) -> Vec<u8> {
    let row_bytes = bytes.len() / order.len().max(1);
    order.iter().flat_map(|&row| &bytes[row * row_bytes..][..row_bytes]).copied().collect()
}
