//! The macro that builds a kernel, written once over [`Lanes`](crate::lanes::Lanes), for every instruction set.

/// `per_isa!(name = body[generics](argument: Type, ...) -> Result);` defines `fn name(isa) -> unsafe fn(Type, ...)`:
/// the instance of `body::<SomeLanes, generics>` for an instruction set, inside a function with its target features.
macro_rules! per_isa {
    ($(#[$meta:meta])* $name:ident = $body:ident [$($generic:tt)*] ($($argument:ident : $type:ty),* $(,)?) $(-> $result:ty)?) => {
        $(#[$meta])*
        pub(crate) fn $name(isa: crate::Isa) -> unsafe fn($($type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            unsafe fn avx512($($argument: $type),*) $(-> $result)? {
                $body::<crate::lanes::avx512::Avx512Lanes, $($generic)*>($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn avx2($($argument: $type),*) $(-> $result)? {
                $body::<crate::lanes::avx2::Avx2Lanes, $($generic)*>($($argument),*)
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon")]
            unsafe fn neon($($argument: $type),*) $(-> $result)? {
                $body::<crate::lanes::neon::NeonLanes, $($generic)*>($($argument),*)
            }
            #[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
            #[target_feature(enable = "simd128")]
            unsafe fn simd128($($argument: $type),*) $(-> $result)? {
                $body::<crate::lanes::simd128::Simd128Lanes<false>, $($generic)*>($($argument),*)
            }
            #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
            #[target_feature(enable = "simd128,relaxed-simd")]
            unsafe fn relaxed_simd($($argument: $type),*) $(-> $result)? {
                $body::<crate::lanes::simd128::Simd128Lanes<true>, $($generic)*>($($argument),*)
            }
            unsafe fn scalar($($argument: $type),*) $(-> $result)? {
                $body::<crate::lanes::scalar::ScalarLanes, $($generic)*>($($argument),*)
            }
            match isa {
                #[cfg(target_arch = "x86_64")]
                crate::Isa::Amx | crate::Isa::Avx512Bf16 | crate::Isa::Avx512 => avx512,
                #[cfg(target_arch = "x86_64")]
                crate::Isa::Avx2 => avx2,
                #[cfg(target_arch = "aarch64")]
                crate::Isa::NeonBf16 | crate::Isa::Neon => neon,
                #[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
                crate::Isa::Simd128 => simd128,
                #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
                crate::Isa::RelaxedSimd | crate::Isa::RelaxedWords => relaxed_simd,
                _ => scalar,
            }
        }
    };
}

pub(crate) use per_isa;
