//! Runs of pages that were given back, by where they begin: what WebAssembly's memory, which never shrinks, has to keep of buffers that
//! lie outside of its allocator. Knows numbers; must not know what lies there.

use std::collections::BTreeMap;

/// Runs of bytes that nobody uses, none of which touches another.
#[derive(Debug)]
pub(crate) struct IdlePages {
    /// Length by beginning.
    runs: BTreeMap<usize, usize>,
}

impl IdlePages {
    pub(crate) const fn new() -> IdlePages {
        IdlePages { runs: BTreeMap::new() }
    }

    /// The beginning of `len_bytes` bytes of the shortest run that has so many; what is left of it stays.
    pub(crate) fn take(&mut self, len_bytes: usize) -> Option<usize> {
        let fitting = self.runs.iter().filter(|&(_, &len)| len >= len_bytes);
        let (&start, &len) = fitting.min_by_key(|&(_, &len)| len)?;
        self.runs.remove(&start);
        if len > len_bytes {
            self.runs.insert(start + len_bytes, len - len_bytes);
        }
        Some(start)
    }

    /// Adds a run, joined with those that it touches.
    pub(crate) fn put(&mut self, start: usize, len_bytes: usize) {
        let (mut start, mut end) = (start, start + len_bytes);
        if let Some((&before, &len)) = self.runs.range(..start).next_back()
            && before + len == start
        {
            self.runs.remove(&before);
            start = before;
        }
        if let Some(len) = self.runs.remove(&end) {
            end += len;
        }
        self.runs.insert(start, end - start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_run_that_fits_is_taken_and_neighbours_are_joined() {
        let mut idle = IdlePages::new();
        assert_eq!(idle.take(1), None, "nothing was given back");
        for (start, len) in [(100, 10), (200, 30), (300, 20)] {
            idle.put(start, len);
        }
        assert_eq!(idle.take(31), None, "no run is as long");
        assert_eq!(idle.take(15), Some(300), "the shortest that fits");
        assert_eq!(idle.take(5), Some(315), "what was left of it");
        idle.put(110, 90);
        assert_eq!(idle.take(130), Some(100), "three runs that touch are one");
        idle.put(100, 130);
        assert_eq!(idle.take(130), Some(100), "and are given back as one");
        assert_eq!(idle.take(1), None);
    }
}
