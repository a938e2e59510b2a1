//! Finds stop strings in a text that comes in parts, and says how much of its end could still begin one.
//! One Knuth-Morris-Pratt automaton for each string, over bytes: constant amortized work per byte.

#[derive(Debug, Clone)]
pub(crate) struct StopMatcher {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    bytes: Vec<u8>,
    /// `borders[n]`: the longest proper border of the first n bytes.
    borders: Vec<usize>,
    num_matched: usize,
}

impl StopMatcher {
    /// None of the strings may be empty.
    pub(crate) fn new(stop: &[String]) -> Self {
        Self { patterns: stop.iter().map(|text| Pattern::new(text.as_bytes())).collect() }
    }

    /// Takes one byte more; the index of the first string in list order that ends with it.
    pub(crate) fn push(&mut self, byte: u8) -> Option<usize> {
        let mut found = None;
        for (index, pattern) in self.patterns.iter_mut().enumerate() {
            if pattern.push(byte) {
                found = found.or(Some(index));
            }
        }
        found
    }

    /// How many of the last bytes could begin a stop string.
    pub(crate) fn num_held(&self) -> usize {
        self.patterns.iter().map(|pattern| pattern.num_matched).max().unwrap_or(0)
    }

    pub(crate) fn num_bytes(&self, index: usize) -> usize {
        self.patterns[index].bytes.len()
    }
}

impl Pattern {
    fn new(bytes: &[u8]) -> Self {
        let mut borders = vec![0; bytes.len() + 1];
        let mut border = 0;
        for at in 1..bytes.len() {
            while border > 0 && bytes[at] != bytes[border] {
                border = borders[border];
            }
            if bytes[at] == bytes[border] {
                border += 1;
            }
            borders[at + 1] = border;
        }
        Self { bytes: bytes.to_vec(), borders, num_matched: 0 }
    }

    /// True when the string is complete; what remains matched is its longest border.
    fn push(&mut self, byte: u8) -> bool {
        while self.num_matched > 0 && self.bytes[self.num_matched] != byte {
            self.num_matched = self.borders[self.num_matched];
        }
        if self.bytes[self.num_matched] == byte {
            self.num_matched += 1;
        }
        let complete = self.num_matched == self.bytes.len();
        if complete {
            self.num_matched = self.borders[self.num_matched];
        }
        complete
    }
}
