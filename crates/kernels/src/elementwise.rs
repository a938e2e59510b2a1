//! Element by element: residual addition, scaling, and the gate of a gated feed-forward layer.

use crate::{
    Isa, Kernels, ThreadPool,
    disjoint::Disjoint,
    lanes::{LANES, Lanes},
    math::sigmoid,
    per_isa::per_isa,
    rows::for_rows,
};

#[derive(Debug)]
pub(crate) struct ElementwiseKernels {
    add: unsafe fn(&[f32], &mut [f32]),
    scale: unsafe fn(f32, &mut [f32]),
    silu_mul: unsafe fn(&[f32], &[f32], &mut [f32]),
}

impl ElementwiseKernels {
    pub(crate) fn new(isa: Isa) -> Self {
        ElementwiseKernels { add: add(isa), scale: scale(isa), silu_mul: silu_mul(isa) }
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

    /// `out = silu(gate) * up`, where each row of `gate_up` [m, 2 * width] is gate then up; out is [m, width].
    pub fn silu_mul(&self, pool: &ThreadPool, gate_up: &[f32], width: usize, out: &mut [f32]) {
        assert!(width > 0 && out.len().is_multiple_of(width), "silu_mul: out is not [m, width]; this is a bug");
        assert_eq!(gate_up.len(), 2 * out.len(), "silu_mul: gate_up is not [m, 2 * width]; this is a bug");
        let num_rows = out.len() / width;
        let out = Disjoint::new(out);
        for_rows(pool, num_rows, 2 * width, &|rows| {
            for row in rows {
                let (gate, up) = gate_up[row * 2 * width..(row + 1) * 2 * width].split_at(width);
                // SAFETY: rows are disjoint and handed out once; the table's instruction set is this CPU's.
                unsafe { (self.elementwise.silu_mul)(gate, up, out.range(row * width..(row + 1) * width)) };
            }
        });
    }
}

per_isa!(add = add_lanes[](x: &[f32], out: &mut [f32]));
per_isa!(scale = scale_lanes[](factor: f32, data: &mut [f32]));
per_isa!(silu_mul = silu_mul_lanes[](gate: &[f32], up: &[f32], out: &mut [f32]));

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
unsafe fn silu_mul_lanes<L: Lanes>(gate: &[f32], up: &[f32], out: &mut [f32]) {
    let mut index = 0;
    while index < out.len() {
        let count = (out.len() - index).min(LANES);
        let (gate, up, out) = (gate.as_ptr().add(index), up.as_ptr().add(index), out.as_mut_ptr().add(index));
        if count == LANES {
            let gate = L::load(gate);
            gate.mul(sigmoid(gate)).mul(L::load(up)).store(out);
        } else {
            let gate = L::load_first(gate, count, 0.0);
            gate.mul(sigmoid(gate)).mul(L::load_first(up, count, 0.0)).store_first(out, count);
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
                    let gate_up = numbers(2 * 3 * length, 3);
                    let mut out = vec![0.0; 3 * length];
                    kernels.silu_mul(pool, &gate_up, length, &mut out);
                    let expected: Vec<f64> = gate_up
                        .chunks(2 * length)
                        .flat_map(|row| (0..length).map(|i| (f64::from(row[i]), f64::from(row[i + length]))))
                        .map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up)
                        .collect();
                    assert_close(&out, &expected, 1e-6, "silu_mul");
                }
            }
        });
    }
}
