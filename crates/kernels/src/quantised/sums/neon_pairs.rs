//! Sums of two rows at once, for Advanced SIMD with the matrix product of bytes: an instruction multiplies eight inputs of two rows
//! with those of two outputs.

use std::arch::{aarch64::*, asm};

use super::neon::NeonSums;

/// Sums of two rows and sixteen outputs: of each two outputs those of the first row, then those of the second.
#[derive(Clone, Copy)]
pub(crate) struct PairSums([int32x4_t; 8]);

/// Levels of eight inputs of sixteen outputs, of two outputs in each register.
pub(crate) type Eights = [int8x16_t; 8];

/// Adds the products of eight inputs. The intrinsic is not stable in the oldest compiler that builds this.
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn matrix_product(sums: int32x4_t, rows: int8x16_t, levels: int8x16_t) -> int32x4_t {
    let mut sums = sums;
    // SAFETY: the instruction reads and writes the registers that it names and nothing else.
    unsafe {
        asm!(
            "smmla {sums:v}.4s, {rows:v}.16b, {levels:v}.16b",
            sums = inout(vreg) sums,
            rows = in(vreg) rows,
            levels = in(vreg) levels,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// Two groups of four inputs, as [`Sums::bytes`](super::Sums::bytes) and its like give them, as eight.
///
/// # Safety
/// The CPU has Advanced SIMD.
#[inline(always)]
pub(crate) unsafe fn eights(low: [int8x16_t; 4], high: [int8x16_t; 4]) -> Eights {
    let mut eights = [vdupq_n_s8(0); 8];
    for (register, (low, high)) in low.into_iter().zip(high).enumerate() {
        let (low, high) = (vreinterpretq_s32_s8(low), vreinterpretq_s32_s8(high));
        eights[2 * register] = vreinterpretq_s8_s32(vzip1q_s32(low, high));
        eights[2 * register + 1] = vreinterpretq_s8_s32(vzip2q_s32(low, high));
    }
    eights
}

impl PairSums {
    /// All sums 0.
    ///
    /// # Safety
    /// As [`eights`].
    #[inline(always)]
    pub(crate) unsafe fn zero() -> PairSums {
        PairSums([vdupq_n_s32(0); 8])
    }

    /// Adds the products of levels and eight activations of each row.
    ///
    /// # Safety
    /// The CPU has the matrix product of bytes; there are so many activations.
    #[inline(always)]
    pub(crate) unsafe fn add(mut self, levels: Eights, [first, second]: [*const i8; 2]) -> PairSums {
        let rows = vcombine_s8(vld1_s8(first), vld1_s8(second));
        for (sums, levels) in self.0.iter_mut().zip(levels) {
            *sums = matrix_product(*sums, rows, levels);
        }
        self
    }

    /// Those of one row, added to `begun`.
    ///
    /// # Safety
    /// As [`eights`].
    #[inline(always)]
    pub(crate) unsafe fn row(self, row: usize, begun: NeonSums<true>) -> NeonSums<true> {
        let mut sums = begun.0;
        for (sum, pairs) in sums.iter_mut().zip(self.0.as_chunks::<2>().0) {
            let [low, high] = [vreinterpretq_s64_s32(pairs[0]), vreinterpretq_s64_s32(pairs[1])];
            let of_row = if row == 0 { vzip1q_s64(low, high) } else { vzip2q_s64(low, high) };
            *sum = vaddq_s32(*sum, vreinterpretq_s32_s64(of_row));
        }
        NeonSums(sums)
    }
}
