//! The micro-kernels of bytes, for the instructions that this CPU multiplies them with.

use super::tile::int8_tile;
use crate::{
    quantised::{sums::scalar::ScalarSums, tables::ByteProducts},
    tile::{Tile, TileFn, TileInput, TileTable},
};

/// `table!(kernel; rows => panels, ...)`
macro_rules! table {
    ($kernel:ident; $($rows:literal => $panels:literal),+) => {
        TileTable {
            kernels: &[$(($kernel::<$rows, $panels> as TileFn, $panels)),+],
            tall: None,
            group_rows: [$($rows),+].len(),
            input: TileInput::Int8,
        }
    };
}
/// Defines the instances of the micro-kernel for one way of multiplying bytes.
macro_rules! instance {
    ($name:ident, $sums:ty $(, $features:literal)?) => {
        $(#[target_feature(enable = $features)])?
        unsafe fn $name<const M: usize, const N: usize>(tile: &Tile) {
            int8_tile::<$sums, M, N>(tile);
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    pub(super) use crate::quantised::sums::{avx2::Avx2Sums, avx512::Avx512Sums};
}
#[cfg(target_arch = "x86_64")]
instance!(avx512_vnni, x86::Avx512Sums, "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c");
#[cfg(target_arch = "x86_64")]
instance!(avx_vnni, x86::Avx2Sums<true>, "avx2,avxvnni,fma,f16c");
#[cfg(target_arch = "x86_64")]
instance!(avx2, x86::Avx2Sums<false>, "avx2,fma,f16c");
#[cfg(target_arch = "aarch64")]
instance!(neon, crate::quantised::sums::neon::NeonSums<false>, "neon");
#[cfg(target_arch = "aarch64")]
instance!(neon_dot, crate::quantised::sums::neon::NeonSums<true>, "neon,dotprod");
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,dotprod,i8mm")]
unsafe fn neon_matrix<const M: usize, const N: usize>(tile: &Tile) {
    if M == 1 {
        int8_tile::<crate::quantised::sums::neon::NeonSums<true>, M, N>(tile);
    } else {
        super::neon_matrix::matrix_tile::<M>(tile);
    }
}
#[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
instance!(simd128, crate::quantised::sums::simd128::Simd128Sums<false>, "simd128");
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
instance!(relaxed_simd, crate::quantised::sums::simd128::Simd128Sums<true>, "simd128,relaxed-simd");
instance!(scalar, ScalarSums);

/// Any number of rows of levels, in [tiles](TileInput::Int8Tiles), times all columns of `block`.
///
/// # Safety
/// As [`TileFn`]s, on a CPU with [`has_byte_products`](crate::amx::has_byte_products).
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn byte_tiles(block: &Tile, num_rows: usize) {
    super::amx::multiply(block, num_rows);
}

/// Rows up to which vectors are ahead of tiles, whose rows would be mostly empty.
#[cfg(target_arch = "x86_64")]
const FEW_ROWS: usize = 6;

impl ByteProducts {
    /// The micro-kernels of bytes with a scale for each output, for so many rows.
    pub(crate) fn int8_tiles(self, num_rows: usize) -> TileTable {
        match self {
            #[cfg(target_arch = "x86_64")]
            ByteProducts::Tiles if num_rows > FEW_ROWS => TileTable {
                kernels: &[],
                tall: Some(byte_tiles),
                group_rows: 2 * crate::amx::TILE_ROWS,
                input: TileInput::Int8Tiles,
            },
            // 32 registers of 16 sums: at most 24 of them, four of levels, and activations come from memory.
            #[cfg(target_arch = "x86_64")]
            ByteProducts::Tiles | ByteProducts::Avx512Vnni => {
                table!(avx512_vnni; 1 => 4, 2 => 4, 3 => 4, 4 => 4, 5 => 4, 6 => 4)
            }
            // 16 registers of 8 sums, two for each row and panel.
            #[cfg(target_arch = "x86_64")]
            ByteProducts::AvxVnni => table!(avx_vnni; 1 => 4, 2 => 2, 3 => 1, 4 => 1, 5 => 1),
            #[cfg(target_arch = "x86_64")]
            ByteProducts::Avx2 => table!(avx2; 1 => 2, 2 => 1, 3 => 1, 4 => 1),
            // 32 registers of 4 sums, four for each row and panel.
            #[cfg(target_arch = "aarch64")]
            ByteProducts::NeonMatrix => table!(neon_matrix; 1 => 4, 2 => 1, 3 => 1, 4 => 1),
            #[cfg(target_arch = "aarch64")]
            ByteProducts::NeonDot => table!(neon_dot; 1 => 4, 2 => 2, 3 => 1, 4 => 1, 5 => 1, 6 => 1),
            #[cfg(target_arch = "aarch64")]
            ByteProducts::Neon => table!(neon; 1 => 2, 2 => 1, 3 => 1, 4 => 1),
            #[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
            ByteProducts::RelaxedSimd | ByteProducts::RelaxedWords => table!(relaxed_simd; 1 => 1, 2 => 1),
            #[cfg(all(target_arch = "wasm32", not(feature = "relaxed-simd")))]
            ByteProducts::Simd128 => table!(simd128; 1 => 1, 2 => 1),
            _ => {
                // Other CPUs take rows one way, however many there are.
                let _ = num_rows;
                table!(scalar; 1 => 1, 2 => 1)
            }
        }
    }
}
