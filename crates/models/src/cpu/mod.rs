//! The fast way: every operation on the kernels of one instruction set, with weights packed once and activations in
//! buffers that go round.

mod activations;
mod backend;
mod matrix;
mod rope_table;

pub use activations::Activations;
pub use backend::CpuBackend;
pub use matrix::CpuMatrix;
pub use rope_table::RopeTable;
