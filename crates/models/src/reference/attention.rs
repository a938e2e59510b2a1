//! Attention row by row: gather the row's keys and values, mask, softmax, weigh.

use candle_core::{D, Device, Tensor};

use super::backend::ReferenceBackend;
use super::cache::gather;
use crate::{AttentionSpec, ForwardInput, KvCache, ModelError};

/// Attends with `queries` `[tokens, heads, head_dim]` to what the cache holds of each row.
/// `[tokens, heads * head_dim]`
pub(super) fn attend(
    queries: &Tensor,
    spec: &AttentionSpec<'_, ReferenceBackend>,
    input: &ForwardInput<'_>,
    cache: &KvCache,
) -> Result<Tensor, ModelError> {
    let mut rows = Vec::with_capacity(input.num_rows());
    for row in 0..input.num_rows() {
        let first = input.query_start_loc[row] as usize;
        let count = input.query_start_loc[row + 1] as usize - first;
        if count == 0 {
            continue;
        }
        let length = input.seq_lens[row] as usize;
        let table = &input.block_tables[row * input.block_table_stride..][..input.block_table_stride];
        let keys = gather(cache, 0, table, length)?; // [kv_heads, length, head_dim]
        let values = gather(cache, 1, table, length)?;
        let group = spec.num_heads / spec.num_kv_heads;
        let queries = queries.narrow(0, first, count)?.transpose(0, 1)?.contiguous()?.reshape((
            spec.num_kv_heads,
            group * count,
            spec.head_dim,
        ))?; // [kv_heads, group * count, head_dim]
        let scores = (queries.matmul(&keys.transpose(1, 2)?)? * f64::from(spec.scale))?;
        let scores = match spec.score_cap {
            Some(cap) => ((scores / f64::from(cap))?.tanh()? * f64::from(cap))?,
            None => scores,
        };
        let scores = scores.reshape((spec.num_heads, count, length))?;
        let scores = match spec.causal {
            true => {
                scores.broadcast_add(&mask(&input.positions[first..first + count], length, spec.sliding_window)?)?
            }
            false => scores,
        };
        let weights = softmax(&scores)?; // [heads, count, length]
        let weights = weights.reshape((spec.num_kv_heads, group * count, length))?;
        let attended = weights.matmul(&values)?; // [kv_heads, group * count, head_dim]
        let attended = attended.reshape((spec.num_heads, count, spec.head_dim))?.transpose(0, 1)?;
        rows.push(attended.contiguous()?.reshape((count, spec.num_heads * spec.head_dim))?);
    }
    Ok(Tensor::cat(&rows, 0)?)
}

/// 0 where the token at a position sees key `k`, minus infinity where it does not. `[1, positions, length]`
fn mask(positions: &[i32], length: usize, window: Option<usize>) -> Result<Tensor, ModelError> {
    let sees = |position: usize, key: usize| key <= position && window.is_none_or(|window| key + window > position);
    let mask: Vec<f32> = positions
        .iter()
        .flat_map(|&position| {
            (0..length).map(move |key| if sees(position as usize, key) { 0.0 } else { f32::NEG_INFINITY })
        })
        .collect();
    Ok(Tensor::from_vec(mask, (1, positions.len(), length), &Device::Cpu)?)
}

fn softmax(x: &Tensor) -> Result<Tensor, ModelError> {
    let shifted = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?.exp()?;
    Ok(shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?)
}
