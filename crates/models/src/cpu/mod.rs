//! The fast way: every operation on the kernels of one instruction set, with weights packed once and activations in
//! buffers that go round.

mod activations;
mod backend;
#[cfg(not(target_family = "wasm"))]
mod kept_panels;
mod matrix;
mod rope_table;

pub use activations::Activations;
pub use backend::CpuBackend;
#[cfg(not(target_family = "wasm"))]
pub use kept_panels::{KeptPanels, LoadedPanels};
pub use matrix::CpuMatrix;
pub use rope_table::RopeTable;
