//! What the CPU can compute with bytes: multiply-adds on registers, as many in flight as it can take.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use quire_blocks::BlockFormat;

#[cfg(target_arch = "x86_64")]
use crate::quantised::tables::ByteProducts;
use crate::{Isa, ThreadPool};

/// Independent sums: more than latency times issue width of any CPU in sight.
const SUMS: usize = 12;

/// Operations per second of the widest multiply-add of vectors of bytes that an instruction set has, on all threads of the pool.
pub fn byte_multiply_rate(isa: Isa, pool: &ThreadPool) -> f64 {
    rate_of(pool, |rounds| multiply_add_bytes(isa, rounds))
}

/// The same for levels of a format: those of few bits need no sums of 32 bits where products of bytes are added to 16.
pub fn block_multiply_rate(isa: Isa, pool: &ThreadPool, format: BlockFormat) -> f64 {
    let has_eight_bits = matches!(format, BlockFormat::Q8_0 | BlockFormat::IQ4_NL | BlockFormat::IQ4_XS);
    #[cfg(target_arch = "x86_64")]
    if !has_eight_bits && ByteProducts::best(isa) == ByteProducts::Avx2 {
        return rate_of(pool, |rounds| {
            // SAFETY: the CPU has the instructions.
            unsafe { x86::few_bits_avx2(rounds) };
            2 * 32 * SUMS * rounds
        });
    }
    let _ = has_eight_bits;
    byte_multiply_rate(isa, pool)
}

/// The same of tiles, where there are any.
pub fn widest_byte_multiply_rate(isa: Isa, pool: &ThreadPool) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Amx && isa.is_available() && crate::amx::has_byte_products() {
        return rate_of(pool, |rounds| {
            // SAFETY: the CPU multiplies bytes with tiles, and the system gave leave to use them.
            unsafe { x86::bytes_amx(rounds) };
            2 * 4 * 16 * 16 * 64 * rounds
        });
    }
    byte_multiply_rate(isa, pool)
}

/// Operations per second of what gives the operations of so many rounds.
fn rate_of(pool: &ThreadPool, multiply_add: impl Fn(usize) -> usize + Sync) -> f64 {
    let rounds = 40_000;
    let chunks = 32 * pool.threads();
    let start = Instant::now();
    let operations = AtomicUsize::new(0);
    pool.run(chunks, 1, &|range| {
        for _ in range {
            operations.fetch_add(multiply_add(rounds), Ordering::Relaxed);
        }
    });
    operations.into_inner() as f64 / start.elapsed().as_secs_f64()
}

/// Runs `rounds` rounds and gives their operations. A multiply-add is two.
fn multiply_add_bytes(isa: Isa, rounds: usize) -> usize {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Amx | Isa::Avx512Bf16 | Isa::Avx512 if is_x86_feature_detected!("avx512vnni") => {
            // SAFETY: the feature is there, and the others belong to the instruction set of the kernels.
            unsafe { x86::bytes_avx512(rounds) };
            2 * 64 * SUMS * rounds
        }
        #[cfg(target_arch = "x86_64")]
        Isa::Amx | Isa::Avx512Bf16 | Isa::Avx512 | Isa::Avx2 => {
            // SAFETY: kernels of this instruction set were made, so the CPU has it.
            unsafe { x86::bytes_avx2(rounds) };
            2 * 32 * SUMS * rounds
        }
        _ => {
            portable_bytes(rounds);
            2 * 16 * SUMS * rounds
        }
    }
}

fn portable_bytes(rounds: usize) {
    let factor = std::hint::black_box([3_i8; 16]);
    let mut sums = [[1_i32; 16]; SUMS];
    for _ in 0..rounds {
        for sum in &mut sums {
            for lane in 0..16 {
                sum[lane] += i32::from(factor[lane]) * i32::from(factor[lane] ^ sum[lane] as i8);
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
    pub(super) unsafe fn bytes_amx(rounds: usize) {
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
                "tdpbsud tmm0, tmm4, tmm6",
                "tdpbsud tmm1, tmm4, tmm7",
                "tdpbsud tmm2, tmm5, tmm6",
                "tdpbsud tmm3, tmm5, tmm7",
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

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn bytes_avx512(rounds: usize) {
        let factor = black_box(_mm512_set1_epi8(3));
        let mut sums = [_mm512_setzero_si512(); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, factor, factor);
            }
        }
        black_box(sums);
    }

    /// A loop of nothing but what one sum takes, for each of [`SUMS`]: the lines multiply `ymm12` with `ymm13` and add to `ymm\sum`.
    macro_rules! loop_of_sums {
        ($rounds:ident, $($line:literal),+) => {
            std::arch::asm!(
                "2:",
                ".irp sum, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
                $($line,)+
                ".endr",
                "dec {rounds}",
                "jnz 2b",
                rounds = inout(reg) $rounds => _,
                out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _, out("ymm5") _,
                out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
                in("ymm12") _mm256_set1_epi8(3), in("ymm13") _mm256_set1_epi8(3), out("ymm14") _,
                in("ymm15") _mm256_set1_epi16(1),
                options(nostack, nomem),
            )
        };
    }

    /// As the kernels do without VNNI where levels have few bits.
    #[target_feature(enable = "avx2")]
    pub(super) fn few_bits_avx2(rounds: usize) {
        // SAFETY: computes with registers alone.
        unsafe { loop_of_sums!(rounds, "vpmaddubsw ymm14, ymm12, ymm13", "vpaddw ymm\\sum, ymm\\sum, ymm14") };
    }

    /// As the kernels do without VNNI.
    #[target_feature(enable = "avx2")]
    pub(super) fn bytes_avx2(rounds: usize) {
        // SAFETY: computes with registers alone.
        unsafe {
            loop_of_sums!(
                rounds,
                "vpmaddubsw ymm14, ymm12, ymm13",
                "vpmaddwd ymm14, ymm14, ymm15",
                "vpaddd ymm\\sum, ymm\\sum, ymm14"
            );
        };
    }
}
