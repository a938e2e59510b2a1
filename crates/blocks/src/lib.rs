//! Block formats of quantised weights: what a block of bytes means, and how values become one. The formats are ggml's, as
//! GGUF files store them. Knows no file, no tensor and no kernel.
#![forbid(unsafe_code)]

mod block_format;
mod dequantise;
mod k_blocks;
mod level_tables;
mod plain_blocks;
mod quantise;
mod quantise_q4_0;
mod quantise_q4_k;
mod quantise_q6_k;
mod six_bit_scales;
mod tried_scales;
mod unpack;

pub use block_format::BlockFormat;
pub use dequantise::dequantise;
pub use level_tables::IQ4_LEVELS;
pub use quantise::{QUANTISED_FORMATS, WEIGHTED_FORMATS, quantise, quantise_weighted};
pub use six_bit_scales::{q3_k_scales, q4_k_scales};
pub use unpack::{UnpackedBlock, unpack};
