//! One tensor of a checkpoint as it is stored, in a mapped file or in memory of its own.

use std::sync::Arc;

use crate::StoredFormat;

/// A tensor, as it lies in the file: row-major, little-endian, of any alignment; blocks lie along the last
/// dimension.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    /// What they are stored as.
    pub format: StoredFormat,
    /// Sizes, outermost first.
    pub shape: &'a [usize],
    /// As many bytes as `shape.product()` values take.
    pub bytes: &'a [u8],
}

impl TensorView<'_> {
    /// How many values there are.
    pub fn num_values(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A tensor whose bytes are kept at least as long as this.
#[derive(Clone, Debug)]
pub struct StoredTensor<'a> {
    /// What it is stored as.
    pub format: StoredFormat,
    /// Sizes, outermost first.
    pub shape: &'a [usize],
    pub(crate) bytes: StoredBytes<'a>,
}

#[derive(Clone, Debug)]
pub(crate) enum StoredBytes<'a> {
    Lent(&'a [u8]),
    Shared(Arc<Vec<u8>>),
}

impl StoredBytes<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            StoredBytes::Lent(bytes) => bytes,
            StoredBytes::Shared(bytes) => bytes,
        }
    }
}

impl StoredTensor<'_> {
    /// As many bytes as `shape.product()` values take.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// What loading it takes.
    pub fn view(&self) -> TensorView<'_> {
        TensorView { format: self.format, shape: self.shape, bytes: self.bytes() }
    }
}
