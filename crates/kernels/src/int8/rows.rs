//! Activations as bytes: a row with one scale, and what a product needs of the sum of its levels.

use super::{LINE_INPUTS, MAGNITUDE, scale_of};
use crate::{lanes::Lanes, per_isa::per_isa};

/// What a row of levels has beside them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub(crate) struct RowScale {
    /// What a level is multiplied by.
    pub(crate) scale: f32,
    /// -128 times the sum of the levels.
    pub(crate) minus_128: i32,
}

/// The levels of [`LINE_INPUTS`] activations.
pub(crate) type Line = [i8; LINE_INPUTS];

per_isa!(
    /// Rounds a row to levels from -127 to 127, of which the largest activation has the greatest. Its lines go to `lines` and
    /// every `stride`th behind it; the last is padded with zeros. The same bits on every instruction set.
    quantise_row = quantise_any[](row: &[f32], lines: *mut Line, stride: usize) -> RowScale
);

/// Adding this to a number below 2^22 leaves the nearest whole number, ties to even, in the low bits.
const ROUNDER: f32 = 12_582_912.0;

/// Plain code that the compiler turns into vectors of whatever instruction set surrounds it.
#[inline(always)]
unsafe fn quantise_any<L: Lanes>(row: &[f32], lines: *mut Line, stride: usize) -> RowScale {
    // One maximum: of several side by side the compiler makes reads of every sixteenth number.
    let largest = row.iter().fold(0, |most, value| most.max(value.to_bits() & MAGNITUDE));
    let (scale, inverse) = scale_of(largest);
    let mut total = 0;
    let (full, rest) = row.as_chunks::<LINE_INPUTS>();
    for (index, values) in full.iter().enumerate() {
        let (line, sum) = round_line(values, inverse);
        lines.add(index * stride).write(line);
        total += sum;
    }
    if !rest.is_empty() {
        let mut values = [0.0; LINE_INPUTS];
        values[..rest.len()].copy_from_slice(rest);
        let (line, sum) = round_line(&values, inverse);
        lines.add(full.len() * stride).write(line);
        total += sum;
    }
    RowScale { scale, minus_128: -128 * total }
}

#[inline(always)]
fn round_line(values: &[f32; LINE_INPUTS], inverse: f32) -> (Line, i32) {
    let mut levels = [0_i32; LINE_INPUTS];
    for (level, value) in levels.iter_mut().zip(values) {
        let rounded = value * inverse + ROUNDER;
        *level = if inverse == 0.0 { 0 } else { rounded.to_bits() as i32 - ROUNDER.to_bits() as i32 };
    }
    let sum = levels.iter().sum::<i32>();
    // Not `map`, which the compiler leaves a function of its own that stores bytes one by one.
    let mut line = [0; LINE_INPUTS];
    for (byte, level) in line.iter_mut().zip(levels) {
        *byte = level as i8;
    }
    (line, sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Isa, testing::numbers};

    fn quantised(isa: Isa, row: &[f32]) -> (RowScale, Vec<i8>) {
        let mut lines = vec![[1; LINE_INPUTS]; row.len().div_ceil(LINE_INPUTS)];
        // SAFETY: the instruction set is available and there is a line for each 64 activations.
        let scale = unsafe { quantise_row(isa)(row, lines.as_mut_ptr(), 1) };
        (scale, lines.concat())
    }

    #[test]
    fn rows_round_alike_everywhere_and_to_the_nearest() {
        let mut rows = vec![vec![0.0; 70], vec![1e-42; 64], vec![f32::MAX; 3], Vec::new()];
        rows.extend([1, 15, 63, 64, 65, 1000].map(|len| numbers(len, 3)));
        for row in rows {
            let (scale, levels) = quantised(Isa::Scalar, &row);
            let largest = row.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            for (level, value) in levels.iter().zip(&row) {
                let error = f64::from(*level) * f64::from(scale.scale) - f64::from(*value);
                assert!(error.abs() <= f64::from(largest) / 253.0 + 1e-38, "{value} became {level}");
            }
            assert!(levels[row.len()..].iter().all(|&level| level == 0), "padding");
            assert_eq!(scale.minus_128, -128 * levels.iter().map(|&level| i32::from(level)).sum::<i32>());
            for isa in Isa::available() {
                assert_eq!(quantised(isa, &row), (scale, levels.clone()), "{isa}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_has_no_scale() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut row = numbers(100, 1);
            row[70] = wrong;
            let (scale, levels) = quantised(Isa::detect(), &row);
            assert!(scale.scale.is_nan() && scale.minus_128 == 0 && levels.iter().all(|&level| level == 0), "{wrong}");
        }
    }
}
