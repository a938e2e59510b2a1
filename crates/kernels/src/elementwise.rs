//! Element by element: residual addition, scaling, and rows that are added where an index says.

use crate::{
    Isa, Kernels, ThreadPool,
    disjoint::Disjoint,
    lanes::{LANES, Lanes},
    per_isa::per_isa,
    rows::for_rows,
};

#[derive(Debug)]
pub(crate) struct ElementwiseKernels {
    add: unsafe fn(&[f32], &mut [f32]),
    scale: unsafe fn(f32, &mut [f32]),
    add_scaled: unsafe fn(&[f32], f32, &mut [f32]),
}

impl ElementwiseKernels {
    pub(crate) fn new(isa: Isa) -> Self {
        ElementwiseKernels { add: add(isa), scale: scale(isa), add_scaled: add_scaled(isa) }
    }
}

impl Kernels {
    /// `out += x`, element by element.
    pub fn add(&self, pool: &ThreadPool, x: &[f32], out: &mut [f32]) {
        assert_eq!(x.len(), out.len(), "add: lengths differ; this is a bug");
        let out = Disjoint::new(out);
        for_rows(pool, x.len(), 1, &|range| {
            // SAFETY: the pool hands out disjoint ranges; the table's instruction set is this CPU's.
            unsafe { (self.elementwise.add)(&x[range.clone()], out.range(range)) };
        });
    }

    /// `data *= factor`, element by element.
    pub fn scale(&self, pool: &ThreadPool, factor: f32, data: &mut [f32]) {
        let len = data.len();
        let data = Disjoint::new(data);
        for_rows(pool, len, 1, &|range| {
            // SAFETY: the pool hands out disjoint ranges; the table's instruction set is this CPU's.
            unsafe { (self.elementwise.scale)(factor, data.range(range)) };
        });
    }

    /// `out[indices[i]] += factors[i] * x[i]` for each row i of `x` [m, width], in order: few numbers beside the products
    /// that they come from, so one thread does it.
    ///
    /// Panics when an index is not that of a row of `out`.
    pub fn add_rows(&self, x: &[f32], indices: &[i32], factors: &[f32], width: usize, out: &mut [f32]) {
        assert_eq!(x.len(), indices.len() * width, "add_rows: x is not [m, width]; this is a bug");
        assert_eq!(indices.len(), factors.len(), "add_rows: not a factor for each row; this is a bug");
        for ((x, &index), &factor) in x.chunks_exact(width.max(1)).zip(indices).zip(factors) {
            let start = usize::try_from(index).expect("a negative row; this is a bug") * width;
            // SAFETY: the lengths agree, and the table's instruction set is this CPU's.
            unsafe { (self.elementwise.add_scaled)(x, factor, &mut out[start..start + width]) };
        }
    }
}

per_isa!(add = add_lanes[](x: &[f32], out: &mut [f32]));
per_isa!(scale = scale_lanes[](factor: f32, data: &mut [f32]));
per_isa!(add_scaled = add_scaled_lanes[](x: &[f32], factor: f32, out: &mut [f32]));

#[inline(always)]
unsafe fn add_lanes<L: Lanes>(x: &[f32], out: &mut [f32]) {
    let mut index = 0;
    while index + LANES <= out.len() {
        let target = out.as_mut_ptr().add(index);
        L::load(target).add(L::load(x.as_ptr().add(index))).store(target);
        index += LANES;
    }
    for index in index..out.len() {
        out[index] += x[index];
    }
}

#[inline(always)]
unsafe fn scale_lanes<L: Lanes>(factor: f32, data: &mut [f32]) {
    let factors = L::splat(factor);
    let mut index = 0;
    while index + LANES <= data.len() {
        let target = data.as_mut_ptr().add(index);
        L::load(target).mul(factors).store(target);
        index += LANES;
    }
    for value in &mut data[index..] {
        *value *= factor;
    }
}

#[inline(always)]
unsafe fn add_scaled_lanes<L: Lanes>(x: &[f32], factor: f32, out: &mut [f32]) {
    let factors = L::splat(factor);
    let mut index = 0;
    while index < out.len() {
        let count = (out.len() - index).min(LANES);
        let (x, target) = (x.as_ptr().add(index), out.as_mut_ptr().add(index));
        if count == LANES {
            L::load(x).mul_add(factors, L::load(target)).store(target);
        } else {
            L::load_first(x, count, 0.0).mul_add(factors, L::load_first(target, count, 0.0)).store_first(target, count);
        }
        index += LANES;
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{LENGTHS, assert_close, for_each_setup, numbers};

    #[test]
    fn elementwise_kernels_match_their_formulas() {
        for_each_setup(|kernels, pool| {
            for length in LENGTHS {
                let (x, y) = (numbers(length, 1), numbers(length, 2));
                let mut sum = y.clone();
                kernels.add(pool, &x, &mut sum);
                assert!(sum.iter().zip(x.iter().zip(&y)).all(|(sum, (x, y))| *sum == x + y), "add, {length}");
                let mut scaled = x.clone();
                kernels.scale(pool, 1.7, &mut scaled);
                assert!(scaled.iter().zip(&x).all(|(scaled, x)| *scaled == x * 1.7), "scale, {length}");
                if length > 0 {
                    let (rows, before) = (numbers(2 * length, 3), numbers(4 * length, 4));
                    let mut out = before.clone();
                    kernels.add_rows(&rows, &[3, 1], &[0.5, -2.0], length, &mut out);
                    let mut expected: Vec<f64> = before.iter().copied().map(f64::from).collect();
                    for (row, target, factor) in [(0, 3, 0.5), (1, 1, -2.0)] {
                        for i in 0..length {
                            expected[target * length + i] += factor * f64::from(rows[row * length + i]);
                        }
                    }
                    assert_close(&out, &expected, 1e-6, "add_rows");
                }
            }
        });
    }
}
