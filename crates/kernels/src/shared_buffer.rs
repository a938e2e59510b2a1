//! Memory with several owners: KV caches, which a tensor handle and the model both hold.
//! The one place in the crate where memory has more than one owner; a lock keeps readers and writers apart.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{AlignedBuffer, KernelsError};

/// A handle on an [`AlignedBuffer`]; clones are handles on the same memory.
#[derive(Clone, Debug)]
pub struct SharedBuffer {
    buffer: Arc<RwLock<AlignedBuffer>>,
    len_bytes: usize,
}

impl SharedBuffer {
    /// Zeroed memory of `len_bytes` bytes, none of which is touched before it is used, if it is large.
    ///
    /// # Errors
    /// As [`AlignedBuffer::zeroed`].
    pub fn zeroed(len_bytes: usize) -> Result<SharedBuffer, KernelsError> {
        Ok(SharedBuffer { buffer: Arc::new(RwLock::new(AlignedBuffer::untouched(len_bytes)?)), len_bytes })
    }

    /// Length in bytes.
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// The memory, to be read; waits while somebody writes.
    pub fn read(&self) -> RwLockReadGuard<'_, AlignedBuffer> {
        self.buffer.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The memory, to be written; waits while somebody reads or writes.
    pub fn write(&self) -> RwLockWriteGuard<'_, AlignedBuffer> {
        self.buffer.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether both are handles on the same memory.
    pub fn is_same(&self, other: &SharedBuffer) -> bool {
        Arc::ptr_eq(&self.buffer, &other.buffer)
    }
}
