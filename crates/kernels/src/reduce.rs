//! Reductions of one row: the log of the sum of exponentials, softmax, and the greatest element.

use crate::{
    Isa, Kernels,
    lanes::{LANES, Lanes},
    math::exp,
    per_isa::per_isa,
};

/// Elements summed in f32 before the sum moves to f64.
const BLOCK: usize = 2048;

#[derive(Debug)]
pub(crate) struct ReduceKernels {
    largest: unsafe fn(&[f32]) -> f32,
    sum_exp: unsafe fn(&[f32], f32) -> f64,
    exp: unsafe fn(&mut [f32], f32, f32),
}

impl ReduceKernels {
    pub(crate) fn new(isa: Isa) -> Self {
        ReduceKernels { largest: largest(isa), sum_exp: sum_exp(isa), exp: exp_shifted(isa) }
    }
}

impl Kernels {
    /// The greatest element that is a number; negative infinity when there is none.
    pub fn largest(&self, row: &[f32]) -> f32 {
        // SAFETY: the table's instruction set is this CPU's.
        unsafe { (self.reduce.largest)(row) }
    }

    /// The index of the greatest element; the lowest of several, 0 when none is a number above negative infinity.
    pub fn argmax(&self, row: &[f32]) -> usize {
        let largest = self.largest(row);
        row.iter().position(|&value| value == largest).unwrap_or(0)
    }

    /// ln(sum of e^x), without overflow; negative infinity for an empty row.
    pub fn log_sum_exp(&self, row: &[f32]) -> f32 {
        let largest = self.largest(row);
        if largest == f32::NEG_INFINITY {
            return largest;
        }
        // SAFETY: the table's instruction set is this CPU's.
        let sum = unsafe { (self.reduce.sum_exp)(row, largest) };
        (f64::from(largest) + sum.ln()) as f32
    }

    /// Turns logits into probabilities that sum to 1, in place.
    pub fn softmax(&self, row: &mut [f32]) {
        let largest = self.largest(row);
        // SAFETY: the table's instruction set is this CPU's.
        unsafe {
            let sum = (self.reduce.sum_exp)(row, largest);
            (self.reduce.exp)(row, largest, (1.0 / sum) as f32);
        }
    }
}

per_isa!(largest = largest_lanes[](row: &[f32]) -> f32);
per_isa!(sum_exp = sum_exp_lanes[](row: &[f32], shift: f32) -> f64);
per_isa!(exp_shifted = exp_shifted_lanes[](row: &mut [f32], shift: f32, factor: f32));

#[inline(always)]
unsafe fn largest_lanes<L: Lanes>(row: &[f32]) -> f32 {
    // `max` gives its second operand where either is NaN, and the running maximum never is.
    let mut greatest = [L::splat(f32::NEG_INFINITY); 4];
    let mut index = 0;
    while index + 4 * LANES <= row.len() {
        for (offset, greatest) in greatest.iter_mut().enumerate() {
            *greatest = L::load(row.as_ptr().add(index + offset * LANES)).max(*greatest);
        }
        index += 4 * LANES;
    }
    while index < row.len() {
        let count = (row.len() - index).min(LANES);
        greatest[0] = L::load_first(row.as_ptr().add(index), count, f32::NEG_INFINITY).max(greatest[0]);
        index += LANES;
    }
    greatest[0].max(greatest[1]).max(greatest[2].max(greatest[3])).largest()
}

#[inline(always)]
unsafe fn sum_exp_lanes<L: Lanes>(row: &[f32], shift: f32) -> f64 {
    let shifts = L::splat(shift);
    let mut total = 0.0;
    for block in row.chunks(BLOCK) {
        let mut sum = L::splat(0.0);
        let mut index = 0;
        while index < block.len() {
            let count = (block.len() - index).min(LANES);
            let x = block.as_ptr().add(index);
            let values = if count == LANES { L::load(x) } else { L::load_first(x, count, f32::NEG_INFINITY) };
            sum = sum.add(exp(values.sub(shifts)));
            index += LANES;
        }
        total += f64::from(sum.sum());
    }
    total
}

/// `row = e^(row - shift) * factor`.
#[inline(always)]
unsafe fn exp_shifted_lanes<L: Lanes>(row: &mut [f32], shift: f32, factor: f32) {
    let (shifts, factors) = (L::splat(shift), L::splat(factor));
    let mut index = 0;
    while index < row.len() {
        let count = (row.len() - index).min(LANES);
        let x = row.as_mut_ptr().add(index);
        if count == LANES {
            exp(L::load(x).sub(shifts)).mul(factors).store(x);
        } else {
            exp(L::load_first(x, count, 0.0).sub(shifts)).mul(factors).store_first(x, count);
        }
        index += LANES;
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{LENGTHS, assert_close, for_each_setup, numbers};

    #[test]
    fn reductions_match_their_formulas() {
        for_each_setup(|kernels, _| {
            for length in LENGTHS {
                let row: Vec<f32> = numbers(length, 4).iter().map(|x| x * 8.0).collect();
                let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
                let log_sum_exp = kernels.log_sum_exp(&row);
                if length == 0 {
                    assert_eq!(log_sum_exp, f32::NEG_INFINITY);
                    continue;
                }
                assert_close(&[log_sum_exp], &[sum.ln()], 2e-7, "log_sum_exp");
                let mut softmax = row.clone();
                kernels.softmax(&mut softmax);
                let expected: Vec<f64> = row.iter().map(|&x| f64::from(x).exp() / sum).collect();
                assert_close(&softmax, &expected, 1e-6, "softmax");
                let argmax = kernels.argmax(&row);
                assert!(row.iter().all(|&x| x <= row[argmax]));
                assert!(row[..argmax].iter().all(|&x| x < row[argmax]));
            }
        });
    }

    #[test]
    fn ties_nan_and_infinities() {
        let rows: [(&[f32], usize); 6] = [
            (&[], 0),
            (&[1.0, 3.0, 3.0], 1),
            (&[f32::NAN, 1.0, 2.0], 2),
            (&[f32::NEG_INFINITY; 3], 0),
            (&[f32::NAN; 40], 0),
            (&[0.0, f32::INFINITY, 1.0], 1),
        ];
        for_each_setup(|kernels, _| {
            for (row, expected) in rows {
                assert_eq!(kernels.argmax(row), expected, "{row:?}");
            }
            assert_eq!(kernels.log_sum_exp(&[f32::NEG_INFINITY, 2.0]), 2.0);
        });
    }
}
