//! The first bytes of a file, read number by number; nothing is read beyond them.

use crate::GgufProblem;

/// Longest text of a value: a chat template, or a whole tokenizer as JSON.
const MAX_TEXT_BYTES: u64 = 32 << 20;
/// Longest key or name of a tensor, as the format has it.
const MAX_NAME_BYTES: u64 = 65_535;

/// Why reading stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The bytes ended in the middle of this.
    More(&'static str),
    Problem(GgufProblem),
}

impl From<GgufProblem> for Stop {
    fn from(problem: GgufProblem) -> Stop {
        Stop::Problem(problem)
    }
}

pub(crate) struct ByteReader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// What is being read, for the message of a file that ends.
    pub(crate) part: &'static str,
}

impl<'a> ByteReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> ByteReader<'a> {
        ByteReader { bytes, at: 0, part: "its first numbers" }
    }

    /// Bytes that were read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len()).ok_or(Stop::More(self.part))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub(crate) fn array<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], Stop> {
        let taken = self.take(COUNT)?;
        Ok(std::array::from_fn(|index| taken[index]))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Stop> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Stop> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number of things, of which no more than `allowed` can be.
    pub(crate) fn count(&mut self, what: &'static str, allowed: u64) -> Result<usize, Stop> {
        let found = self.u64()?;
        if found > allowed {
            return Err(GgufProblem::TooMany { what, found, allowed }.into());
        }
        Ok(found as usize)
    }

    /// A key, or the name of a tensor.
    pub(crate) fn name(&mut self, what: &str) -> Result<String, Stop> {
        let count = self.count("the bytes of a name", MAX_NAME_BYTES)?;
        self.utf8(count, || what.to_string())
    }

    /// The text of the value of `key`.
    pub(crate) fn text(&mut self, key: &str) -> Result<String, Stop> {
        let count = self.count("the bytes of a text", MAX_TEXT_BYTES)?;
        self.utf8(count, || format!("a text of `{key}`"))
    }

    fn utf8(&mut self, count: usize, what: impl Fn() -> String) -> Result<String, Stop> {
        match std::str::from_utf8(self.take(count)?) {
            Ok(text) => Ok(text.to_string()),
            Err(_) => Err(GgufProblem::NotText { what: what() }.into()),
        }
    }
}
