//! Numbers of eight bits with an exponent, as the OCP 8-bit floating point specification has them: e4m3 (no infinities, largest 448) and
//! e5m2 (largest finite 57344). Plain code that the compiler turns into vectors of whatever instruction set surrounds it.

/// The code of NaN that is written in either format.
const NAN_CODE: u8 = 0x7f;

/// A format's bias of exponents, bits of fraction and largest finite code.
struct Format<const FRACTION_BITS: u32, const BIAS: u32, const LARGEST: u32>;

type E4m3 = Format<3, 7, 0x7e>;
type E5m2 = Format<2, 15, 0x7b>;

impl<const FRACTION_BITS: u32, const BIAS: u32, const LARGEST: u32> Format<FRACTION_BITS, BIAS, LARGEST> {
    /// Bits of a f32's fraction that the format lacks.
    const SHIFT: u32 = 23 - FRACTION_BITS;
    /// Bits of the smallest normal number as a f32.
    const SMALLEST_NORMAL: u32 = (128 - BIAS) << 23;
    /// A f32 whose last bit is worth as much as the format's smallest number: adding it rounds to multiples of that.
    const SUBNORMAL_STEPS: f32 = f32::from_bits((128 - BIAS + Self::SHIFT) << 23);

    #[inline(always)]
    fn from_f32(value: f32) -> u8 {
        let bits = value.to_bits();
        let magnitude = bits & 0x7fff_ffff;
        let half = (1 << (Self::SHIFT - 1)) - 1 + ((magnitude >> Self::SHIFT) & 1);
        let normal = ((magnitude + half) >> Self::SHIFT).wrapping_sub((127 - BIAS) << FRACTION_BITS).min(LARGEST);
        let steps = f32::from_bits(magnitude) + Self::SUBNORMAL_STEPS;
        let subnormal = steps.to_bits().wrapping_sub(Self::SUBNORMAL_STEPS.to_bits());
        let code = if magnitude < Self::SMALLEST_NORMAL { subnormal } else { normal };
        let signed = code as u8 | (bits >> 24) as u8 & 0x80;
        if magnitude > 0x7f80_0000 { NAN_CODE } else { signed }
    }

    #[inline(always)]
    const fn to_f32(code: u8, not_finite: u32) -> f32 {
        let magnitude = (code & 0x7f) as u32;
        let normal = f32::from_bits((magnitude << Self::SHIFT) + ((127 - BIAS) << 23));
        // Whole numbers of steps, so that no instruction meets a f32 that is subnormal: those are slow on many CPUs.
        let step = f32::from_bits((128 - BIAS - FRACTION_BITS) << 23);
        let finite = if magnitude < 1 << FRACTION_BITS { magnitude as f32 * step } else { normal };
        let special = if magnitude >= not_finite { 0x7f80_0000 } else { 0 };
        f32::from_bits(finite.to_bits() | special | (((code & 0x80) as u32) << 24))
    }
}

/// The nearest e4m3, ties to even; what is larger than 448, infinities too, becomes 448. NaN stays NaN.
#[inline(always)]
pub(crate) fn e4m3_from_f32(value: f32) -> u8 {
    E4m3::from_f32(value)
}

/// The nearest e5m2, ties to even; what is larger than 57344, infinities too, becomes 57344. NaN stays NaN.
#[inline(always)]
pub(crate) fn e5m2_from_f32(value: f32) -> u8 {
    E5m2::from_f32(value)
}

/// The value of an e4m3. Exact.
#[inline(always)]
pub(crate) const fn e4m3_to_f32(code: u8) -> f32 {
    E4m3::to_f32(code, 0x7f)
}

/// The value of an e5m2. Exact.
#[inline(always)]
pub(crate) const fn e5m2_to_f32(code: u8) -> f32 {
    E5m2::to_f32(code, 0x7c)
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::testing::numbers;

    /// The value of a code by the specification's formula.
    fn by_formula(code: u8, fraction_bits: i32, bias: i32) -> f64 {
        let exponent = i32::from(code & 0x7f) >> fraction_bits;
        let fraction = f64::from(i32::from(code) & ((1 << fraction_bits) - 1)) / f64::from(1 << fraction_bits);
        let magnitude = match exponent {
            0 => fraction * 2_f64.powi(1 - bias),
            _ => (1.0 + fraction) * 2_f64.powi(exponent - bias),
        };
        if code & 0x80 == 0 { magnitude } else { -magnitude }
    }

    #[test]
    fn every_code_has_the_value_of_the_specification() {
        for code in 0..=u8::MAX {
            let e4m3 = e4m3_to_f32(code);
            match code & 0x7f {
                0x7f => assert!(e4m3.is_nan(), "{code:#x}"),
                _ => assert_eq!(f64::from(e4m3), by_formula(code, 3, 7), "{code:#x}"),
            }
            // An e5m2 is the upper byte of a half.
            let (e5m2, half) = (e5m2_to_f32(code), f16::from_bits(u16::from(code) << 8).to_f32());
            assert!(e5m2 == half || e5m2.is_nan() && half.is_nan(), "{code:#x}: {e5m2}, not {half}");
            assert_eq!(e5m2.is_sign_negative(), code >= 0x80, "{code:#x}");
        }
    }

    /// The finite code whose value is nearest; of two as near the even one; past the largest the largest.
    fn nearest(value: f32, largest: u8, to_f32: fn(u8) -> f32) -> u8 {
        let value_in_range = f64::from(value.abs().min(to_f32(largest)));
        let distance = |code: u8| (f64::from(to_f32(code)) - value_in_range).abs();
        let code = (0..=largest)
            .min_by(|&one, &other| distance(one).total_cmp(&distance(other)).then((one & 1).cmp(&(other & 1))))
            .expect("codes");
        if value.is_sign_negative() { code | 0x80 } else { code }
    }

    #[test]
    fn rounding_is_to_the_nearest_and_saturates() {
        let mut values = numbers(2000, 3);
        values.extend(numbers(2000, 4).into_iter().map(|value| value * 300.0));
        values.extend(numbers(2000, 5).into_iter().map(|value| value / 300.0));
        values.extend(numbers(2000, 6).into_iter().map(|value| value * 30_000.0));
        values.extend(numbers(500, 7).into_iter().map(|value| value * 1e-5));
        values.extend([0.0, -0.0, 1e-40, -1e-40, f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY]);
        values.extend([448.0, 464.0, 465.0, 480.0, 57344.0, 61440.0, 61441.0, 65536.0]);
        // Midpoints of neighbours, and the numbers beside them.
        for to_f32 in [e4m3_to_f32, e5m2_to_f32] {
            let midpoints = (0..0x7b).map(|code| (to_f32(code) + to_f32(code + 1)) / 2.0);
            values.extend(midpoints.flat_map(|middle| [middle.next_down(), middle, -middle, middle.next_up()]));
        }
        for value in values {
            assert_eq!(e4m3_from_f32(value), nearest(value, 0x7e, e4m3_to_f32), "{value} as e4m3");
            assert_eq!(e5m2_from_f32(value), nearest(value, 0x7b, e5m2_to_f32), "{value} as e5m2");
        }
        for not_a_number in [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001)] {
            assert_eq!([e4m3_from_f32(not_a_number), e5m2_from_f32(not_a_number)], [NAN_CODE; 2]);
        }
    }
}
