//! A few rows times blocks of few bits, by AVX2 alone: products of bytes are added up in 16 bits, as [`avx2_tall`](super::avx2_tall)
//! does with more rows, but of levels as they are stored. Sums of whole numbers are exact, so none differs from the scalar one.

use std::{arch::x86_64::*, hint::black_box};

use super::{
    BLOCK_INPUTS, SUPER_BLOCKS,
    avx2_tall::{GROUPS, Kind, REGISTERS, Whole, begin, four_activations, widen_pairs},
    form::LevelCode,
    levels::{FewBits, Levels},
    regions::Regions,
    rows::ActivationBlock,
    scales::Scales,
};
use crate::{
    finish::finish,
    lanes::{Lanes, avx2::Avx2Lanes},
    prefetch::{AHEAD_BYTES, LINE_BYTES, ask_for_line},
    tile::Tile,
};

/// The micro-kernel for `M` rows and `N` panels.
///
/// # Safety
/// As the other micro-kernels of [`Tile`]s, on a CPU with AVX2, FMA and F16C.
#[inline(always)]
pub(crate) unsafe fn few_rows<V: Levels, C: Scales, const M: usize, const N: usize>(tile: &Tile) {
    let regions = Regions::new(V::CODE, C::CODE, tile.num_inputs);
    let few_bits = V::FEW_BITS.expect("levels of eight bits are multiplied otherwise");
    let num_pairs = Kind::of::<C>(few_bits).together / 2;
    // Of several rows not known to the compiler, which would make one long sequence of the loop and keep little of it in registers.
    let num_pairs = if M == 1 { num_pairs } else { black_box(num_pairs) };
    let mut sums = [[Avx2Lanes::splat(0.0); N]; M];
    for block in 0..tile.num_inputs / BLOCK_INPUTS {
        let x = tile.x.cast::<ActivationBlock>().add(block * M);
        let panels = (0..N).map(|panel| (panel, tile.weights.wrapping_add(panel * tile.panel_bytes)));
        for (panel, of_panel) in panels {
            let levels = of_panel.add(regions.levels + block * V::CODE.block_bytes());
            let of_256 = of_panel.add(block / SUPER_BLOCKS * C::SUPER_BYTES);
            let of_32 = of_panel.add(regions.scales + block * C::BLOCK_BYTES);
            for line in (0..V::CODE.block_bytes()).step_by(LINE_BYTES) {
                ask_for_line(levels.wrapping_add(line + AHEAD_BYTES));
            }
            for part in 0..C::PARTS {
                let whole = add_part::<V, C, M>(x, levels, part, num_pairs);
                let scale = C::scale::<Avx2Lanes>(of_256, of_32, part);
                for (row, whole) in whole.into_iter().enumerate() {
                    let of_x = x.add(row);
                    let sum = &mut sums[row][panel];
                    let whole = Avx2Lanes(_mm256_cvtepi32_ps(whole[0]), _mm256_cvtepi32_ps(whole[1]));
                    *sum = whole.fused_mul_add(scale.mul(Avx2Lanes::splat((*of_x).scale)), *sum);
                    if C::HAS_MIN {
                        let of_x = if C::PARTS == 1 { (*of_x).sum } else { (*of_x).half_sums[part] };
                        *sum = C::min::<Avx2Lanes>(of_256, of_32, part).fused_mul_add(Avx2Lanes::splat(of_x), *sum);
                    }
                }
            }
        }
    }
    finish(tile, sums);
}

/// The sums over a part of a block.
#[inline(always)]
unsafe fn add_part<V: Levels, C: Scales, const M: usize>(
    x: *const ActivationBlock,
    levels: *const u8,
    part: usize,
    num_pairs: usize,
) -> Whole<M> {
    let pair_bytes = V::CODE.block_bytes() / (GROUPS / 2);
    let few_bits = V::FEW_BITS.expect("levels of eight bits are multiplied otherwise");
    let mut whole = begin::<M>(few_bits.zero, x, part);
    let groups = part * GROUPS / C::PARTS..(part + 1) * GROUPS / C::PARTS;
    for first in groups.step_by(Kind::of::<C>(few_bits).together) {
        let mut sums = [[_mm256_setzero_si256(); REGISTERS]; M];
        let of_x = x.cast::<u8>().add(first * 4);
        let levels = levels.add(first / 2 * pair_bytes);
        for pair in 0..num_pairs {
            sums = add_pair::<V, M>(sums, levels.add(pair * pair_bytes), of_x.add(pair * 8), few_bits);
        }
        whole = widen_pairs(whole, sums);
    }
    whole
}

/// Adds the products of two groups.
#[inline(always)]
unsafe fn add_pair<V: Levels, const M: usize>(
    mut sums: Whole<M>,
    levels: *const u8,
    of_x: *const u8,
    few_bits: FewBits,
) -> Whole<M> {
    for group in 0..2 {
        let weights = load::<V>(levels, group, few_bits);
        for (row, sums) in sums.iter_mut().enumerate() {
            let activations = four_activations(of_x.add(group * 4), row);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(weights, activations));
            }
        }
    }
    sums
}

/// The levels of the first or the second group of a pair, as numbers from 0.
#[inline(always)]
unsafe fn load<V: Levels>(levels: *const u8, group: usize, few_bits: FewBits) -> [__m256i; REGISTERS] {
    [0, 1].map(|register| match V::CODE {
        // Bytes are stored as levels + 128.
        LevelCode::Byte => {
            let bytes = _mm256_loadu_si256(levels.add(group * 64 + register * 32).cast());
            _mm256_add_epi8(bytes, _mm256_set1_epi8(few_bits.added.wrapping_sub(-128)))
        }
        LevelCode::Nibble => {
            let pairs = _mm256_loadu_si256(levels.add(register * 32).cast());
            let nibbles = if group == 0 { pairs } else { _mm256_srli_epi16::<4>(pairs) };
            _mm256_and_si256(nibbles, _mm256_set1_epi8(15))
        }
    })
}
