//! Rotary position embedding (Su et al., arXiv:2104.09864) on halves: element i turns with element i + rotary_dim / 2.
//! The caller gives the table, and with it every way of scaling.

use crate::{
    HeadLayout, Kernels, ThreadPool,
    disjoint::Disjoint,
    lanes::{LANES, Lanes},
    per_isa::per_isa,
    rows::for_rows,
};

/// Heads to turn by their tokens' positions, in place.
#[derive(Debug)]
pub struct Rope<'a> {
    /// Rows that hold the heads where `layout` says.
    pub data: &'a mut [f32],
    /// The heads: those of queries, of keys, or of both where they are neighbours.
    pub layout: HeadLayout,
    /// Position of each token, [tokens].
    pub positions: &'a [i32],
    /// Cosines, [positions, rotary_dim / 2].
    pub cos: &'a [f32],
    /// Sines, [positions, rotary_dim / 2].
    pub sin: &'a [f32],
    /// How many of a head's first elements turn; even, at most head_dim.
    pub rotary_dim: usize,
}

pub(crate) type RotateFn = unsafe fn(&mut [f32], &[f32], &[f32]);

impl Kernels {
    /// Turns the heads of every token by its position. Panics on a position outside of the table.
    pub fn rope(&self, pool: &ThreadPool, rope: Rope<'_>) {
        let Rope { data, layout, positions, cos, sin, rotary_dim } = rope;
        let half = rotary_dim / 2;
        assert!(
            rotary_dim.is_multiple_of(2) && rotary_dim <= layout.head_dim,
            "rope: {rotary_dim} of {} elements turn; this is a bug",
            layout.head_dim
        );
        let num_tokens = layout.num_tokens(data.len());
        assert_eq!(num_tokens, positions.len(), "rope: positions are not [tokens]; this is a bug");
        assert_eq!(cos.len(), sin.len(), "rope: cos and sin differ in length; this is a bug");
        let data = Disjoint::new(data);
        for_rows(pool, num_tokens, layout.num_heads * rotary_dim, &|tokens| {
            for token in tokens {
                let position = usize::try_from(positions[token]).expect("rope: a negative position; this is a bug");
                let (cos, sin) = (&cos[position * half..][..half], &sin[position * half..][..half]);
                for head in 0..layout.num_heads {
                    // SAFETY: heads do not overlap, each token is handed out once, and the three lengths agree.
                    unsafe { (self.rotate)(&mut data.range(layout.head(token, head))[..rotary_dim], cos, sin) };
                }
            }
        });
    }
}

per_isa!(rotate = rotate_lanes[](head: &mut [f32], cos: &[f32], sin: &[f32]));

#[inline(always)]
unsafe fn rotate_lanes<L: Lanes>(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let half = cos.len();
    let (first, second) = (head.as_mut_ptr(), head.as_mut_ptr().add(half));
    let mut index = 0;
    while index < half {
        let count = (half - index).min(LANES);
        let (x, y) = (first.add(index), second.add(index));
        let (cos, sin) = (cos.as_ptr().add(index), sin.as_ptr().add(index));
        if count == LANES {
            let (cos, sin, a, b) = (L::load(cos), L::load(sin), L::load(x), L::load(y));
            a.mul(cos).sub(b.mul(sin)).store(x);
            b.mul(cos).add(a.mul(sin)).store(y);
        } else {
            let (cos, sin) = (L::load_first(cos, count, 0.0), L::load_first(sin, count, 0.0));
            let (a, b) = (L::load_first(x, count, 0.0), L::load_first(y, count, 0.0));
            a.mul(cos).sub(b.mul(sin)).store_first(x, count);
            b.mul(cos).add(a.mul(sin)).store_first(y, count);
        }
        index += LANES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, for_each_setup, numbers};

    #[test]
    fn heads_turn_by_their_position() {
        for_each_setup(|kernels, pool| {
            for (head_dim, rotary_dim) in [(2, 2), (8, 6), (32, 32), (64, 64), (80, 32), (66, 66), (5, 0)] {
                let layout = HeadLayout { offset: 3, row_stride: 3 * head_dim + 4, num_heads: 3, head_dim };
                let positions = [0, 5, 2, 7];
                let half = rotary_dim / 2;
                let (cos, sin) = (numbers(8 * half, 1), numbers(8 * half, 2));
                let before = numbers(4 * layout.row_stride, 3);
                let mut expected: Vec<f64> = before.iter().map(|&x| f64::from(x)).collect();
                for (token, position) in positions.into_iter().enumerate() {
                    for head in 0..3 {
                        let start = layout.head(token, head).start;
                        for i in 0..half {
                            let table = position as usize * half + i;
                            let (cos, sin) = (f64::from(cos[table]), f64::from(sin[table]));
                            let (x, y) = (f64::from(before[start + i]), f64::from(before[start + half + i]));
                            expected[start + i] = x * cos - y * sin;
                            expected[start + half + i] = y * cos + x * sin;
                        }
                    }
                }
                let mut data = before.clone();
                let rope = Rope { data: &mut data, layout, positions: &positions, cos: &cos, sin: &sin, rotary_dim };
                kernels.rope(pool, rope);
                assert_close(&data, &expected, 1e-6, "rope");
            }
        });
    }
}
