//! Activations as bytes: each 32 of a row with a scale of their own, and everything that a product needs of their sum.

use crate::{lanes::Lanes, per_isa::per_isa};

use super::BLOCK_INPUTS;
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
use super::relaxed_facts::RelaxedFacts;

/// 32 activations, in one cache line, or two of a CPU below WebAssembly's relaxed SIMD.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct ActivationBlock {
    /// From -127 to 127, the greatest magnitude being 127.
    pub(crate) levels: [i8; BLOCK_INPUTS],
    /// What a level is multiplied by.
    pub(crate) scale: f32,
    /// -8 times the sum of the levels.
    pub(crate) minus_8: i32,
    /// -128 times the sum of the levels.
    pub(crate) minus_128: i32,
    /// The sum of the activations as rounded.
    pub(crate) sum: f32,
    /// -128 times the sums of the first and the second sixteen levels.
    pub(crate) halves_minus_128: [i32; 2],
    /// The sums of the first and the second sixteen activations as rounded.
    pub(crate) half_sums: [f32; 2],
    /// What relaxed SIMD needs besides.
    #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
    pub(crate) relaxed: RelaxedFacts,
}

per_isa!(
    /// Rounds a row; its blocks go to `blocks` and every `stride`th behind it, one for each 32 activations. The same bits on
    /// every instruction set.
    quantise_row = quantise_any[](row: &[f32], blocks: *mut ActivationBlock, stride: usize)
);

/// Rows of activations lie in groups, one for each tile that the micro-kernels make of them: all rows of a group have
/// their first blocks side by side, then their second ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowGroups {
    /// Rows of all.
    pub(crate) num_rows: usize,
    /// Rows of a group; the last may have fewer.
    pub(crate) group_rows: usize,
    /// Blocks of a row.
    pub(crate) num_blocks: usize,
}

impl RowGroups {
    /// Where the first block of a row is, and how many blocks behind it the next one.
    pub(crate) fn place(self, row: usize) -> (usize, usize) {
        let first = row / self.group_rows * self.group_rows;
        (first * self.num_blocks + row - first, self.group_rows.min(self.num_rows - first))
    }
}

/// Plain code that the compiler turns into vectors of whatever instruction set surrounds it.
#[inline(always)]
unsafe fn quantise_any<L: Lanes>(row: &[f32], blocks: *mut ActivationBlock, stride: usize) {
    for (index, values) in row.as_chunks::<BLOCK_INPUTS>().0.iter().enumerate() {
        blocks.add(index * stride).write(quantise_block(values));
    }
}

/// Adding this to a number below 2^22 leaves the nearest whole number, ties to even, in the low bits.
const ROUNDER: f32 = 12_582_912.0;

/// Loops count, and sums are four side by side: for WebAssembly the compiler leaves `map` and `zip` functions of their own, and makes
/// vectors of nothing else.
#[inline(always)]
fn quantise_block(values: &[f32; BLOCK_INPUTS]) -> ActivationBlock {
    // Bits of magnitudes are in the order of the magnitudes, infinity and NaN above all.
    let mut largest = 0;
    for value in values {
        largest = largest.max(value.to_bits() & 0x7fff_ffff);
    }
    let largest = f32::from_bits(largest);
    // A row that is not finite has no finite results; one that is next to nothing is nothing.
    let (mut scale, mut inverse) = (largest / 127.0, 127.0 / largest);
    if !largest.is_finite() {
        (scale, inverse) = (f32::NAN, 0.0);
    } else if !inverse.is_finite() {
        (scale, inverse) = (0.0, 0.0);
    }
    let mut levels = [0_i32; BLOCK_INPUTS];
    for index in 0..BLOCK_INPUTS {
        let rounded = values[index] * inverse + ROUNDER;
        levels[index] = if inverse == 0.0 { 0 } else { rounded.to_bits() as i32 - ROUNDER.to_bits() as i32 };
    }
    let mut halves = [[0; 4]; 2];
    for (half, sums) in halves.iter_mut().enumerate() {
        for four in levels[half * 16..half * 16 + 16].as_chunks::<4>().0 {
            for lane in 0..4 {
                sums[lane] += four[lane];
            }
        }
    }
    let halves = halves.map(|[a, b, c, d]| a + b + (c + d));
    let total = halves[0] + halves[1];
    let mut bytes = [0; BLOCK_INPUTS];
    for index in 0..BLOCK_INPUTS {
        bytes[index] = levels[index] as i8;
    }
    ActivationBlock {
        levels: bytes,
        scale,
        minus_8: -8 * total,
        minus_128: -128 * total,
        sum: scale * total as f32,
        halves_minus_128: halves.map(|sum| -128 * sum),
        half_sums: halves.map(|sum| scale * sum as f32),
        // SAFETY: a build with these instructions runs only where they are.
        #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
        relaxed: unsafe { RelaxedFacts::of(&bytes) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Isa, testing::numbers};

    #[test]
    fn rows_round_alike_everywhere_and_to_the_nearest() {
        let mut rows = vec![numbers(32 * 50, 3), vec![0.0; 32], vec![1e-42; 32], vec![f32::MAX; 32]];
        rows.push((0..32).map(|index| index as f32 - 16.0).collect());
        for row in rows {
            let expected: Vec<ActivationBlock> = row.as_chunks::<32>().0.iter().map(quantise_block).collect();
            for (block, values) in expected.iter().zip(row.as_chunks::<32>().0) {
                let largest = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                for (level, value) in block.levels.iter().zip(values) {
                    let error = f64::from(*level) * f64::from(block.scale) - f64::from(*value);
                    assert!(error.abs() <= f64::from(largest) / 253.0 + 1e-38, "{value} became {level}");
                }
                assert_eq!(block.minus_8, -8 * block.levels.iter().map(|&level| i32::from(level)).sum::<i32>());
            }
            for isa in Isa::available() {
                let mut blocks = vec![quantise_block(&[0.0; 32]); row.len() / 32];
                // SAFETY: the instruction set is available and there is a block for each 32 activations.
                unsafe { quantise_row(isa)(&row, blocks.as_mut_ptr(), 1) };
                assert_eq!(blocks, expected, "{isa}");
            }
        }
    }

    #[test]
    fn every_block_of_every_row_has_a_place_of_its_own() {
        for (num_rows, group_rows, num_blocks) in [(1, 12, 3), (12, 12, 2), (29, 12, 5), (7, 3, 1)] {
            let groups = RowGroups { num_rows, group_rows, num_blocks };
            let mut places: Vec<usize> = (0..num_rows)
                .flat_map(|row| {
                    let (first, stride) = groups.place(row);
                    (0..num_blocks).map(move |block| first + block * stride)
                })
                .collect();
            places.sort_unstable();
            assert_eq!(places, (0..num_rows * num_blocks).collect::<Vec<usize>>());
        }
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut values = [1.0; 32];
            values[7] = wrong;
            let block = quantise_block(&values);
            assert!(block.scale.is_nan() && block.sum.is_nan() && block.half_sums[1].is_nan());
        }
    }
}
