//! CPU kernels, their thread pool and aligned memory: the room where unsafe lives. Knows rows of numbers and paged
//! caches; knows no model, no request and no file.
//!
//! A [`Kernels`] is a table of functions for one instruction set, chosen at run time. Each kernel is written once over
//! sixteen f32 [`lanes`] and built per instruction set inside a function with its target features; the scalar build is
//! the twin that tests compare the others with. Work is shared out over a [`ThreadPool`] by outputs, never by parts of
//! a sum, so results do not depend on threads, batch or chunking.
#![expect(
    unsafe_code,
    reason = "vector instructions, memory shared by threads and huge pages have no safe form; every public function \
              checks sizes and is safe"
)]
#![expect(
    unsafe_op_in_unsafe_fn,
    reason = "kernels are unsafe functions made of intrinsics and pointer arithmetic; their one contract (the \
              instruction set is there, pointers are good for the sizes given) is stated where they are called"
)]

mod activation;
mod aligned_buffer;
#[cfg(target_arch = "x86_64")]
mod amx;
mod arena;
mod block_maxima;
mod cache_type;
mod columns;
mod disjoint;
mod element_panels;
mod element_tiles;
mod element_type;
mod elementwise;
mod embedding;
mod error;
mod finish;
mod float8;
mod head_layout;
#[cfg(any(test, target_arch = "wasm32"))]
mod idle_pages;
mod int8;
mod isa;
mod kernels;
mod kv_cache;
mod lanes;
#[cfg(any(target_arch = "x86_64", target_arch = "wasm32"))]
mod lines;
mod math;
mod matmul;
mod matrix_source;
mod narrow;
#[cfg(target_arch = "aarch64")]
mod neon_bf16;
mod norm;
mod packed_matrix;
mod paged_attention;
mod panel_memory;
mod per_isa;
mod prefetch;
#[cfg(not(target_family = "wasm"))]
pub mod probes;
mod product_work;
mod quantised;
mod reduce;
mod rope;
mod rows;
mod shared_buffer;
#[cfg(target_arch = "wasm32")]
mod simd128_tall;
#[cfg(target_arch = "wasm32")]
mod simd128_tile;
#[cfg(test)]
mod testing;
mod thread_pool;
mod threads;
mod tile;
#[cfg(target_arch = "wasm32")]
mod untouched_pages;

pub use activation::Activation;
pub use aligned_buffer::{AlignedBuffer, Element};
pub use block_maxima::block_maxima;
pub use cache_type::CacheType;
pub use columns::{Columns, join_columns};
pub use element_type::ElementType;
pub use error::KernelsError;
pub use head_layout::HeadLayout;
pub use isa::Isa;
pub use kernels::Kernels;
pub use kv_cache::{KvLayout, WriteKv};
pub use matmul::Matmul;
pub use matrix_source::{MatrixOrder, MatrixSource, WeightFormat};
pub use norm::{LayerNorm, RmsNorm};
pub use packed_matrix::{PANEL_OUTPUTS, PANEL_VERSION, PackedMatrix};
pub use paged_attention::PagedAttention;
pub use panel_memory::PanelMemory;
pub use product_work::ProductWork;
pub use rope::Rope;
pub use shared_buffer::SharedBuffer;
pub use thread_pool::ThreadPool;
#[cfg(target_family = "wasm")]
pub use threads::{lend_thread, thread_failed};
pub use tile::Epilogue;
