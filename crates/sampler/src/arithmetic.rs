//! Exponential and logarithm from plain IEEE-754 additions, multiplications and divisions, so that native and
//! WebAssembly builds give the same bits (libm does not). Knows nothing of logits.

use std::f64::consts::{LN_2, SQRT_2};

/// Adding and subtracting this rounds a small f32 to the nearest integer (ties to even).
const ROUNDING_F32: f32 = 12_582_912.0; // 1.5 * 2^23
/// ln 2 split so that `n * LN_2_HIGH` is exact for |n| < 2^9.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// e^x for x <= 0, within 2 units in the last place; anything below -87 (so -infinity too) gives e^-87.
#[inline(always)]
pub(crate) fn exp_of_negative(x: f32) -> f32 {
    let x = if x > -87.0 { x } else { -87.0 };
    let shifted = x * std::f32::consts::LOG2_E + ROUNDING_F32;
    let n = shifted - ROUNDING_F32;
    // |r| <= ln(2) / 2
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    // Taylor's series; the first term left out is below 2^-27.
    let tail = 1.0 / 720.0 + r * (1.0 / 5040.0);
    let tail = 1.0 / 24.0 + r * (1.0 / 120.0 + r * tail);
    let series = 1.0 + (r + r * r * (0.5 + r * (1.0 / 6.0 + r * tail)));
    // The low bits of `shifted` hold n in two's complement: put n + 127 into an exponent field.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    series * power
}

/// Natural logarithm of a positive, normal f64, within 2 units in the last place (and exact at 1).
pub(crate) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) as i32 - 1023) as f64;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52)); // [1, 2)
    if mantissa > SQRT_2 {
        mantissa *= 0.5;
        exponent += 1.0;
    }
    // ln m = 2 atanh(s), s = (m - 1) / (m + 1), |s| <= 0.172
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut series = 0.0;
    let mut odd = 23.0;
    while odd > 1.0 {
        series = (series + 1.0 / odd) * square;
        odd -= 2.0;
    }
    2.0 * s * (1.0 + series) + exponent * LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        let mut x = -87.0f32;
        while x <= 0.0 {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp_of_negative(x)) - exact).abs() / exact;
            assert!(error < 2.4e-7, "exp({x}) is off by {error:e}");
            x += 0.000_73;
        }
        assert_eq!(exp_of_negative(0.0), 1.0);
        for below in [-88.0, -1e30, f32::NEG_INFINITY] {
            assert_eq!(exp_of_negative(below), exp_of_negative(-87.0));
        }
    }

    #[test]
    fn exp_never_falls_as_x_rises() {
        let mut bits = (-0.0f32).to_bits();
        let mut above = 1.0f32;
        while f32::from_bits(bits) > -40.0 {
            let here = exp_of_negative(f32::from_bits(bits));
            assert!(here <= above * (1.0 + 2.4e-7), "at {}", f32::from_bits(bits));
            above = here;
            bits += 4099;
        }
    }

    #[test]
    fn ln_is_within_a_few_units_in_the_last_place() {
        assert_eq!(ln(1.0), 0.0);
        for i in 1..200_000u32 {
            for x in
                [f64::from(i) * 1.37e-9, f64::from(i) / 200_000.0, 1.0 - f64::from(i) * 2.3e-10, f64::from(i) * 3.1]
            {
                let exact = x.ln();
                assert!((ln(x) - exact).abs() <= 4.0 * f64::EPSILON * exact.abs(), "ln({x}) = {} not {exact}", ln(x));
            }
        }
    }

    #[test]
    fn bits_are_pinned() {
        assert_eq!(exp_of_negative(-1.0).to_bits(), 0x3EBC_5AB2);
        assert_eq!(exp_of_negative(-20.25).to_bits(), 0x30DC_9EF1);
        assert_eq!(ln(0.1).to_bits(), 0xC002_6BB1_BBB5_5515);
        assert_eq!(ln(10.0).to_bits(), 0x4002_6BB1_BBB5_5515);
    }
}
