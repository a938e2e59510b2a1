//! The micro-kernels of every form of blocks, for the instructions that this CPU multiplies bytes with.

#[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", feature = "relaxed-simd")))]
use std::ops::Range;

#[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", feature = "relaxed-simd")))]
use super::tall::{self, LiftFn, TallFn, TallForm, TallTile, widen};
#[cfg(target_arch = "x86_64")]
use super::{amx, avx2_few, avx2_tall, form::LevelCode, tile::tall_tile};
use super::{
    form::BlockForm,
    levels::{Bytes, Levels, Nibbles, SmallBytes, Table},
    scales::{Half, HalfMin, Of16, Of16Min, Of32Min, Scales},
    sums::scalar::ScalarSums,
    tile::block_tile,
};
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
use super::{
    simd128_products::{Dots, GROUPS, Kind, Products, Words},
    simd128_row, simd128_tall,
};
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
use crate::lanes::simd128::Simd128Lanes;
#[cfg(target_arch = "x86_64")]
use crate::lanes::{avx2::Avx2Lanes, avx512::Avx512Lanes};
use crate::{
    Isa,
    tile::{Tile, TileFn, TileInput, TileTable},
};
#[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", feature = "relaxed-simd")))]
use crate::{finish::finish_sums, tile::TallTileFn};

/// `blocks!(kernel, levels, scales; rows => panels, ...)`
macro_rules! blocks {
    ($kernel:ident, $levels:ty, $scales:ty; $($rows:literal => $panels:literal),+) => {{
        struct Kernels<V, C>(std::marker::PhantomData<(V, C)>);
        impl<V: Levels, C: Scales> Kernels<V, C> {
            const ALL: &'static [(TileFn, usize)] = &[$(($kernel::<V, C, $rows, $panels> as TileFn, $panels)),+];
        }
        TileTable {
            kernels: Kernels::<$levels, $scales>::ALL,
            tall: None,
            group_rows: [$($rows),+].len(),
            input: TileInput::Blocks,
        }
    }};
}
/// Defines the instances of the micro-kernel for one way of multiplying bytes.
macro_rules! instance {
    ($name:ident, $sums:ty $(, $features:literal)?) => {
        $(#[target_feature(enable = $features)])?
        unsafe fn $name<V: Levels, C: Scales, const M: usize, const N: usize>(tile: &Tile) {
            block_tile::<$sums, V, C, M, N>(tile);
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    pub(super) use super::super::sums::{avx2::Avx2Sums, avx512::Avx512Sums};
}
#[cfg(target_arch = "x86_64")]
instance!(avx512_vnni, x86::Avx512Sums, "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c");
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
unsafe fn tall_avx512_vnni<C: Scales, const M: usize, const N: usize>(tile: &TallTile) {
    tall_tile::<x86::Avx512Sums, C, M, N>(tile);
}
/// Bytes of levels + 128.
#[cfg(target_arch = "x86_64")]
unsafe fn lift_avx512<V: Levels>(stored: *const u8, num_blocks: usize, target: *mut u8) {
    V::lift(stored, num_blocks * V::CODE.block_bytes(), 128, target);
}
#[cfg(target_arch = "x86_64")]
unsafe fn multiply_avx512<V: Levels, C: Scales>(tile: &Tile, num_rows: usize) {
    macro_rules! kernels {
        ($($rows:literal),+) => { &[$(tall_avx512_vnni::<C, $rows, 2> as TallFn),+] };
    }
    let form = TallForm {
        finish: finish_sums::<Avx512Lanes>,
        levels: V::CODE,
        scales: C::CODE,
        kernels: kernels!(1, 2, 3, 4, 5, 6),
        num_panels: 2,
        lift: (V::CODE != LevelCode::Byte).then_some(lift_avx512::<V> as LiftFn),
        widen: None,
        num_steps: 0,
    };
    tall::multiply(tile, num_rows, &form);
}
#[cfg(target_arch = "x86_64")]
instance!(avx_vnni, x86::Avx2Sums<true>, "avx2,avxvnni,fma,f16c");
#[cfg(target_arch = "x86_64")]
instance!(avx2, x86::Avx2Sums<false>, "avx2,fma,f16c");
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn few_avx2<V: Levels, C: Scales, const M: usize, const N: usize>(tile: &Tile) {
    avx2_few::few_rows::<V, C, M, N>(tile);
}
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn tall_avx2<const TOGETHER: usize, const ZERO: i32, const PARTS: usize, const HAS_MIN: bool, const M: usize>(
    tile: &TallTile,
) {
    avx2_tall::tall_tile::<TOGETHER, ZERO, PARTS, HAS_MIN, M>(tile);
}
/// `avx2_kernels!(groups together, zero, parts, mins; rows, ...)`
#[cfg(target_arch = "x86_64")]
macro_rules! avx2_kernels {
    ($($kind:tt),+; $($rows:literal),+) => { avx2_kernels!(@each ($($kind),+) $($rows)+) };
    (@each $kind:tt $($rows:literal)+) => { &[$(avx2_kernels!(@one $kind $rows)),+] as &[TallFn] };
    (@one ($($kind:tt),+) $rows:literal) => { tall_avx2::<$($kind),+, $rows> as TallFn };
}
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn lift_avx2<V: Levels>(stored: *const u8, num_blocks: usize, target: *mut u8) {
    avx2_tall::lift::<V>(stored, num_blocks, target);
}
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn widen_avx2<C: Scales>(of_256: *const u8, of_32: *const u8, blocks: Range<usize>, target: *mut f32) {
    widen::<Avx2Lanes, C>(of_256, of_32, blocks, target);
}
#[cfg(target_arch = "x86_64")]
unsafe fn multiply_avx2<V: Levels, C: Scales>(tile: &Tile, num_rows: usize) {
    let few_bits = V::FEW_BITS.expect("levels of eight bits are multiplied otherwise");
    let kind = avx2_tall::Kind::of::<C>(few_bits);
    let kernels = match (kind.together, kind.zero, kind.parts, kind.has_min) {
        (8, 8, 1, false) => avx2_kernels!(8, 8, 1, false; 1, 2, 3, 4, 5, 6),
        (8, 0, 1, true) => avx2_kernels!(8, 0, 1, true; 1, 2, 3, 4, 5, 6),
        (4, 0, 1, true) => avx2_kernels!(4, 0, 1, true; 1, 2, 3, 4, 5, 6),
        (4, 0, 2, true) => avx2_kernels!(4, 0, 2, true; 1, 2, 3, 4, 5, 6),
        (2, 32, 2, false) => avx2_kernels!(2, 32, 2, false; 1, 2, 3, 4),
        _ => panic!("no form is of this kind; this is a bug"),
    };
    let form = TallForm {
        finish: finish_sums::<Avx2Lanes>,
        levels: V::CODE,
        scales: C::CODE,
        kernels,
        num_panels: 1,
        lift: Some(lift_avx2::<V>),
        widen: Some(widen_avx2::<C>),
        num_steps: kind.num_steps(),
    };
    tall::multiply(tile, num_rows, &form);
}
#[cfg(target_arch = "aarch64")]
instance!(neon, super::sums::neon::NeonSums<false>, "neon");
#[cfg(target_arch = "aarch64")]
instance!(neon_dot, super::sums::neon::NeonSums<true>, "neon,dotprod");
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,dotprod,i8mm")]
unsafe fn neon_matrix<V: Levels, C: Scales, const M: usize, const N: usize>(tile: &Tile) {
    if M == 1 {
        block_tile::<super::sums::neon::NeonSums<true>, V, C, M, N>(tile);
    } else {
        super::neon_matrix::matrix_tile::<V, C, M>(tile);
    }
}
#[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
instance!(simd128, super::sums::simd128::Simd128Sums<false>, "simd128");
/// Defines the instances for one way of summing products by relaxed SIMD.
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
macro_rules! relaxed_instance {
    ($name:ident, $tall:ident, $products:ty) => {
        #[target_feature(enable = "simd128,relaxed-simd")]
        unsafe fn $name<V: Levels, C: Scales, const M: usize, const N: usize>(tile: &Tile) {
            const { assert!(M == 1 && N == 1, "more rows are multiplied otherwise") };
            simd128_row::row_tile::<$products, V, C>(tile);
        }
        unsafe fn $tall<V: Levels, C: Scales>(tile: &Tile, num_rows: usize) {
            let form = TallForm {
                finish: finish_sums::<Simd128Lanes<true>>,
                levels: V::CODE,
                scales: C::CODE,
                kernels: &tall_kernels::<$products>(const { Kind::of::<V, C>() }),
                num_panels: 1,
                lift: simd128_tall::is_lifted::<V>().then_some(lift_relaxed::<V> as LiftFn),
                widen: Some(widen_relaxed::<C>),
                num_steps: GROUPS / C::PARTS,
            };
            tall::multiply(tile, num_rows, &form);
        }
    };
}
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
relaxed_instance!(relaxed_simd, tall_relaxed_simd, Dots);
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
relaxed_instance!(relaxed_words, tall_relaxed_words, Words);

#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
#[target_feature(enable = "simd128,relaxed-simd")]
unsafe fn tall_kernel<P: Products, const SIGNED: bool, const PARTS: usize, const HAS_MIN: bool, const M: usize>(
    tile: &TallTile,
) {
    simd128_tall::tall_tile::<P, SIGNED, PARTS, HAS_MIN, M>(tile);
}

/// Those of a kind, for each number of rows. Forms share them.
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
fn tall_kernels<P: Products>(kind: Kind) -> [TallFn; simd128_tall::ROWS] {
    macro_rules! kernels {
        ($($kind:tt),+) => { [tall_kernel::<P, $($kind),+, 1>, tall_kernel::<P, $($kind),+, 2>] };
    }
    match (kind.is_signed, kind.parts, kind.has_min) {
        (true, 1, false) => kernels!(true, 1, false),
        (true, 1, true) => kernels!(true, 1, true),
        (false, 1, false) => kernels!(false, 1, false),
        (false, 1, true) => kernels!(false, 1, true),
        (false, 2, false) => kernels!(false, 2, false),
        (false, 2, true) => kernels!(false, 2, true),
        _ => panic!("no form has signed levels and scales for 16; this is a bug"),
    }
}

#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
#[target_feature(enable = "simd128,relaxed-simd")]
unsafe fn lift_relaxed<V: Levels>(stored: *const u8, num_blocks: usize, target: *mut u8) {
    simd128_tall::lift::<V>(stored, num_blocks, target);
}
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
#[target_feature(enable = "simd128,relaxed-simd")]
unsafe fn widen_relaxed<C: Scales>(of_256: *const u8, of_32: *const u8, blocks: Range<usize>, target: *mut f32) {
    widen::<Simd128Lanes<true>, C>(of_256, of_32, blocks, target);
}
instance!(scalar, ScalarSums);

/// How bytes are multiplied: an instruction set may have several ways, and CPUs of one set differ. All give the same sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteProducts {
    /// Intel's tiles where there are many rows, otherwise the next.
    Tiles,
    /// AVX-512 VNNI.
    Avx512Vnni,
    /// AVX-VNNI.
    AvxVnni,
    /// AVX2 alone.
    Avx2,
    /// Advanced SIMD.
    Neon,
    /// Advanced SIMD with the instructions of the dot product extension.
    NeonDot,
    /// The same, and with the matrix product of bytes where there are several rows.
    NeonMatrix,
    /// WebAssembly's SIMD with relaxed products, four at once.
    RelaxedSimd,
    /// The same, two at once.
    RelaxedWords,
    /// WebAssembly's SIMD.
    Simd128,
    /// Portable code.
    Scalar,
}

impl ByteProducts {
    /// Every way that this CPU has within an instruction set that it has, the best first.
    pub(crate) fn available(isa: Isa) -> impl Iterator<Item = ByteProducts> {
        use ByteProducts::{
            Avx2, Avx512Vnni, AvxVnni, Neon, NeonDot, NeonMatrix, RelaxedSimd, RelaxedWords, Scalar, Simd128, Tiles,
        };
        let ways: &[ByteProducts] = match isa {
            Isa::Amx => &[Tiles, Avx512Vnni, AvxVnni, Avx2],
            Isa::Avx512Bf16 | Isa::Avx512 => &[Avx512Vnni, AvxVnni, Avx2],
            Isa::Avx2 => &[AvxVnni, Avx2],
            Isa::NeonBf16 | Isa::Neon => &[NeonMatrix, NeonDot, Neon],
            Isa::RelaxedSimd => &[RelaxedSimd],
            Isa::RelaxedWords => &[RelaxedWords],
            Isa::Simd128 => &[Simd128],
            Isa::Scalar => &[Scalar],
        };
        ways.iter().copied().filter(|way| way.is_available())
    }

    /// The best way of an instruction set.
    pub(crate) fn best(isa: Isa) -> ByteProducts {
        ByteProducts::available(isa).next().unwrap_or(ByteProducts::Scalar)
    }

    /// Beyond what the instruction set that it belongs to has.
    fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            ByteProducts::Tiles => crate::amx::has_byte_products() && ByteProducts::Avx512Vnni.is_available(),
            #[cfg(target_arch = "x86_64")]
            ByteProducts::Avx512Vnni => is_x86_feature_detected!("avx512vnni"),
            #[cfg(target_arch = "x86_64")]
            ByteProducts::AvxVnni => is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "aarch64")]
            ByteProducts::NeonDot => std::arch::is_aarch64_feature_detected!("dotprod"),
            #[cfg(target_arch = "aarch64")]
            ByteProducts::NeonMatrix => {
                ByteProducts::NeonDot.is_available() && std::arch::is_aarch64_feature_detected!("i8mm")
            }
            #[cfg(not(target_arch = "x86_64"))]
            ByteProducts::Tiles | ByteProducts::Avx512Vnni | ByteProducts::AvxVnni => false,
            #[cfg(not(target_arch = "aarch64"))]
            ByteProducts::NeonDot | ByteProducts::NeonMatrix => false,
            _ => true,
        }
    }

    /// The micro-kernels of a form.
    pub(crate) fn tiles(self, form: BlockForm) -> TileTable {
        match form {
            BlockForm::Bytes => self.tiles_of::<Bytes, Half>(),
            BlockForm::BytesMin => self.tiles_of::<SmallBytes<0, 31>, HalfMin>(),
            BlockForm::BytesOf16 => self.tiles_of::<SmallBytes<32, 63>, Of16>(),
            BlockForm::BytesOf16Min => self.tiles_of::<SmallBytes<0, 3>, Of16Min>(),
            BlockForm::BytesOf32Min => self.tiles_of::<SmallBytes<0, 31>, Of32Min>(),
            BlockForm::Nibbles => self.tiles_of::<Nibbles<8>, Half>(),
            BlockForm::NibblesMin => self.tiles_of::<Nibbles<0>, HalfMin>(),
            BlockForm::NibblesOf32Min => self.tiles_of::<Nibbles<0>, Of32Min>(),
            BlockForm::Table => self.tiles_of::<Table, Half>(),
            BlockForm::TableOf32 => self.tiles_of::<Table, Of32Min>(),
        }
    }

    fn tiles_of<V: Levels, C: Scales>(self) -> TileTable {
        match self {
            #[cfg(target_arch = "x86_64")]
            ByteProducts::Tiles => {
                let tall = Some(amx::multiply::<V, C> as TallTileFn);
                let by_vectors = ByteProducts::Avx512Vnni.tiles_of::<V, C>();
                TileTable { tall, group_rows: crate::amx::TILE_ROWS, ..by_vectors }
            }
            // 32 registers of 16 sums, two for each row and panel. Two panels share what is loaded of a row.
            #[cfg(target_arch = "x86_64")]
            ByteProducts::Avx512Vnni => {
                let tall = Some(multiply_avx512::<V, C> as TallTileFn);
                TileTable { tall, ..blocks!(avx512_vnni, V, C; 1 => 4, 2 => 4, 3 => 2, 4 => 2, 5 => 2, 6 => 2) }
            }
            // 16 registers of 8 sums, four for each row and panel.
            #[cfg(target_arch = "x86_64")]
            ByteProducts::AvxVnni => blocks!(avx_vnni, V, C; 1 => 2, 2 => 1, 3 => 1),
            #[cfg(target_arch = "x86_64")]
            ByteProducts::Avx2 => match V::FEW_BITS {
                Some(few_bits) => {
                    let tall = Some(multiply_avx2::<V, C> as TallTileFn);
                    let group_rows = avx2_tall::Kind::of::<C>(few_bits).rows();
                    TileTable { tall, group_rows, ..blocks!(few_avx2, V, C; 1 => 2, 2 => 1, 3 => 1, 4 => 1) }
                }
                None => blocks!(avx2, V, C; 1 => 2, 2 => 1, 3 => 1, 4 => 1),
            },
            // 32 registers of 4 sums, eight for each row and panel.
            #[cfg(target_arch = "aarch64")]
            ByteProducts::NeonMatrix => blocks!(neon_matrix, V, C; 1 => 2, 2 => 1, 3 => 1, 4 => 1),
            #[cfg(target_arch = "aarch64")]
            ByteProducts::NeonDot => blocks!(neon_dot, V, C; 1 => 2, 2 => 1, 3 => 1),
            #[cfg(target_arch = "aarch64")]
            ByteProducts::Neon => blocks!(neon, V, C; 1 => 2, 2 => 1, 3 => 1),
            #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
            ByteProducts::RelaxedSimd => {
                let tall = Some(tall_relaxed_simd::<V, C> as TallTileFn);
                let by_rows = blocks!(relaxed_simd, V, C; 1 => 1);
                TileTable { tall, group_rows: simd128_tall::ROWS, ..by_rows }
            }
            #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
            ByteProducts::RelaxedWords => {
                let tall = Some(tall_relaxed_words::<V, C> as TallTileFn);
                let by_rows = blocks!(relaxed_words, V, C; 1 => 1);
                TileTable { tall, group_rows: simd128_tall::ROWS, ..by_rows }
            }
            #[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
            ByteProducts::Simd128 => blocks!(simd128, V, C; 1 => 1, 2 => 1),
            _ => blocks!(scalar, V, C; 1 => 1),
        }
    }
}
