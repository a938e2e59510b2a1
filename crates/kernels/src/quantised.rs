//! Products with weights in blocks: small whole numbers with a scale for every few of them, multiplied with activations that
//! are rounded to bytes, 32 at a time.
//!
//! Sums within a block are whole numbers and exact, blocks are added in ascending order with one rounding each, so every
//! instruction set gives the same bits, and every number of rows too. Knows [`BlockFormat`](quire_blocks::BlockFormat)s and
//! panels; knows no threads.

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2_few;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2_tall;
pub(crate) mod form;
pub(crate) mod levels;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon_matrix;
pub(crate) mod panels;
pub(crate) mod regions;
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
pub(crate) mod relaxed_facts;
pub(crate) mod rows;
pub(crate) mod scales;
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
pub(crate) mod simd128_products;
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
pub(crate) mod simd128_row;
#[cfg(all(target_arch = "wasm32", feature = "relaxed-simd"))]
pub(crate) mod simd128_tall;
pub(crate) mod sums;
pub(crate) mod tables;
#[cfg(any(target_arch = "x86_64", all(target_arch = "wasm32", feature = "relaxed-simd")))]
pub(crate) mod tall;
#[cfg(test)]
mod tests;
pub(crate) mod tile;

/// Inputs of one block: they share a scale of the activations.
pub(crate) const BLOCK_INPUTS: usize = 32;

/// Blocks whose weights share what the K formats call a super-block.
pub(crate) const SUPER_BLOCKS: usize = 8;
