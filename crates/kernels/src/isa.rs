//! Instruction sets that the kernels are built for, and which of them this CPU can run. Reads no environment.

use std::{fmt, str::FromStr};

use crate::KernelsError;

/// An instruction set, widest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// The next, AVX-512 VBMI, and Intel's tiles (AMX), which multiply bf16 and bytes sixteen rows at a time. Asked of Linux alone.
    Amx,
    /// AVX-512 F, BW, DQ, VL and BF16: bf16 products by `vdpbf16ps`.
    Avx512Bf16,
    /// AVX-512 F, BW, DQ and VL: bf16 weights are widened to f32.
    Avx512,
    /// AVX2, FMA and F16C.
    Avx2,
    /// The next, with bf16 products by `bfdot` and `bfmmla`.
    NeonBf16,
    /// 64-bit ARM's Advanced SIMD: bf16 weights are widened to f32.
    Neon,
    /// WebAssembly's 128-bit SIMD with relaxed instructions, in builds that have them.
    RelaxedSimd,
    /// The same, with bytes multiplied by instructions that add two products: the same bits, sooner where a CPU has none that adds four.
    RelaxedWords,
    /// WebAssembly's 128-bit SIMD, in builds without relaxed instructions.
    Simd128,
    /// Portable code.
    Scalar,
}

impl Isa {
    /// Every instruction set, widest first.
    pub const ALL: [Isa; 10] = [
        Isa::Amx,
        Isa::Avx512Bf16,
        Isa::Avx512,
        Isa::Avx2,
        Isa::NeonBf16,
        Isa::Neon,
        Isa::RelaxedSimd,
        Isa::RelaxedWords,
        Isa::Simd128,
        Isa::Scalar,
    ];

    /// The best instruction set of this CPU.
    pub fn detect() -> Isa {
        Isa::available().next().unwrap_or(Isa::Scalar)
    }

    /// The instruction sets that this CPU can run, the best first; the last is always [`Isa::Scalar`].
    pub fn available() -> impl Iterator<Item = Isa> {
        let words_are_faster = words_are_faster();
        let best_first = move |isa| match isa {
            Isa::RelaxedSimd if words_are_faster => Isa::RelaxedWords,
            Isa::RelaxedWords if words_are_faster => Isa::RelaxedSimd,
            _ => isa,
        };
        Isa::ALL.into_iter().map(best_first).filter(|isa| isa.is_available())
    }

    /// Reads a name as [`fmt::Display`] writes it, in any case.
    ///
    /// # Errors
    /// [`KernelsError::UnknownIsa`] for any other name.
    pub fn parse(name: &str) -> Result<Isa, KernelsError> {
        let lower = name.to_ascii_lowercase();
        Isa::ALL
            .into_iter()
            .find(|isa| isa.name() == lower)
            .ok_or_else(|| KernelsError::UnknownIsa { name: name.to_owned() })
    }

    /// The name: `amx`, `avx512bf16`, `avx512`, `avx2`, `neonbf16`, `neon`, `relaxed-simd`, `relaxed-words`, `simd128` or
    /// `scalar`.
    pub const fn name(self) -> &'static str {
        match self {
            Isa::Amx => "amx",
            Isa::Avx512Bf16 => "avx512bf16",
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::NeonBf16 => "neonbf16",
            Isa::Neon => "neon",
            Isa::RelaxedSimd => "relaxed-simd",
            Isa::RelaxedWords => "relaxed-words",
            Isa::Simd128 => "simd128",
            Isa::Scalar => "scalar",
        }
    }

    /// Whether this CPU and this build can run it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => {
                Isa::Avx512Bf16.is_available() && is_x86_feature_detected!("avx512vbmi") && crate::amx::is_available()
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => Isa::Avx512.is_available() && is_x86_feature_detected!("avx512bf16"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                Isa::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "aarch64")]
            Isa::NeonBf16 => Isa::Neon.is_available() && std::arch::is_aarch64_feature_detected!("bf16"),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            // A module with an instruction that its engine does not know is refused whole, before it runs.
            Isa::RelaxedSimd | Isa::RelaxedWords => cfg!(all(target_arch = "wasm32", feature = "relaxed-simd")),
            Isa::Simd128 => cfg!(all(target_arch = "wasm32", not(feature = "relaxed-simd"))),
            Isa::Scalar => true,
            _ => false,
        }
    }
}

/// Which of the two ways of relaxed SIMD is the faster one here.
fn words_are_faster() -> bool {
    #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
    return crate::quantised::sums::simd128::relaxed_dot_is_of_pairs();
    #[cfg(not(all(target_arch = "wasm32", feature = "relaxed-simd")))]
    false
}

impl FromStr for Isa {
    type Err = KernelsError;

    fn from_str(name: &str) -> Result<Isa, KernelsError> {
        Isa::parse(name)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
