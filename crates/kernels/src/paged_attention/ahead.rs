//! Asking for entries of a cache that are wanted soon, a little at a time: of too much at once some processors drop most.

use crate::prefetch::{LINE_BYTES, ask_for};

/// Lines of some entries that were not asked for yet, in the order of the entries: where those lie one behind the other, memory and the
/// CPU's own prefetchers see one run of lines.
pub(super) struct Ahead<'a> {
    entries: std::slice::Iter<'a, *const u8>,
    entry_bytes: usize,
    /// The next line, and the end of its entry.
    line: *const u8,
    end: *const u8,
}

impl<'a> Ahead<'a> {
    /// All lines of entries of so many bytes.
    #[inline(always)]
    pub(super) fn new(entries: &'a [*const u8], entry_bytes: usize) -> Self {
        Ahead { entries: entries.iter(), entry_bytes, line: std::ptr::null(), end: std::ptr::null() }
    }

    /// Asks for the next lines, as far as there are any.
    #[inline(always)]
    pub(super) fn ask(&mut self, num_lines: usize) {
        for _ in 0..num_lines {
            if self.line >= self.end {
                let Some(&entry) = self.entries.next() else { return };
                let end = entry.wrapping_add(self.entry_bytes);
                // The line may reach into an entry that is the next one in memory.
                if self.line < entry || self.line >= end {
                    self.line = entry;
                }
                self.end = end;
            }
            ask_for(self.line, LINE_BYTES);
            self.line = self.line.wrapping_add(LINE_BYTES);
        }
    }
}
