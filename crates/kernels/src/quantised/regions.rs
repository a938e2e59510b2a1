//! Where in a panel of blocks everything is.
//!
//! ```text
//! [inputs / 256] { [16] half scale, [16] half min }       only where scales are relative
//! [inputs / 32]  { [16] scale, [16] min }                 as ScaleCode says
//! [inputs / 32]  { [8][16][4] bytes, or [4][16][4] pairs of nibbles }
//! ```
//! A byte of nibbles has an input of the first group of four in its low half and one of the second in its high half. Each
//! region begins at a cache line.

use super::{
    BLOCK_INPUTS, SUPER_BLOCKS,
    form::{LevelCode, ScaleCode},
};

/// A cache line, and one vector of the widest set.
const LINE_BYTES: usize = 64;

/// Offsets in a panel, in bytes. The scales of 256 are at its front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Regions {
    /// Where the scales of blocks begin.
    pub(crate) scales: usize,
    /// Where the levels begin.
    pub(crate) levels: usize,
    /// Where the next panel begins.
    pub(crate) end: usize,
}

impl Regions {
    /// The regions of a panel of `num_inputs` inputs, which are whole blocks. Sizes are those of memory that is there.
    #[inline(always)]
    pub(crate) const fn new(levels: LevelCode, scales: ScaleCode, num_inputs: usize) -> Regions {
        let num_blocks = num_inputs / BLOCK_INPUTS;
        let supers_end = line(num_blocks.div_ceil(SUPER_BLOCKS) * scales.super_bytes());
        let scales_end = line(supers_end + num_blocks * scales.block_bytes());
        Regions { scales: supers_end, levels: scales_end, end: scales_end + num_blocks * levels.block_bytes() }
    }
}

const fn line(bytes: usize) -> usize {
    bytes.next_multiple_of(LINE_BYTES)
}
