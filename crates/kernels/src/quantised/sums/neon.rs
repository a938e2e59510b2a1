//! Advanced SIMD sums: four registers. With the dot product extension an instruction multiplies and adds sixteen bytes;
//! without it products are made in 16 bits, where two of them fit.

use std::arch::{aarch64::*, asm};

use quire_blocks::IQ4_LEVELS;

use super::Sums;
use crate::lanes::neon::NeonLanes;

/// Sixteen sums in four 128-bit registers.
#[derive(Clone, Copy)]
pub(crate) struct NeonSums<const DOT: bool>(pub(crate) [int32x4_t; 4]);

/// Adds four products to each lane. The intrinsic is not stable in the oldest compiler that builds this.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(sums: int32x4_t, levels: int8x16_t, activations: int8x16_t) -> int32x4_t {
    let mut sums = sums;
    // SAFETY: the instruction reads and writes the registers that it names and nothing else.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {levels:v}.16b, {activations:v}.16b",
            sums = inout(vreg) sums,
            levels = in(vreg) levels,
            activations = in(vreg) activations,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// The same by products of 16 bits, of which neighbours are added: at most 2 * 128 * 127.
#[inline(always)]
unsafe fn multiply(sums: int32x4_t, levels: int8x16_t, activations: int8x16_t) -> int32x4_t {
    let low = vmull_s8(vget_low_s8(levels), vget_low_s8(activations));
    let high = vmull_high_s8(levels, activations);
    vpadalq_s16(sums, vpaddq_s16(low, high))
}

#[inline(always)]
unsafe fn load(source: *const u8) -> [uint8x16_t; 4] {
    [vld1q_u8(source), vld1q_u8(source.add(16)), vld1q_u8(source.add(32)), vld1q_u8(source.add(48))]
}

#[inline(always)]
unsafe fn halves(bytes: [uint8x16_t; 4]) -> [[uint8x16_t; 4]; 2] {
    let mask = vdupq_n_u8(15);
    let mut halves = [bytes; 2];
    for (register, byte) in bytes.into_iter().enumerate() {
        halves[0][register] = vandq_u8(byte, mask);
        halves[1][register] = vshrq_n_u8::<4>(byte);
    }
    halves
}

#[inline(always)]
unsafe fn signed(bytes: [uint8x16_t; 4]) -> [int8x16_t; 4] {
    let [a, b, c, d] = bytes;
    [vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b), vreinterpretq_s8_u8(c), vreinterpretq_s8_u8(d)]
}

impl<const DOT: bool> Sums for NeonSums<DOT> {
    type Lanes = NeonLanes;
    type Levels = [int8x16_t; 4];
    const BIASED: bool = false;

    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        NeonSums([vdupq_n_s32(value); 4])
    }
    #[inline(always)]
    unsafe fn bytes(source: *const u8) -> Self::Levels {
        let mut bytes = load(source);
        for byte in &mut bytes {
            *byte = veorq_u8(*byte, vdupq_n_u8(128));
        }
        signed(bytes)
    }
    #[inline(always)]
    unsafe fn nibbles(source: *const u8) -> [Self::Levels; 2] {
        let [low, high] = halves(load(source));
        [signed(low), signed(high)]
    }
    #[inline(always)]
    unsafe fn looked_up(source: *const u8) -> [Self::Levels; 2] {
        let table = vld1q_s8(IQ4_LEVELS.as_ptr());
        let indices = halves(load(source));
        let mut levels = [signed(indices[0]); 2];
        for (levels, indices) in levels.iter_mut().zip(indices) {
            for (level, index) in levels.iter_mut().zip(indices) {
                *level = vqtbl1q_s8(table, index);
            }
        }
        levels
    }
    #[inline(always)]
    unsafe fn add_signed(self, levels: Self::Levels, activations: *const i8) -> Self {
        let activations = vreinterpretq_s8_s32(vdupq_n_s32(activations.cast::<i32>().read_unaligned()));
        let mut sums = self.0;
        for (sums, levels) in sums.iter_mut().zip(levels) {
            *sums = if DOT { dot(*sums, levels, activations) } else { multiply(*sums, levels, activations) };
        }
        NeonSums(sums)
    }
    #[inline(always)]
    unsafe fn add_unsigned(self, levels: Self::Levels, activations: *const i8) -> Self {
        self.add_signed(levels, activations)
    }
    #[inline(always)]
    unsafe fn to_lanes(self) -> NeonLanes {
        let [a, b, c, d] = self.0;
        NeonLanes([vcvtq_f32_s32(a), vcvtq_f32_s32(b), vcvtq_f32_s32(c), vcvtq_f32_s32(d)])
    }
}
