//! Zeroed pages at the end of WebAssembly's memory. The allocator hands zeroed memory out by writing zeros, for which the browser
//! must find a page of the machine for each page of a cache, whether it is ever filled or not. New pages are zero as they are.

use std::{
    arch::wasm32::memory_grow,
    ptr::NonNull,
    sync::{Mutex, PoisonError},
};

use crate::idle_pages::IdlePages;

/// What memory grows by.
const PAGE_BYTES: usize = 1 << 16;

/// Smaller buffers are the allocator's: they would waste much of their last page.
const LEAST_BYTES: usize = 1 << 20;

/// What was given back. The module has one memory, so there is one of these.
static IDLE: Mutex<IdlePages> = Mutex::new(IdlePages::new());

/// `len_bytes` zeroed bytes at the beginning of a page. `None` where they are too few for that, or memory cannot grow.
pub(crate) fn take(len_bytes: usize) -> Option<NonNull<u8>> {
    let paged_bytes = len_bytes.checked_next_multiple_of(PAGE_BYTES).filter(|_| len_bytes >= LEAST_BYTES)?;
    let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).take(paged_bytes);
    if let Some(start) = idle {
        let start = NonNull::new(start as *mut u8)?;
        // SAFETY: nobody else has these pages: they were given back, and have been taken out just now.
        unsafe { start.write_bytes(0, len_bytes) };
        return Some(start);
    }
    let first_page = memory_grow::<0>(paged_bytes / PAGE_BYTES);
    // It has been refused where that is not a number of a page.
    let start = first_page.checked_mul(PAGE_BYTES).filter(|_| first_page != usize::MAX)?;
    NonNull::new(start as *mut u8)
}

/// Keeps what [`take`] gave for `len_bytes` for whoever asks next.
pub(crate) fn give_back(start: NonNull<u8>, len_bytes: usize) {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    idle.put(start.as_ptr() as usize, len_bytes.next_multiple_of(PAGE_BYTES));
}
