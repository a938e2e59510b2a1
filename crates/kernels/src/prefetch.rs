//! Asking for memory before it is wanted: weights come from far away, and no prefetcher knows of them in time.

/// Bytes of a cache line.
pub(crate) const LINE_BYTES: usize = 64;

/// How far behind what a product reads now lies what it asks for: the time that memory takes to come.
pub(crate) const AHEAD_BYTES: usize = 4096;

/// Asks for one of several shares of memory that is wanted after all of them, which need not be there.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn ask_for_share(start: *const u8, len_bytes: usize, share: usize, shares: usize) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

    let lines = len_bytes.div_ceil(LINE_BYTES);
    for line in lines * share / shares..lines * (share + 1) / shares {
        // SAFETY: every x86-64 CPU has the instruction, and it reads nothing that a program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(line * LINE_BYTES).cast()) };
    }
}

/// Asks for memory that is wanted later, which need not be there.
#[inline(always)]
pub(crate) fn ask_for(start: *const u8, len_bytes: usize) {
    ask_for_share(start, len_bytes, 0, 1);
}

/// Asks for a line that is wanted soon, which need not be there.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn ask_for_line(at: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

    // SAFETY: as above.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
}

/// Asks for a line that is written soon, which need not be there.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn ask_to_write(at: *const f32) {
    // SAFETY: an x86-64 CPU has the instruction or takes it for one that does nothing; it changes nothing that a program could see.
    unsafe { std::arch::asm!("prefetchw [{}]", in(reg) at, options(nostack, preserves_flags, readonly)) };
}

/// Elsewhere nothing is asked for.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn ask_for_line(_at: *const u8) {}

/// Elsewhere nothing is asked for.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn ask_for_share(_start: *const u8, _len_bytes: usize, _share: usize, _shares: usize) {}
