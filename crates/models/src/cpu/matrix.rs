//! A packed matrix, and where its inputs are recorded, if anywhere.

#[cfg(not(target_family = "wasm"))]
use std::sync::Arc;

use quire_kernels::PackedMatrix;

#[cfg(not(target_family = "wasm"))]
use crate::importance::RecordedInput;

/// A weight matrix in panels.
#[derive(Debug)]
pub struct CpuMatrix {
    pub(super) packed: PackedMatrix,
    #[cfg(not(target_family = "wasm"))]
    pub(super) recorded: Option<Arc<RecordedInput>>,
}
