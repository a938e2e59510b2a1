//! What can be wrong with a buffer that claims to be an input batch.

use thiserror::Error;

/// Why a buffer was refused by [`InputBatchView::new`](crate::InputBatchView::new).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InputBatchError {
    /// Fewer words than a header, or than the header says.
    #[error("input batch has {words} words, {needed} are needed")]
    TooShort {
        /// Words in the buffer.
        words: usize,
        /// Words needed.
        needed: usize,
    },
    /// Not an input batch.
    #[error("input batch starts with {found:#x} instead of {expected:#x}")]
    WrongMagic {
        /// First word found.
        found: i32,
        /// First word of every input batch.
        expected: i32,
    },
    /// A layout that this build does not read.
    #[error("input batch has layout version {found}, this build reads {expected}")]
    WrongVersion {
        /// Version found.
        found: i32,
        /// Version read.
        expected: i32,
    },
    /// A size or offset in the header that cannot be.
    #[error("header word {word} of the input batch is {value}")]
    BadHeader {
        /// Index of the header word, see [`layout`](crate::layout).
        word: usize,
        /// Its value.
        value: i32,
    },
    /// A section that must be there, or must not reach where it does.
    #[error("section {section} of the input batch is at word {offset}, {length} words long, in {total} words")]
    BadSection {
        /// Name of the section.
        section: &'static str,
        /// Its offset in words, 0 if absent.
        offset: usize,
        /// Its length in words.
        length: usize,
        /// Words of the whole batch.
        total: usize,
    },
    /// A value that contradicts the rest of the batch.
    #[error("entry {index} of section {section} of the input batch is {value}")]
    BadValue {
        /// Name of the section.
        section: &'static str,
        /// Index of the entry.
        index: usize,
        /// Its value.
        value: i32,
    },
}
