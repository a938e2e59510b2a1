//! Exponential and error function over lanes. The coefficients are Chebyshev fits of the functions named beside them;
//! errors were measured against f64 over the whole range (see the tests).

use crate::lanes::Lanes;

/// Below this, e^x is less than the smallest normal f32 and counts as 0.
const EXP_LEAST: f32 = -87.3;
/// Above this, e^x is held at e^88, so that nothing overflows.
const EXP_GREATEST: f32 = 88.0;

/// The polynomial with these coefficients, highest power first, by Horner's rule.
#[inline(always)]
unsafe fn polynomial<L: Lanes, const N: usize>(x: L, coefficients: [f32; N]) -> L {
    let mut value = L::splat(coefficients[0]);
    let mut index = 1;
    while index < N {
        value = value.mul_add(x, L::splat(coefficients[index]));
        index += 1;
    }
    value
}

/// e^x within 2 units in the last place; exactly 1 at 0 and 0 below -87.3.
#[inline(always)]
pub(crate) unsafe fn exp<L: Lanes>(x: L) -> L {
    if L::IN_REGISTERS { exp_inline(x) } else { exp_called(x) }
}

/// Lanes in an array make kilobytes of code, once instead of in each kernel.
#[inline(never)]
unsafe fn exp_called<L: Lanes>(x: L) -> L {
    exp_inline(x)
}

#[inline(always)]
unsafe fn exp_inline<L: Lanes>(x: L) -> L {
    // ln 2 in two parts: the first has so few bits that its product with an exponent is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let clamped = L::splat(EXP_GREATEST).min(L::splat(EXP_LEAST).max(x));
    let exponent = clamped.mul(L::splat(std::f32::consts::LOG2_E)).round();
    let rest = exponent.mul_add(L::splat(-LN_2_HIGH), clamped);
    let rest = exponent.mul_add(L::splat(-LN_2_LOW), rest);
    // (e^r - 1 - r) / r^2 on |r| <= 0.35
    let tail = polynomial(rest, [0.001_392_691_8, 0.008_363_767, 0.041_666_55, 0.166_665_73, 0.5]);
    let fraction = tail.mul_add(rest.mul(rest), rest).add(L::splat(1.0));
    x.select_below(L::splat(EXP_LEAST), L::splat(0.0), fraction.mul(exponent.power_of_two()))
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(crate) unsafe fn sigmoid<L: Lanes>(x: L) -> L {
    let one = L::splat(1.0);
    one.div(one.add(exp(L::splat(0.0).sub(x))))
}

/// The hyperbolic tangent: 2 / (1 + e^-2x) - 1.
#[inline(always)]
pub(crate) unsafe fn tanh<L: Lanes>(x: L) -> L {
    sigmoid(x.add(x)).mul_add(L::splat(2.0), L::splat(-1.0))
}

/// The error function, within 2 units in the last place of 1.
#[inline(always)]
pub(crate) unsafe fn erf<L: Lanes>(x: L) -> L {
    if L::IN_REGISTERS { erf_inline(x) } else { erf_called(x) }
}

#[inline(never)]
unsafe fn erf_called<L: Lanes>(x: L) -> L {
    erf_inline(x)
}

#[inline(always)]
unsafe fn erf_inline<L: Lanes>(x: L) -> L {
    let magnitude = x.abs();
    let square = x.mul(x);
    // erf(x) / x - 1 as a polynomial of x^2 on |x| <= 1
    let near = polynomial(
        square,
        [
            -9.667_044e-6,
            1.126_595_9e-4,
            -8.484_080_4e-4,
            5.221_032e-3,
            -0.026_865_43,
            0.112_837_83,
            -0.376_126_4,
            0.128_379_17,
        ],
    )
    .mul_add(x, x);
    // ln(1 - erf(t)) on 0.95 <= t <= 4.05; past 4, erf is 1 in f32
    let bounded = L::splat(4.0).min(magnitude);
    let log_rest = polynomial(
        bounded,
        [
            1.622_679_2e-6,
            -4.578_624_7e-5,
            5.946_318e-4,
            -4.749_935e-3,
            0.026_395_055,
            -0.110_036_28,
            -0.631_870_75,
            -1.130_208,
            3.139_771e-4,
        ],
    );
    let far = L::splat(1.0).sub(exp(log_rest)).with_sign_of(x);
    magnitude.select_below(L::splat(1.0), near, far)
}

#[cfg(test)]
mod tests {
    use crate::{
        Isa,
        lanes::{LANES, Lanes},
        per_isa::per_isa,
        testing::erf_reference,
    };

    unsafe fn exp_16<L: Lanes>(x: &mut [f32; LANES]) {
        super::exp(L::load(x.as_ptr())).store(x.as_mut_ptr());
    }
    unsafe fn erf_16<L: Lanes>(x: &mut [f32; LANES]) {
        super::erf(L::load(x.as_ptr())).store(x.as_mut_ptr());
    }
    per_isa!(exp_of = exp_16[](x: &mut [f32; LANES]));
    per_isa!(erf_of = erf_16[](x: &mut [f32; LANES]));

    #[test]
    fn exp_and_erf_are_accurate() {
        for isa in Isa::available() {
            let (mut exp_error, mut erf_error) = (0.0_f64, 0.0_f64);
            for step in 0..40_000 {
                let base = -87.0 + step as f32 * 0.004_35;
                let mut lanes = [base; LANES];
                // SAFETY: the instruction set is available.
                unsafe { exp_of(isa)(&mut lanes) };
                let exact = f64::from(base).exp();
                exp_error = exp_error.max((f64::from(lanes[3]) - exact).abs() / exact);
                let base = -5.0 + step as f32 * 0.000_25;
                let mut lanes = [base; LANES];
                // SAFETY: as above.
                unsafe { erf_of(isa)(&mut lanes) };
                erf_error = erf_error.max((f64::from(lanes[7]) - erf_reference(f64::from(base))).abs());
            }
            assert!(exp_error < 2.4e-7, "{isa}: e^x is off by {exp_error:e} of itself");
            assert!(erf_error < 2.4e-7, "{isa}: erf is off by {erf_error:e}");
            let mut special = [0.0_f32; LANES];
            special[..5].copy_from_slice(&[f32::NEG_INFINITY, 0.0, -1000.0, f32::NAN, -0.0]);
            // SAFETY: as above.
            unsafe { exp_of(isa)(&mut special) };
            assert_eq!((special[0], special[1], special[2], special[4]), (0.0, 1.0, 0.0, 1.0), "{isa}");
            assert!(special[3].is_nan(), "{isa}");
        }
    }
}
