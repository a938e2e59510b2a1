//! Where attention heads lie inside wider rows, so that a fused qkv product needs no copying apart.

use std::ops::Range;

/// [tokens, num_heads, head_dim] inside rows of `row_stride` elements: one projection of a fused product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLayout {
    /// Elements of a row before the first head.
    pub offset: usize,
    /// Elements from one token's row to the next.
    pub row_stride: usize,
    /// Heads, one after the other.
    pub num_heads: usize,
    /// Elements of one head.
    pub head_dim: usize,
}

impl HeadLayout {
    /// Rows of nothing but these heads.
    pub fn contiguous(num_heads: usize, head_dim: usize) -> HeadLayout {
        HeadLayout { offset: 0, row_stride: num_heads * head_dim, num_heads, head_dim }
    }

    /// The elements of one head of one token.
    pub fn head(&self, token: usize, head: usize) -> Range<usize> {
        let start = token * self.row_stride + self.offset + head * self.head_dim;
        start..start + self.head_dim
    }

    /// How many tokens `len` elements hold. Panics unless they are whole rows that have room for the heads.
    pub(crate) fn num_tokens(&self, len: usize) -> usize {
        assert!(
            self.row_stride > 0 && self.offset + self.num_heads * self.head_dim <= self.row_stride,
            "{self:?}: the heads leave their row; this is a bug"
        );
        assert!(len.is_multiple_of(self.row_stride), "{len} elements are not whole rows of {self:?}; this is a bug");
        len / self.row_stride
    }
}
