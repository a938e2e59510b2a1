//! Micro-kernels of f32 and bf16 weights, for every instruction set.

#[cfg(target_arch = "aarch64")]
use crate::neon_bf16::bf16_dot_neon;
#[cfg(target_arch = "wasm32")]
use crate::simd128_tall::{self, Stretch, StretchFn};
use crate::{
    Isa,
    finish::{finish, finish_short},
    lanes::{LANES, Lanes},
    prefetch::{AHEAD_BYTES, ask_for_line},
    tile::{Tile, TileFn, TileInput, TileTable},
};

/// `table!(kernel, input; rows => panels, ...)`
macro_rules! table {
    ($kernel:ident, $input:ident; $($rows:literal => $panels:literal),+) => {
        TileTable {
            kernels: &[$(($kernel::<$rows, $panels> as TileFn, $panels)),+],
            tall: None,
            group_rows: [$($rows),+].len(),
            input: TileInput::$input,
        }
    };
}

impl TileTable {
    /// Kernels for f32 weights.
    pub(crate) fn f32(isa: Isa) -> Self {
        match isa {
            // 32 registers of 16 lanes: at most 16 sums, some weights, one activation.
            #[cfg(target_arch = "x86_64")]
            Isa::Amx | Isa::Avx512Bf16 | Isa::Avx512 => {
                table!(f32_avx512, F32; 1 => 4, 2 => 4, 3 => 4, 4 => 4, 5 => 2, 6 => 2, 7 => 2, 8 => 2)
            }
            // 16 registers of 8 lanes: at most 12 sums.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => table!(f32_avx2, F32; 1 => 4, 2 => 2, 3 => 1, 4 => 1, 5 => 1, 6 => 1),
            // 32 registers of 4 lanes: at most 24 sums.
            #[cfg(target_arch = "aarch64")]
            Isa::NeonBf16 | Isa::Neon => table!(f32_neon, F32; 1 => 4, 2 => 2, 3 => 1, 4 => 1, 5 => 1, 6 => 1),
            // 16 registers of 4 lanes on most CPUs below: 8 sums at a time, and what they are made of.
            #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
            Isa::RelaxedSimd | Isa::RelaxedWords => table!(f32_relaxed_simd, F32; 1 => 2, 2 => 1, 3 => 1, 4 => 1),
            #[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
            Isa::Simd128 => table!(f32_simd128, F32; 1 => 2, 2 => 1, 3 => 1, 4 => 1),
            _ => table!(f32_scalar, F32; 1 => 1, 2 => 1),
        }
    }

    /// Kernels for bf16 weights.
    pub(crate) fn bf16(isa: Isa) -> Self {
        match isa {
            // Tiles take any number of rows.
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => TileTable {
                kernels: &[],
                tall: Some(crate::amx::multiply_bf16),
                group_rows: crate::amx::FEW_ROWS,
                input: TileInput::Bf16Tiles,
            },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => {
                table!(bf16_dot_avx512, Bf16; 1 => 4, 2 => 4, 3 => 4, 4 => 4, 5 => 2, 6 => 2, 7 => 2, 8 => 2)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                table!(bf16_avx512, F32; 1 => 4, 2 => 4, 3 => 2, 4 => 2, 5 => 2, 6 => 2, 7 => 2, 8 => 2)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => table!(bf16_avx2, F32; 1 => 4, 2 => 2, 3 => 1, 4 => 1, 5 => 1),
            // At most 24 sums, and a row or two of activations in a register each.
            #[cfg(target_arch = "aarch64")]
            Isa::NeonBf16 => table!(bf16_dot_neon, Bf16; 1 => 4, 2 => 2, 3 => 2, 4 => 1, 5 => 1, 6 => 1),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => table!(bf16_neon, F32; 1 => 4, 2 => 2, 3 => 1, 4 => 1, 5 => 1),
            #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
            // Twelve sums, two registers of weights and an activation: eight sums wait for each other.
            Isa::RelaxedSimd | Isa::RelaxedWords => TileTable {
                tall: Some(bf16_tall_relaxed_simd),
                group_rows: simd128_tall::ROWS,
                ..table!(bf16_relaxed_simd, F32; 1 => 2, 2 => 1, 3 => 1, 4 => 1, 5 => 1, 6 => 1)
            },
            #[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
            Isa::Simd128 => {
                TileTable { tall: Some(bf16_tall_simd128), ..table!(bf16_simd128, F32; 1 => 2, 2 => 1, 3 => 1, 4 => 1) }
            }
            _ => table!(bf16_scalar, F32; 1 => 1, 2 => 1),
        }
    }
}

/// Defines the instances of a micro-kernel for one instruction set.
macro_rules! instance {
    ($name:ident, $body:ident, $lanes:ty $(, $features:literal)?) => {
        $(#[target_feature(enable = $features)])?
        unsafe fn $name<const M: usize, const N: usize>(tile: &Tile) {
            $body::<$lanes, M, N>(tile);
        }
    };
}

/// The same of `simd128_tile`.
#[cfg(target_arch = "wasm32")]
macro_rules! wasm_instance {
    ($name:ident, $body:ident, $relaxed:literal, $features:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name<const M: usize, const N: usize>(tile: &Tile) {
            crate::simd128_tile::$body::<$relaxed, M, N>(tile);
        }
    };
}

/// The same of `simd128_tall`.
#[cfg(target_arch = "wasm32")]
macro_rules! wasm_tall_instance {
    ($name:ident, $stretch:ident, $relaxed:literal, $features:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name(tile: &Tile, num_rows: usize) {
            let kernels = [$stretch::<1>, $stretch::<2>, $stretch::<3>, $stretch::<4>] as [StretchFn; _];
            simd128_tall::multiply::<$relaxed>(tile, num_rows, kernels);
        }
        #[target_feature(enable = $features)]
        unsafe fn $stretch<const M: usize>(stretch: &Stretch) {
            simd128_tall::stretch_tile::<$relaxed, M>(stretch);
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    pub(super) use crate::lanes::{avx2::Avx2Lanes, avx512::Avx512Lanes};
}
#[cfg(target_arch = "x86_64")]
instance!(f32_avx512, f32_tile, x86::Avx512Lanes, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
#[cfg(target_arch = "x86_64")]
instance!(bf16_avx512, bf16_tile, x86::Avx512Lanes, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
#[cfg(target_arch = "x86_64")]
instance!(f32_avx2, f32_tile, x86::Avx2Lanes, "avx2,fma,f16c");
#[cfg(target_arch = "x86_64")]
instance!(bf16_avx2, bf16_tile, x86::Avx2Lanes, "avx2,fma,f16c");
#[cfg(target_arch = "aarch64")]
instance!(f32_neon, f32_tile, crate::lanes::neon::NeonLanes, "neon");
#[cfg(target_arch = "aarch64")]
instance!(bf16_neon, bf16_tile, crate::lanes::neon::NeonLanes, "neon");
#[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
wasm_instance!(f32_simd128, f32_tile, false, "simd128");
#[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
wasm_instance!(bf16_simd128, bf16_tile, false, "simd128");
#[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
wasm_tall_instance!(bf16_tall_simd128, stretch_simd128, false, "simd128");
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
wasm_instance!(f32_relaxed_simd, f32_tile, true, "simd128,relaxed-simd");
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
wasm_instance!(bf16_relaxed_simd, bf16_tile, true, "simd128,relaxed-simd");
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
wasm_tall_instance!(bf16_tall_relaxed_simd, stretch_relaxed_simd, true, "simd128,relaxed-simd");
instance!(f32_scalar, f32_tile, crate::lanes::scalar::ScalarLanes);
instance!(bf16_scalar, bf16_tile, crate::lanes::scalar::ScalarLanes);

/// f32 weights: panels are [inputs][16].
#[inline(always)]
unsafe fn f32_tile<L: Lanes, const M: usize, const N: usize>(tile: &Tile) {
    let mut sums = [[L::splat(0.0); N]; M];
    for input in 0..tile.num_inputs {
        let mut weights = [L::splat(0.0); N];
        for (panel, weights) in weights.iter_mut().enumerate() {
            let start = tile.weights.add(panel * tile.panel_bytes).cast::<f32>().add(input * LANES);
            ask_for_line(start.cast::<u8>().wrapping_add(AHEAD_BYTES));
            *weights = L::load(start);
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let x = L::splat(*tile.x.add(row * tile.x_stride_bytes).cast::<f32>().add(input));
            for panel in 0..N {
                sums[panel] = x.mul_add(weights[panel], sums[panel]);
            }
        }
    }
    finish_short(tile, sums);
}

/// bf16 weights widened: panels are [inputs / 2][16][2], activations f32.
#[inline(always)]
unsafe fn bf16_tile<L: Lanes, const M: usize, const N: usize>(tile: &Tile) {
    let mut sums = [[L::splat(0.0); N]; M];
    for pair in 0..tile.num_inputs.div_ceil(2) {
        let mut weights = [(L::splat(0.0), L::splat(0.0)); N];
        for (panel, weights) in weights.iter_mut().enumerate() {
            let start = tile.weights.add(panel * tile.panel_bytes).cast::<u16>().add(pair * 2 * LANES);
            ask_for_line(start.cast::<u8>().wrapping_add(AHEAD_BYTES));
            *weights = L::load_bf16_pairs(start);
        }
        // The last pair of an odd number of inputs has only its first half; its second has no activation to read.
        let has_second = pair * 2 + 1 < tile.num_inputs;
        for (row, sums) in sums.iter_mut().enumerate() {
            let x = tile.x.add(row * tile.x_stride_bytes).cast::<f32>().add(pair * 2);
            let first = L::splat(*x);
            for panel in 0..N {
                sums[panel] = first.mul_add(weights[panel].0, sums[panel]);
            }
            if has_second {
                let second = L::splat(*x.add(1));
                for panel in 0..N {
                    sums[panel] = second.mul_add(weights[panel].1, sums[panel]);
                }
            }
        }
    }
    finish(tile, sums);
}

/// bf16 weights and activations: `vdpbf16ps` adds the products of a pair to its f32 sum.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
unsafe fn bf16_dot_avx512<const M: usize, const N: usize>(tile: &Tile) {
    use std::arch::x86_64::*;
    use std::mem::transmute;

    let mut sums = [[_mm512_setzero_ps(); N]; M];
    for pair in 0..tile.num_inputs.div_ceil(2) {
        let mut weights = [_mm512_setzero_si512(); N];
        for (panel, weights) in weights.iter_mut().enumerate() {
            let start = tile.weights.add(panel * tile.panel_bytes + pair * 64);
            ask_for_line(start.wrapping_add(AHEAD_BYTES));
            *weights = _mm512_loadu_si512(start.cast());
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let x = tile.x.add(row * tile.x_stride_bytes).cast::<i32>().add(pair).read_unaligned();
            let x = transmute::<__m512i, __m512bh>(_mm512_set1_epi32(x));
            for panel in 0..N {
                let weights = transmute::<__m512i, __m512bh>(weights[panel]);
                sums[panel] = _mm512_dpbf16_ps(sums[panel], x, weights);
            }
        }
    }
    let mut lanes = [[x86::Avx512Lanes(_mm512_setzero_ps()); N]; M];
    for row in 0..M {
        for panel in 0..N {
            lanes[row][panel] = x86::Avx512Lanes(sums[row][panel]);
        }
    }
    finish(tile, lanes);
}
