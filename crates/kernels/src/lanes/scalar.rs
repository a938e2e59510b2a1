//! Portable lanes: plain arrays that any compiler can build, and the twin that the others are compared with. What takes many instructions is
//! called: few CPUs have nothing better, and every install has this code.

use super::{LANES, Lanes};
use crate::Isa;

/// Sixteen f32 in an array.
#[derive(Clone, Copy)]
pub(crate) struct ScalarLanes([f32; LANES]);

impl ScalarLanes {
    #[inline(always)]
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        ScalarLanes(std::array::from_fn(|lane| f(self.0[lane])))
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        ScalarLanes(std::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
    }

    #[inline(always)]
    fn fold_halves(self, f: impl Fn(f32, f32) -> f32) -> f32 {
        let mut lanes = self.0;
        let mut half = LANES / 2;
        while half > 0 {
            for lane in 0..half {
                lanes[lane] = f(lanes[lane], lanes[lane + half]);
            }
            half /= 2;
        }
        lanes[0]
    }
}

#[inline(always)]
fn widen(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

impl Lanes for ScalarLanes {
    const ISA: Isa = Isa::Scalar;
    const IN_REGISTERS: bool = false;
    const SUMS: usize = 1;
    const SUM_ROWS: usize = 1;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        ScalarLanes([value; LANES])
    }
    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        ScalarLanes(source.cast::<[f32; LANES]>().read_unaligned())
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        target.cast::<[f32; LANES]>().write_unaligned(self.0);
    }
    #[inline(always)]
    unsafe fn load_bf16(source: *const u16) -> Self {
        let bits = source.cast::<[u16; LANES]>().read_unaligned();
        ScalarLanes(bits.map(widen))
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // f32::mul_add is a library call where the CPU has no such instruction.
        ScalarLanes(std::array::from_fn(|lane| self.0[lane] * factor.0[lane] + addend.0[lane]))
    }
    #[cfg(not(target_family = "wasm"))]
    #[inline(never)]
    unsafe fn fused_mul_add(self, factor: Self, addend: Self) -> Self {
        ScalarLanes(std::array::from_fn(|lane| self.0[lane].mul_add(factor.0[lane], addend.0[lane])))
    }
    #[inline(never)]
    unsafe fn round(self) -> Self {
        self.map(f32::round_ties_even)
    }
    #[inline(always)]
    unsafe fn abs(self) -> Self {
        self.map(f32::abs)
    }
    #[inline(never)]
    unsafe fn with_sign_of(self, sign: Self) -> Self {
        self.zip(sign, f32::copysign)
    }
    #[inline(never)]
    unsafe fn power_of_two(self) -> Self {
        self.map(|exponent| f32::from_bits(((exponent as i32 + 127) as u32) << 23))
    }
    #[inline(never)]
    unsafe fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        ScalarLanes(std::array::from_fn(
            |lane| {
                if self.0[lane] < limit.0[lane] { then.0[lane] } else { otherwise.0[lane] }
            },
        ))
    }
    #[inline(never)]
    unsafe fn sum(self) -> f32 {
        self.fold_halves(|a, b| a + b)
    }
    #[inline(never)]
    unsafe fn largest(self) -> f32 {
        self.fold_halves(|a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn split_bf16_pairs(self) -> (Self, Self) {
        let low = self.0.map(|pair| f32::from_bits(pair.to_bits() << 16));
        (ScalarLanes(low), ScalarLanes(self.0.map(|pair| f32::from_bits(pair.to_bits() & 0xffff_0000))))
    }
    #[inline(never)]
    unsafe fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        std::array::from_fn(|column| ScalarLanes(std::array::from_fn(|row| rows[row].0[column])))
    }
}
