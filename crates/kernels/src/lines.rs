//! Memory of a function for what its kernels make and read again: lines of sixteen floats, or of as many bytes.

use std::mem::MaybeUninit;

/// A cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Line(#[expect(dead_code, reason = "is written and read by address")] [u8; 64]);

/// Memory for so many lines, in which nothing is yet.
pub(crate) type Lines<const COUNT: usize> = [MaybeUninit<Line>; COUNT];

/// Memory for so many lines.
pub(crate) const fn lines<const COUNT: usize>() -> Lines<COUNT> {
    [MaybeUninit::uninit(); COUNT]
}
