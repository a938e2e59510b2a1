//! Activation functions, in place.

use crate::{
    Isa, Kernels, ThreadPool,
    disjoint::Disjoint,
    lanes::{LANES, Lanes},
    math::{erf, sigmoid},
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

#[derive(Debug)]
pub(crate) struct ActivationKernels {
    relu: MapFn,
    silu: MapFn,
    gelu: MapFn,
    gelu_tanh: MapFn,
    tanh: MapFn,
}

impl ActivationKernels {
    pub(crate) fn new(isa: Isa) -> Self {
        ActivationKernels {
            relu: relu(isa),
            silu: silu(isa),
            gelu: gelu(isa),
            gelu_tanh: gelu_tanh(isa),
            tanh: tanh(isa),
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
        // tanh(x) = 2 / (1 + e^-2x) - 1
        sigmoid(x.add(x)).mul_add(L::splat(2.0), L::splat(-1.0))
    }
}

per_isa!(relu = map_lanes[Relu](data: &mut [f32]));
per_isa!(silu = map_lanes[Silu](data: &mut [f32]));
per_isa!(gelu = map_lanes[Gelu](data: &mut [f32]));
per_isa!(gelu_tanh = map_lanes[GeluTanh](data: &mut [f32]));
per_isa!(tanh = map_lanes[Tanh](data: &mut [f32]));

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
                }
            }
        });
    }
}
