//! Root-mean-square and layer normalisation of rows.

use crate::{
    HeadLayout, Isa, Kernels, ThreadPool,
    disjoint::Disjoint,
    lanes::{LANES, Lanes},
    per_isa::per_isa,
    rows::for_rows,
};

/// Root-mean-square normalisation (Zhang and Sennrich, arXiv:1910.07467) of every row.
#[derive(Debug)]
pub struct RmsNorm<'a> {
    /// The rows, [m, features].
    pub x: &'a [f32],
    /// Gains, [features].
    pub weight: &'a [f32],
    /// Added to the mean square.
    pub epsilon: f32,
    /// [m, features].
    pub out: &'a mut [f32],
}

/// Layer normalisation (Ba et al., arXiv:1607.06450) of every row.
#[derive(Debug)]
pub struct LayerNorm<'a> {
    /// The rows, [m, features].
    pub x: &'a [f32],
    /// Gains, [features].
    pub weight: &'a [f32],
    /// Shifts, [features].
    pub bias: Option<&'a [f32]>,
    /// Added to the variance.
    pub epsilon: f32,
    /// [m, features].
    pub out: &'a mut [f32],
}

/// One row: source and target may be the same.
pub(crate) struct Row {
    x: *const f32,
    weight: *const f32,
    /// Null for none.
    bias: *const f32,
    len: usize,
    epsilon: f32,
    out: *mut f32,
}

#[derive(Debug)]
pub(crate) struct NormKernels {
    rms: unsafe fn(&Row),
    layer: unsafe fn(&Row),
}

impl NormKernels {
    pub(crate) fn new(isa: Isa) -> Self {
        NormKernels { rms: rms(isa), layer: layer(isa) }
    }
}

impl Kernels {
    /// `out = x / sqrt(mean(x^2) + epsilon) * weight`, row by row.
    pub fn rms_norm(&self, pool: &ThreadPool, norm: RmsNorm<'_>) {
        let RmsNorm { x, weight, epsilon, out } = norm;
        normalise(pool, self.norm.rms, LayerNorm { x, weight, bias: None, epsilon, out });
    }

    /// `out = (x - mean(x)) / sqrt(variance(x) + epsilon) * weight + bias`, row by row.
    pub fn layer_norm(&self, pool: &ThreadPool, norm: LayerNorm<'_>) {
        normalise(pool, self.norm.layer, norm);
    }

    /// Root-mean-square normalisation of every head's `head_dim` values by itself, in place.
    ///
    /// `data` are rows that hold the heads where `layout` says; `weight` is [head_dim].
    pub fn rms_norm_heads(
        &self,
        pool: &ThreadPool,
        data: &mut [f32],
        layout: HeadLayout,
        weight: &[f32],
        epsilon: f32,
    ) {
        assert_eq!(weight.len(), layout.head_dim, "rms_norm_heads: weight is not [head_dim]; this is a bug");
        let num_tokens = layout.num_tokens(data.len());
        let data = Disjoint::new(data);
        for_rows(pool, num_tokens, layout.num_heads * layout.head_dim, &|tokens| {
            for token in tokens {
                for head in 0..layout.num_heads {
                    // SAFETY: heads do not overlap and each token is handed out once; weight was checked above.
                    unsafe {
                        let values = data.range(layout.head(token, head));
                        let (x, out) = (values.as_ptr(), values.as_mut_ptr());
                        let (weight, bias, len) = (weight.as_ptr(), std::ptr::null(), values.len());
                        (self.norm.rms)(&Row { x, weight, bias, len, epsilon, out });
                    }
                }
            }
        });
    }
}

fn normalise(pool: &ThreadPool, kernel: unsafe fn(&Row), norm: LayerNorm<'_>) {
    let LayerNorm { x, weight, bias, epsilon, out } = norm;
    let len = weight.len();
    assert!(len > 0 && x.len().is_multiple_of(len), "norm: x is not [m, features]; this is a bug");
    assert_eq!(x.len(), out.len(), "norm: x and out differ in length; this is a bug");
    assert!(bias.is_none_or(|bias| bias.len() == len), "norm: bias is not [features]; this is a bug");
    let num_rows = x.len() / len;
    let out = Disjoint::new(out);
    for_rows(pool, num_rows, len, &|rows| {
        for row in rows {
            let range = row * len..(row + 1) * len;
            // SAFETY: rows are disjoint and handed out once; all lengths were checked above.
            unsafe {
                kernel(&Row {
                    x: x[range.clone()].as_ptr(),
                    weight: weight.as_ptr(),
                    bias: bias.map_or(std::ptr::null(), <[f32]>::as_ptr),
                    len,
                    epsilon,
                    out: out.range(range).as_mut_ptr(),
                });
            }
        }
    });
}

per_isa!(rms = rms_lanes[](row: &Row));
per_isa!(layer = layer_lanes[](row: &Row));

/// The sum of squares of `x - shift`.
#[inline(always)]
unsafe fn sum_squares<L: Lanes>(x: *const f32, len: usize, shift: f32) -> f32 {
    let shifts = L::splat(shift);
    let mut total = L::splat(0.0);
    let mut index = 0;
    while index < len {
        let count = (len - index).min(LANES);
        let values = if count == LANES { L::load(x.add(index)) } else { L::load_first(x.add(index), count, shift) };
        let centred = values.sub(shifts);
        total = centred.mul_add(centred, total);
        index += LANES;
    }
    total.sum()
}

/// `out = (x - shift) * factor * weight + bias`.
#[inline(always)]
unsafe fn apply<L: Lanes>(row: &Row, shift: f32, factor: f32) {
    let (shifts, factors) = (L::splat(shift), L::splat(factor));
    let mut index = 0;
    while index < row.len {
        let count = (row.len - index).min(LANES);
        let (x, weight, out) = (row.x.add(index), row.weight.add(index), row.out.add(index));
        if count == LANES {
            let mut value = L::load(x).sub(shifts).mul(factors).mul(L::load(weight));
            if !row.bias.is_null() {
                value = value.add(L::load(row.bias.add(index)));
            }
            value.store(out);
        } else {
            let mut value = L::load_first(x, count, 0.0).sub(shifts).mul(factors);
            value = value.mul(L::load_first(weight, count, 0.0));
            if !row.bias.is_null() {
                value = value.add(L::load_first(row.bias.add(index), count, 0.0));
            }
            value.store_first(out, count);
        }
        index += LANES;
    }
}

#[inline(always)]
unsafe fn rms_lanes<L: Lanes>(row: &Row) {
    let mean_square = sum_squares::<L>(row.x, row.len, 0.0) / row.len as f32;
    apply::<L>(row, 0.0, 1.0 / (mean_square + row.epsilon).sqrt());
}

#[inline(always)]
unsafe fn layer_lanes<L: Lanes>(row: &Row) {
    let mut total = L::splat(0.0);
    let mut index = 0;
    while index < row.len {
        let count = (row.len - index).min(LANES);
        let x = row.x.add(index);
        total = total.add(if count == LANES { L::load(x) } else { L::load_first(x, count, 0.0) });
        index += LANES;
    }
    let mean = total.sum() / row.len as f32;
    let variance = sum_squares::<L>(row.x, row.len, mean) / row.len as f32;
    apply::<L>(row, mean, 1.0 / (variance + row.epsilon).sqrt());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LENGTHS, assert_close, for_each_setup, numbers};

    fn reference(row: &[f32], weight: &[f32], bias: Option<&[f32]>, mean: f64, epsilon: f64) -> Vec<f64> {
        let len = row.len() as f64;
        let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / len;
        let factor = 1.0 / (variance + epsilon).sqrt();
        let bias = |index: usize| bias.map_or(0.0, |bias| f64::from(bias[index]));
        (0..row.len()).map(|i| (f64::from(row[i]) - mean) * factor * f64::from(weight[i]) + bias(i)).collect()
    }

    #[test]
    fn norms_match_their_formulas() {
        for_each_setup(|kernels, pool| {
            for len in LENGTHS.into_iter().filter(|&len| len > 0) {
                let (x, weight, bias) = (numbers(3 * len, 1), numbers(len, 2), numbers(len, 3));
                let mut out = vec![0.0; 3 * len];
                kernels.rms_norm(pool, RmsNorm { x: &x, weight: &weight, epsilon: 1e-6, out: &mut out });
                let expected: Vec<f64> =
                    x.chunks(len).flat_map(|row| reference(row, &weight, None, 0.0, 1e-6)).collect();
                assert_close(&out, &expected, 2e-6, "rms_norm");

                let norm = LayerNorm { x: &x, weight: &weight, bias: Some(&bias), epsilon: 1e-5, out: &mut out };
                kernels.layer_norm(pool, norm);
                let expected: Vec<f64> = x
                    .chunks(len)
                    .flat_map(|row| {
                        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / len as f64;
                        reference(row, &weight, Some(&bias), mean, 1e-5)
                    })
                    .collect();
                assert_close(&out, &expected, 2e-5, "layer_norm");
            }
        });
    }

    #[test]
    fn heads_are_normalised_in_place() {
        for_each_setup(|kernels, pool| {
            let layout = HeadLayout { offset: 5, row_stride: 60, num_heads: 2, head_dim: 20 };
            let (before, weight) = (numbers(4 * 60, 9), numbers(20, 8));
            let mut data = before.clone();
            kernels.rms_norm_heads(pool, &mut data, layout, &weight, 1e-6);
            let mut expected: Vec<f64> = before.iter().map(|&x| f64::from(x)).collect();
            for token in 0..4 {
                for head in 0..2 {
                    let range = layout.head(token, head);
                    expected[range.clone()].copy_from_slice(&reference(&before[range], &weight, None, 0.0, 1e-6));
                }
            }
            assert_close(&data, &expected, 2e-6, "rms_norm_heads");
        });
    }
}
