//! f32 to bf16, to the nearest, ties to even.

use crate::{lanes::Lanes, per_isa::per_isa};

per_isa!(
    /// Narrows each element; the slices have one length.
    narrow = narrow_any[](source: &[f32], target: &mut [u16])
);

/// The bf16 nearest to a f32, ties to even; NaN stays NaN.
#[inline(always)]
pub(crate) fn narrow_one(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    let not_a_number = (bits >> 16) | 0x40;
    (if bits & 0x7fff_ffff > 0x7f80_0000 { not_a_number } else { rounded }) as u16
}

/// Plain code that the compiler turns into vectors of whatever instruction set surrounds it.
#[inline(always)]
unsafe fn narrow_any<L: Lanes>(source: &[f32], target: &mut [u16]) {
    for (source, target) in source.iter().zip(target) {
        *target = narrow_one(*source);
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use crate::{Isa, testing::numbers};

    #[test]
    fn narrowing_rounds_to_nearest_even() {
        let mut values = numbers(1000, 6);
        values.extend([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN_POSITIVE, 1e-40]);
        values.extend([0x3f80_8000_u32, 0x3f81_8000, 0x3f80_8001, 0x7fff_ffff].map(f32::from_bits));
        let expected: Vec<u16> = values.iter().map(|&value| bf16::from_f32(value).to_bits()).collect();
        for isa in Isa::available() {
            let mut narrow = vec![0; values.len()];
            // SAFETY: the instruction set is available and the lengths agree.
            unsafe { super::narrow(isa)(&values, &mut narrow) };
            assert_eq!(narrow, expected, "{isa}");
        }
    }
}
