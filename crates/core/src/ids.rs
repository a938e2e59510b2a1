//! The names by which requests, sequences and blocks are known. Numbers only: no lookup, no ownership.

/// One continuation of a request. Unique among the live sequences of an engine, never 0, and always fits in an `i32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct SequenceId(pub u32);

impl SequenceId {
    /// The largest id that is given out, so that an id crosses every boundary as an `i32`.
    pub const MAX: Self = Self(i32::MAX as u32);

    /// The id as it is written into an input batch.
    #[must_use]
    pub fn as_word(self) -> i32 {
        self.0 as i32
    }
}

/// What one caller asked for: `n` sequences share one request id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct RequestId(pub u32);

/// One block of `block_size` KV slots. Block 0 is the null block: never handed out, a placeholder in block tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct BlockId(pub u32);

impl BlockId {
    /// The placeholder for positions that need no KV slots.
    pub const NULL: Self = Self(0);

    /// True for the null block.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}
