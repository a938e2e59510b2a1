//! Activation buffers that go back to a shelf when dropped, so that a warmed-up step allocates nothing.

use std::sync::{Arc, Mutex, PoisonError};

use quire_kernels::{AlignedBuffer, KernelsError};

/// The buffers that nobody uses now.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    idle: Arc<Mutex<Vec<AlignedBuffer>>>,
}

impl Shelf {
    /// Activations `[rows, features]` of whatever content was left there: every element is to be written.
    pub(super) fn take(&self, rows: usize, features: usize) -> Result<Activations, KernelsError> {
        let overflow = || KernelsError::SizeOverflow { count: usize::MAX, element_bytes: size_of::<f32>() };
        let len = rows.checked_mul(features).ok_or_else(overflow)?;
        let len_bytes = len.checked_mul(size_of::<f32>()).ok_or_else(overflow)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |index: &usize| idle[*index].len_bytes() >= len_bytes;
        let buffer = match (0..idle.len()).filter(fits).min_by_key(|&index| idle[index].len_bytes()) {
            Some(index) => idle.swap_remove(index),
            None => {
                // Nothing fits: the largest one makes room, so that outgrown buffers don't pile up.
                if let Some(largest) = (0..idle.len()).max_by_key(|&index| idle[index].len_bytes()) {
                    idle.swap_remove(largest);
                }
                AlignedBuffer::zeroed(len_bytes)?
            }
        };
        Ok(Activations { buffer: Some(buffer), rows, features, shelf: self.clone() })
    }
}

/// Activations `[rows, features]` in f32, row-major, on loan.
#[derive(Debug)]
pub struct Activations {
    buffer: Option<AlignedBuffer>,
    rows: usize,
    features: usize,
    shelf: Shelf,
}

impl Activations {
    /// Rows: tokens, mostly.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers per row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// All numbers, row after row.
    pub fn values(&self) -> &[f32] {
        let buffer = self.buffer.as_ref().expect("a buffer is given back only on drop; this is a bug");
        &buffer.elements()[..self.rows * self.features]
    }

    /// All numbers, to be written.
    pub fn values_mut(&mut self) -> &mut [f32] {
        let buffer = self.buffer.as_mut().expect("a buffer is given back only on drop; this is a bug");
        &mut buffer.elements_mut()[..self.rows * self.features]
    }
}

impl Drop for Activations {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.shelf.idle.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        }
    }
}
