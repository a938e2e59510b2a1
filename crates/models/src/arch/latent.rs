//! Latent attention as checkpoints of DeepSeek's describe and store it.

use std::sync::Arc;

use quire_weights::{RopeConfig, RopeScaling};

use super::mixture::size;
use super::rotated_pairs::RotatedPairs;
use crate::layers::{LatentAttention, LatentQueries, LatentSizes, yarn_growth};
use crate::{Backend, ModelError, Norm, WeightLoader};

/// More than queries of all heads of any real model have.
const MAX_WIDTH: usize = 1 << 20;
/// Of the norms inside of attention; the configuration has no field for it.
const NORM_EPSILON: f32 = 1e-6;

/// The attention called `name`.
pub(super) fn load_latent<B: Backend>(
    loader: &WeightLoader<'_, B>,
    name: &str,
    pairs: RotatedPairs,
    rope: Option<Arc<B::Rope>>,
) -> Result<LatentAttention<B>, ModelError> {
    let (document, hidden) = (&loader.config.document, loader.config.hidden_size);
    let named = |projection: &str| format!("{name}.{projection}");
    let sizes = sizes(loader)?;
    let bias = document.flag("attention_bias", false)?;
    let of_queries: Vec<usize> = (0..sizes.num_heads)
        .flat_map(|head| {
            let first = head * sizes.query_dim();
            let rotated = pairs.order(sizes.rotated).map(move |index| first + sizes.unrotated + index);
            rotated.chain(first..first + sizes.unrotated)
        })
        .collect();
    let of_key: Vec<usize> = pairs.order(sizes.rotated).map(|index| sizes.rank + index).chain(0..sizes.rank).collect();
    let norm = |norm: &str, length: usize| -> Result<Norm<B>, ModelError> {
        Ok(Norm::Rms { weight: loader.vector(&named(norm), length)?, epsilon: NORM_EPSILON })
    };
    let queries = match document.is_null("q_lora_rank") {
        true => LatentQueries::Direct(loader.linear_in_order(&named("q_proj"), &of_queries, hidden, false)?),
        false => {
            let rank = size(document, "q_lora_rank", 1_536)?;
            LatentQueries::Compressed {
                down: loader.linear(&named("q_a_proj"), rank, hidden, bias)?,
                norm: norm("q_a_layernorm.weight", rank)?,
                up: loader.linear_in_order(&named("q_b_proj"), &of_queries, rank, false)?,
            }
        }
    };
    let maps = loader.latent_maps(name, &sizes)?;
    Ok(LatentAttention {
        sizes,
        scale: score_scale(&sizes, loader.config.rope.as_ref()),
        queries,
        compress: loader.linear_in_order(&named("kv_a_proj_with_mqa"), &of_key, hidden, bias)?,
        norm: norm("kv_a_layernorm.weight", sizes.rank)?,
        keys: maps.keys,
        values: maps.values,
        output: loader.linear(&named("o_proj"), hidden, sizes.num_heads * sizes.value_dim, bias)?,
        rope,
    })
}

fn sizes<B: Backend>(loader: &WeightLoader<'_, B>) -> Result<LatentSizes, ModelError> {
    let (config, document) = (loader.config, &loader.config.document);
    let of_head = |field: &'static str| -> Result<usize, ModelError> {
        let size = size(document, field, 128)?;
        if size > MAX_WIDTH / config.num_attention_heads {
            let expected = "a number within what real models have";
            return Err(document.invalid_text(field, size.to_string(), expected).into());
        }
        Ok(size)
    };
    Ok(LatentSizes {
        num_heads: config.num_attention_heads,
        rank: config.head_dim - config.rotary_dim,
        rotated: config.rotary_dim,
        unrotated: of_head("qk_nope_head_dim")?,
        value_dim: of_head("v_head_dim")?,
    })
}

/// The inverse root of a query's size, and under YaRN the square of what vectors of all dimensions grow by.
fn score_scale(sizes: &LatentSizes, rope: Option<&RopeConfig>) -> f32 {
    let growth = match rope.map(|rope| &rope.scaling) {
        Some(&RopeScaling::Yarn { factor, mscale_all_dim: Some(weight), .. }) => yarn_growth(factor, weight),
        _ => 1.0,
    };
    ((sizes.query_dim() as f64).powf(-0.5) * growth * growth) as f32
}
