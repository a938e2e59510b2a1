//! One tensor of a checkpoint as it is stored, in a mapped file or in memory of its own.

use std::sync::Arc;

use crate::DType;

/// A tensor, as it lies in the file: row-major, little-endian, of any alignment.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    /// The format of each element.
    pub dtype: DType,
    /// Sizes, outermost first.
    pub shape: &'a [usize],
    /// `shape.product() * dtype.size_bytes()` bytes.
    pub bytes: &'a [u8],
}

/// A tensor whose bytes are kept at least as long as this.
#[derive(Clone, Debug)]
pub struct StoredTensor<'a> {
    /// The format of each element.
    pub dtype: DType,
    /// Sizes, outermost first.
    pub shape: &'a [usize],
    pub(crate) bytes: StoredBytes<'a>,
}

#[derive(Clone, Debug)]
pub(crate) enum StoredBytes<'a> {
    Lent(&'a [u8]),
    Shared(Arc<Vec<u8>>),
}

impl StoredTensor<'_> {
    /// `shape.product() * dtype.size_bytes()` bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            StoredBytes::Lent(bytes) => bytes,
            StoredBytes::Shared(bytes) => bytes,
        }
    }

    /// What loading it takes.
    pub fn view(&self) -> TensorView<'_> {
        TensorView { dtype: self.dtype, shape: self.shape, bytes: self.bytes() }
    }
}
