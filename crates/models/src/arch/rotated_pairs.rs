//! Which elements of a head are rotated together. Backends rotate element `i` with `i + half`; where checkpoints have pairs of
//! neighbours, rows of their projections are put into another order once, so that dot products stay what they are.

/// In the checkpoint's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RotatedPairs {
    /// Neighbours.
    Neighbours,
    /// Those half of the rotated elements apart.
    Halves,
}

impl RotatedPairs {
    /// Where the checkpoint has the rotated elements, an even number, in the order in which backends rotate them.
    pub(super) fn order(self, rotated: usize) -> impl Iterator<Item = usize> {
        (0..rotated).map(move |index| match self {
            RotatedPairs::Neighbours => 2 * (index % (rotated / 2)) + index / (rotated / 2),
            RotatedPairs::Halves => index,
        })
    }

    /// The same of the rows of whole heads, of which the first elements are rotated.
    pub(super) fn order_of_heads(self, num_heads: usize, head_dim: usize, rotated: usize) -> Vec<usize> {
        let of_head = |head: usize| {
            let rows = self.order(rotated).chain(rotated..head_dim);
            rows.map(move |row| head * head_dim + row)
        };
        (0..num_heads).flat_map(of_head).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::RotatedPairs;

    #[test]
    fn neighbours_become_halves() {
        assert_eq!(RotatedPairs::Neighbours.order_of_heads(2, 6, 4), [0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11]);
        assert_eq!(RotatedPairs::Halves.order_of_heads(1, 6, 4), [0, 1, 2, 3, 4, 5]);
    }
}
