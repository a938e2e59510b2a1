//! Names of the CPU features that the kernels choose by, for people who ask what was found.

/// The features that this CPU has, of those that the kernels look at.
pub fn cpu_features() -> Vec<&'static str> {
    let mut found = Vec::new();
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    macro_rules! look {
        ($detected:ident: $($feature:tt),+) => { $(if std::arch::$detected!($feature) { found.push($feature); })+ };
    }
    #[cfg(target_arch = "x86_64")]
    look!(is_x86_feature_detected: "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512bf16", "avx512vnni", "avxvnni");
    #[cfg(target_arch = "aarch64")]
    look!(is_aarch64_feature_detected: "neon", "bf16", "i8mm", "dotprod");
    // What a module uses was decided when it was built.
    #[cfg(target_family = "wasm")]
    found.extend(if cfg!(feature = "relaxed-simd") { vec!["simd128", "relaxed-simd"] } else { vec!["simd128"] });
    found
}
