//! What the CPU can compute: multiply-adds on registers, as many in flight as it can take.

use std::time::Instant;

use crate::{ElementType, Isa, ThreadPool};

/// Independent sums: more than latency times issue width of any CPU in sight.
const SUMS: usize = 12;

/// Operations per second of the widest multiply-add of an instruction set for a type, on all threads of the pool.
pub fn multiply_rate(isa: Isa, pool: &ThreadPool, dtype: ElementType) -> f64 {
    let rounds = 40_000;
    let chunks = 32 * pool.threads();
    let start = Instant::now();
    pool.run(chunks, 1, &|range| {
        for _ in range {
            multiply_add(isa, dtype, rounds);
        }
    });
    (chunks * rounds) as f64 * operations_per_round(isa, dtype) / start.elapsed().as_secs_f64()
}

/// Operations of one round; a multiply-add is two.
fn operations_per_round(isa: Isa, dtype: ElementType) -> f64 {
    let lanes = match (isa, dtype) {
        // Four products of tiles: 16 x 16 sums of 32 products each.
        #[cfg(target_arch = "x86_64")]
        (Isa::Amx, ElementType::Bf16) => return (2 * 4 * 16 * 16 * 32) as f64,
        (Isa::Avx512Bf16, ElementType::Bf16) => 32,
        (Isa::NeonBf16, ElementType::Bf16) | (Isa::Amx | Isa::Avx512Bf16 | Isa::Avx512, _) => 16,
        (Isa::Avx2, _) => 8,
        (Isa::NeonBf16 | Isa::Neon | Isa::RelaxedSimd | Isa::RelaxedWords | Isa::Simd128 | Isa::Scalar, _) => 4,
    };
    (2 * lanes * SUMS) as f64
}

/// Runs `rounds` rounds of the widest multiply-add that the kernels of an instruction set use for a type.
fn multiply_add(isa: Isa, dtype: ElementType, rounds: usize) {
    match (isa, dtype) {
        #[cfg(target_arch = "x86_64")]
        (Isa::Amx, ElementType::Bf16) => {
            // SAFETY: kernels of this instruction set were made, so the CPU has it, and the system gave leave to use it.
            unsafe { x86::bf16_amx(rounds) }
        }
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512Bf16, ElementType::Bf16) => {
            // SAFETY: kernels of this instruction set were made, so the CPU has it.
            unsafe { x86::bf16_avx512(rounds) }
        }
        #[cfg(target_arch = "x86_64")]
        (Isa::Amx | Isa::Avx512Bf16 | Isa::Avx512, _) => {
            // SAFETY: as above.
            unsafe { x86::f32_avx512(rounds) }
        }
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx2, _) => {
            // SAFETY: as above.
            unsafe { x86::f32_avx2(rounds) }
        }
        #[cfg(target_arch = "aarch64")]
        (Isa::NeonBf16, ElementType::Bf16) => {
            // SAFETY: as above.
            unsafe { aarch64::bf16_neon(rounds) }
        }
        _ => portable(rounds),
    }
}

fn portable(rounds: usize) {
    let factor = std::hint::black_box([0.999_f32; 4]);
    let mut sums = [[1.0_f32; 4]; SUMS];
    for _ in 0..rounds {
        for sum in &mut sums {
            for lane in 0..4 {
                sum[lane] = sum[lane] * factor[lane] + factor[lane];
            }
        }
    }
    std::hint::black_box(sums);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::{arch::x86_64::*, hint::black_box};

    use super::SUMS;

    /// Four tiles of sums, as the kernels have. What tiles hold is zeros.
    pub(super) unsafe fn bf16_amx(rounds: usize) {
        #[repr(align(64))]
        struct Configuration([u8; 64]);
        let mut configuration = Configuration([0; 64]);
        configuration.0[0] = 1;
        for tile in 0..8 {
            (configuration.0[16 + 2 * tile], configuration.0[48 + tile]) = (64, 16);
        }
        // SAFETY: reads the configuration; nobody else uses tiles in this thread meanwhile.
        unsafe {
            std::arch::asm!(
                "ldtilecfg [{configuration}]",
                "2:",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "dec {rounds}",
                "jnz 2b",
                "tilerelease",
                configuration = in(reg) &raw const configuration,
                rounds = inout(reg) rounds => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                options(nostack, readonly),
            );
        }
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) fn bf16_avx512(rounds: usize) {
        // SAFETY: both are 64 bytes of which any bits are a value.
        let factor = unsafe { std::mem::transmute::<__m512i, __m512bh>(black_box(_mm512_set1_epi32(0x3c00_3c00))) };
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, factor, factor);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn f32_avx512(rounds: usize) {
        let factor = black_box(_mm512_set1_ps(0.999));
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, factor);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn f32_avx2(rounds: usize) {
        let factor = black_box(_mm256_set1_ps(0.999));
        let mut sums = [_mm256_setzero_ps(); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, factor);
            }
        }
        black_box(sums);
    }
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use std::{arch::aarch64::*, hint::black_box};

    use super::SUMS;
    use crate::neon_bf16::multiply_add;

    #[target_feature(enable = "neon,bf16")]
    pub(super) fn bf16_neon(rounds: usize) {
        let factor = black_box(vdupq_n_u16(0x3c00));
        let mut sums = [vdupq_n_f32(0.0); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = multiply_add(*sum, factor, factor);
            }
        }
        black_box(sums);
    }
}
