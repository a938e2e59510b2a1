//! A mutable slice that threads share by agreeing on disjoint parts of it.

use std::{marker::PhantomData, ops::Range, slice};

/// A slice whose disjoint ranges are written by different threads.
pub(crate) struct Disjoint<'a, T> {
    start: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: the only access is `range`, whose callers promise that ranges in use do not overlap.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Disjoint { start: slice.as_mut_ptr(), len: slice.len(), borrow: PhantomData }
    }

    /// The range, to be written. Panics when it leaves the slice.
    ///
    /// # Safety
    /// No other range in use at the same time may overlap this one.
    #[expect(clippy::mut_from_ref, reason = "that is the purpose: callers promise disjoint ranges")]
    pub(crate) unsafe fn range(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "a range outside of its slice; this is a bug");
        slice::from_raw_parts_mut(self.start.add(range.start), range.len())
    }

    /// The address of an element, for a kernel that writes a strided block. Panics when it lies outside.
    pub(crate) fn at(&self, index: usize) -> *mut T {
        assert!(index < self.len, "an index outside of its slice; this is a bug");
        self.start.wrapping_add(index)
    }
}
