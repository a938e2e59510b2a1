//! Advanced SIMD lanes of 64-bit ARM: four registers.

use std::arch::aarch64::*;

use super::{LANES, Lanes};
use crate::Isa;

/// Sixteen f32 in four 128-bit registers.
#[derive(Clone, Copy)]
pub(crate) struct NeonLanes(pub(crate) [float32x4_t; 4]);

/// The value written once, for each of the four registers; a macro, since a closure has no target features.
macro_rules! each {
    ($index:ident => $value:expr) => {
        NeonLanes([
            {
                let $index = 0_usize;
                $value
            },
            {
                let $index = 1_usize;
                $value
            },
            {
                let $index = 2_usize;
                $value
            },
            {
                let $index = 3_usize;
                $value
            },
        ])
    };
}

/// A 4 x 4 transposition.
#[inline(always)]
unsafe fn transpose_4(rows: [float32x4_t; 4]) -> [float32x4_t; 4] {
    let [a, b, c, d] = rows;
    let (ab_even, ab_odd) = (vreinterpretq_f64_f32(vtrn1q_f32(a, b)), vreinterpretq_f64_f32(vtrn2q_f32(a, b)));
    let (cd_even, cd_odd) = (vreinterpretq_f64_f32(vtrn1q_f32(c, d)), vreinterpretq_f64_f32(vtrn2q_f32(c, d)));
    [
        vreinterpretq_f32_f64(vzip1q_f64(ab_even, cd_even)),
        vreinterpretq_f32_f64(vzip1q_f64(ab_odd, cd_odd)),
        vreinterpretq_f32_f64(vzip2q_f64(ab_even, cd_even)),
        vreinterpretq_f32_f64(vzip2q_f64(ab_odd, cd_odd)),
    ]
}

impl Lanes for NeonLanes {
    const ISA: Isa = Isa::Neon;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        NeonLanes([vdupq_n_f32(value); 4])
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        each!(index => vld1q_f32(source.add(index * 4)))
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        for (index, register) in self.0.into_iter().enumerate() {
            vst1q_f32(target.add(index * 4), register);
        }
    }
    #[inline(always)]
    unsafe fn load_bf16(source: *const u16) -> Self {
        each!(index => vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(source.add(index * 4)))))
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        each!(index => vaddq_f32(self.0[index], other.0[index]))
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        each!(index => vsubq_f32(self.0[index], other.0[index]))
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        each!(index => vmulq_f32(self.0[index], other.0[index]))
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        each!(index => vdivq_f32(self.0[index], other.0[index]))
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        each!(index => {
            vbslq_f32(vcgtq_f32(self.0[index], other.0[index]), self.0[index], other.0[index])
        })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        each!(index => {
            vbslq_f32(vcltq_f32(self.0[index], other.0[index]), self.0[index], other.0[index])
        })
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        each!(index => vfmaq_f32(addend.0[index], self.0[index], factor.0[index]))
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        each!(index => vrndnq_f32(self.0[index]))
    }
    #[inline(always)]
    unsafe fn abs(self) -> Self {
        each!(index => vabsq_f32(self.0[index]))
    }
    #[inline(always)]
    unsafe fn with_sign_of(self, sign: Self) -> Self {
        each!(index => vbslq_f32(vdupq_n_u32(1 << 31), sign.0[index], self.0[index]))
    }
    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        each!(index => {
            let biased = vaddq_s32(vcvtnq_s32_f32(self.0[index]), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased))
        })
    }
    #[inline(always)]
    unsafe fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        each!(index => {
            vbslq_f32(vcltq_f32(self.0[index], limit.0[index]), then.0[index], otherwise.0[index])
        })
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let low = vaddq_f32(self.0[0], self.0[2]);
        let high = vaddq_f32(self.0[1], self.0[3]);
        let four = vaddq_f32(low, high);
        let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
        vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
    }
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        let low = vmaxq_f32(self.0[0], self.0[2]);
        let high = vmaxq_f32(self.0[1], self.0[3]);
        vmaxvq_f32(vmaxq_f32(low, high))
    }
    #[inline(always)]
    unsafe fn split_bf16_pairs(self) -> (Self, Self) {
        let low = each!(index => {
            vreinterpretq_f32_u32(vshlq_n_u32::<16>(vreinterpretq_u32_f32(self.0[index])))
        });
        let high = each!(index => {
            vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(self.0[index]), vdupq_n_u32(0xffff_0000)))
        });
        (low, high)
    }
    #[inline(always)]
    unsafe fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        let mut columns = [Self::splat(0.0); LANES];
        for from in 0..4 {
            for to in 0..4 {
                let block = [
                    rows[to * 4].0[from],
                    rows[to * 4 + 1].0[from],
                    rows[to * 4 + 2].0[from],
                    rows[to * 4 + 3].0[from],
                ];
                for (column, register) in transpose_4(block).into_iter().enumerate() {
                    columns[from * 4 + column].0[to] = register;
                }
            }
        }
        columns
    }
}
