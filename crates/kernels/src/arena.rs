//! Scratch memory that is taken for one operation and given back, so that a warmed-up step allocates nothing.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, PoisonError},
};

use crate::{AlignedBuffer, KernelsError};

/// Scratch buffers that nobody uses now.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    idle: Mutex<Vec<AlignedBuffer>>,
}

impl Arena {
    /// Memory of at least `len_bytes` bytes whose content is whatever was left there.
    pub(crate) fn take(&self, len_bytes: usize) -> Result<Scratch<'_>, KernelsError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let smallest_fit = (0..idle.len())
            .filter(|&index| idle[index].len_bytes() >= len_bytes)
            .min_by_key(|&index| idle[index].len_bytes());
        let buffer = match smallest_fit {
            Some(index) => idle.swap_remove(index),
            None => {
                // Nothing fits: the largest one is replaced, so that the arena does not pile up outgrown buffers.
                if let Some(largest) = (0..idle.len()).max_by_key(|&index| idle[index].len_bytes()) {
                    idle.swap_remove(largest);
                }
                AlignedBuffer::zeroed(len_bytes.checked_next_power_of_two().unwrap_or(len_bytes))?
            }
        };
        Ok(Scratch { arena: self, buffer: Some(buffer) })
    }
}

/// A buffer on loan from an [`Arena`].
pub(crate) struct Scratch<'a> {
    arena: &'a Arena,
    buffer: Option<AlignedBuffer>,
}

impl Deref for Scratch<'_> {
    type Target = AlignedBuffer;

    fn deref(&self) -> &AlignedBuffer {
        self.buffer.as_ref().expect("scratch is given back only on drop; this is a bug")
    }
}

impl DerefMut for Scratch<'_> {
    fn deref_mut(&mut self) -> &mut AlignedBuffer {
        self.buffer.as_mut().expect("scratch is given back only on drop; this is a bug")
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.arena.idle.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_is_reused() {
        let arena = Arena::default();
        let first = arena.take(100).expect("memory").bytes().as_ptr();
        assert_eq!(arena.take(50).expect("memory").bytes().as_ptr(), first, "a smaller wish reuses the buffer");
        let (one, two) = (arena.take(64).expect("memory"), arena.take(64).expect("memory"));
        assert_ne!(one.bytes().as_ptr(), two.bytes().as_ptr(), "two loans at once do not overlap");
    }
}
