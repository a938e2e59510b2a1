//! Activation functions: in place, and as the gate of a gated feed-forward layer.

use crate::{
    Isa, Kernels, ThreadPool,
    disjoint::Disjoint,
    lanes::{LANES, Lanes},
    math::{erf, sigmoid, tanh},
    per_isa::per_isa,
    rows::for_rows,
};

/// The activation functions of feed-forward layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x / (1 + e^-x).
    Silu,
    /// x (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel, arXiv:1606.08415).
    Gelu,
    /// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, the same paper's approximation.
    GeluTanh,
    /// tanh x.
    Tanh,
}

type MapFn = unsafe fn(&mut [f32]);
type GateFn = unsafe fn(&[f32], &[f32], &mut [f32]);

#[derive(Debug)]
pub(crate) struct ActivationKernels {
    relu: MapFn,
    silu: MapFn,
    gelu: MapFn,
    gelu_tanh: MapFn,
    tanh: MapFn,
    relu_mul: GateFn,
    silu_mul: GateFn,
    gelu_mul: GateFn,
    gelu_tanh_mul: GateFn,
    tanh_mul: GateFn,
}

impl ActivationKernels {
    pub(crate) fn new(isa: Isa) -> Self {
        ActivationKernels {
            relu: relu(isa),
            silu: silu(isa),
            gelu: gelu(isa),
            gelu_tanh: gelu_tanh(isa),
            tanh: tanh_of(isa),
            relu_mul: relu_mul(isa),
            silu_mul: silu_mul(isa),
            gelu_mul: gelu_mul(isa),
            gelu_tanh_mul: gelu_tanh_mul(isa),
            tanh_mul: tanh_mul(isa),
        }
    }
}

impl Kernels {
    /// Applies an activation function to every element.
    pub fn activate(&self, pool: &ThreadPool, activation: Activation, data: &mut [f32]) {
        let map = match activation {
            Activation::Relu => self.activation.relu,
            Activation::Silu => self.activation.silu,
            Activation::Gelu => self.activation.gelu,
            Activation::GeluTanh => self.activation.gelu_tanh,
            Activation::Tanh => self.activation.tanh,
        };
        let len = data.len();
        let data = Disjoint::new(data);
        // An exponential costs several plain operations, so smaller chunks are worth handing out.
        for_rows(pool, len, 4, &|range| {
            // SAFETY: the pool hands out disjoint ranges; the table's instruction set is this CPU's.
            unsafe { map(data.range(range)) };
        });
    }

    /// `out = activation(gate) * up`, where each row of `gate_up` [m, 2 * width] is gate then up; out is [m, width].
    pub fn activate_mul(
        &self,
        pool: &ThreadPool,
        activation: Activation,
        gate_up: &[f32],
        width: usize,
        out: &mut [f32],
    ) {
        assert!(width > 0 && out.len().is_multiple_of(width), "activate_mul: out is not [m, width]; this is a bug");
        assert_eq!(gate_up.len(), 2 * out.len(), "activate_mul: gate_up is not [m, 2 * width]; this is a bug");
        let multiply = match activation {
            Activation::Relu => self.activation.relu_mul,
            Activation::Silu => self.activation.silu_mul,
            Activation::Gelu => self.activation.gelu_mul,
            Activation::GeluTanh => self.activation.gelu_tanh_mul,
            Activation::Tanh => self.activation.tanh_mul,
        };
        let num_rows = out.len() / width;
        let out = Disjoint::new(out);
        for_rows(pool, num_rows, 2 * width, &|rows| {
            for row in rows {
                let (gate, up) = gate_up[row * 2 * width..(row + 1) * 2 * width].split_at(width);
                // SAFETY: rows are disjoint and handed out once; the table's instruction set is this CPU's.
                unsafe { multiply(gate, up, out.range(row * width..(row + 1) * width)) };
            }
        });
    }
}

trait Map {
    unsafe fn map<L: Lanes>(x: L) -> L;
}

struct Relu;
struct Silu;
struct Gelu;
struct GeluTanh;
struct Tanh;

impl Map for Relu {
    #[inline(always)]
    unsafe fn map<L: Lanes>(x: L) -> L {
        // The comparison keeps NaN.
        x.select_below(L::splat(0.0), L::splat(0.0), x)
    }
}

impl Map for Silu {
    #[inline(always)]
    unsafe fn map<L: Lanes>(x: L) -> L {
        x.mul(sigmoid(x))
    }
}

impl Map for Gelu {
    #[inline(always)]
    unsafe fn map<L: Lanes>(x: L) -> L {
        let half = x.mul(L::splat(0.5));
        half.mul(L::splat(1.0).add(erf(x.mul(L::splat(std::f32::consts::FRAC_1_SQRT_2)))))
    }
}

impl Map for GeluTanh {
    #[inline(always)]
    unsafe fn map<L: Lanes>(x: L) -> L {
        // (1 + tanh(u)) / 2 = 1 / (1 + e^-2u)
        const TWICE_SQRT_2_OVER_PI: f32 = 1.595_769;
        let cubic = x.mul(x).mul_add(L::splat(0.044_715), L::splat(1.0)).mul(x);
        x.mul(sigmoid(cubic.mul(L::splat(TWICE_SQRT_2_OVER_PI))))
    }
}

impl Map for Tanh {
    #[inline(always)]
    unsafe fn map<L: Lanes>(x: L) -> L {
        tanh(x)
    }
}

per_isa!(relu = map_lanes[Relu](data: &mut [f32]));
per_isa!(silu = map_lanes[Silu](data: &mut [f32]));
per_isa!(gelu = map_lanes[Gelu](data: &mut [f32]));
per_isa!(gelu_tanh = map_lanes[GeluTanh](data: &mut [f32]));
per_isa!(tanh_of = map_lanes[Tanh](data: &mut [f32]));
per_isa!(relu_mul = gate_lanes[Relu](gate: &[f32], up: &[f32], out: &mut [f32]));
per_isa!(silu_mul = gate_lanes[Silu](gate: &[f32], up: &[f32], out: &mut [f32]));
per_isa!(gelu_mul = gate_lanes[Gelu](gate: &[f32], up: &[f32], out: &mut [f32]));
per_isa!(gelu_tanh_mul = gate_lanes[GeluTanh](gate: &[f32], up: &[f32], out: &mut [f32]));
per_isa!(tanh_mul = gate_lanes[Tanh](gate: &[f32], up: &[f32], out: &mut [f32]));

#[inline(always)]
unsafe fn map_lanes<L: Lanes, M: Map>(data: &mut [f32]) {
    let mut index = 0;
    while index < data.len() {
        let count = (data.len() - index).min(LANES);
        let target = data.as_mut_ptr().add(index);
        if count == LANES {
            M::map(L::load(target)).store(target);
        } else {
            M::map(L::load_first(target, count, 0.0)).store_first(target, count);
        }
        index += LANES;
    }
}

#[inline(always)]
unsafe fn gate_lanes<L: Lanes, M: Map>(gate: &[f32], up: &[f32], out: &mut [f32]) {
    let mut index = 0;
    while index < out.len() {
        let count = (out.len() - index).min(LANES);
        let (gate, up, out) = (gate.as_ptr().add(index), up.as_ptr().add(index), out.as_mut_ptr().add(index));
        if count == LANES {
            M::map(L::load(gate)).mul(L::load(up)).store(out);
        } else {
            M::map(L::load_first(gate, count, 0.0)).mul(L::load_first(up, count, 0.0)).store_first(out, count);
        }
        index += LANES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LENGTHS, assert_close, erf_reference, for_each_setup, numbers};

    #[test]
    fn activations_match_their_formulas() {
        let formula = |activation, x: f64| match activation {
            Activation::Relu => x.max(0.0),
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::Gelu => x / 2.0 * (1.0 + erf_reference(x / 2.0_f64.sqrt())),
            Activation::GeluTanh => {
                x / 2.0 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
            }
            Activation::Tanh => x.tanh(),
        };
        for_each_setup(|kernels, pool| {
            for length in LENGTHS {
                for activation in
                    [Activation::Relu, Activation::Silu, Activation::Gelu, Activation::GeluTanh, Activation::Tanh]
                {
                    let x: Vec<f32> = numbers(length, 5).iter().map(|x| x * 4.0).collect();
                    let expected: Vec<f64> = x.iter().map(|&x| formula(activation, f64::from(x))).collect();
                    let mut out = x.clone();
                    kernels.activate(pool, activation, &mut out);
                    assert_close(&out, &expected, 1e-6, &format!("{activation:?}, {length}"));
                    if length > 0 {
                        let gate_up = [&x[..], &numbers(length, 6)].concat();
                        let gated: Vec<f64> =
                            expected.iter().zip(&gate_up[length..]).map(|(gate, &up)| gate * f64::from(up)).collect();
                        kernels.activate_mul(pool, activation, &gate_up, length, &mut out);
                        assert_close(&out, &gated, 1e-6, &format!("gated {activation:?}, {length}"));
                    }
                }
            }
        });
    }
}
