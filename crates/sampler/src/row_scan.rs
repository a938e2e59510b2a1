//! One pass over a row of logits: the maximum of every block of 64 ids. Every later step (argmax, k-th largest, cut,
//! race) looks only into blocks whose maximum lets it hope. Knows nothing of temperature or randomness.

use quire_kernels::block_maxima;

/// Token ids per block; two [`crate::noise::TOKENS`].
pub(crate) const BLOCK: usize = 64;

/// Block maxima of the row scanned last; its buffers are reused from row to row.
#[derive(Debug, Default)]
pub(crate) struct RowScan {
    maxima: Vec<f32>,
    maximum: f32,
    selection: Vec<f32>,
}

impl RowScan {
    /// Scans `row`. `Err(i)`: `row[i]` is the first NaN.
    pub(crate) fn scan(&mut self, row: &[f32]) -> Result<(), usize> {
        self.maxima.clear();
        let any_nan = block_maxima(row, BLOCK, &mut self.maxima);
        self.maximum = self.maxima.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        match any_nan {
            false => Ok(()),
            true => Err(row.iter().position(|value| value.is_nan()).unwrap_or(0)),
        }
    }

    pub(crate) fn maximum(&self) -> f32 {
        self.maximum
    }

    /// Maximum of each block, in order of ids.
    pub(crate) fn maxima(&self) -> &[f32] {
        &self.maxima
    }

    /// The lowest id that holds the maximum; 0 when every logit is -infinity.
    pub(crate) fn argmax(&self, row: &[f32]) -> u32 {
        let block = self.maxima.iter().position(|&maximum| maximum == self.maximum).unwrap_or(0);
        let first = block * BLOCK;
        let offset = row[first..].iter().position(|&value| value == self.maximum).unwrap_or(0);
        (first + offset) as u32
    }

    /// The `k`-th largest value of the row scanned (1 <= k <= row.len()), ties counted one by one.
    pub(crate) fn kth_largest(&mut self, row: &[f32], k: usize) -> f32 {
        // k blocks reach the k-th largest block maximum, so at least k values do: a lower bound of what is asked.
        let bound = if k <= self.maxima.len() {
            self.selection.clear();
            self.selection.extend_from_slice(&self.maxima);
            select(&mut self.selection, k)
        } else {
            f32::NEG_INFINITY
        };
        self.selection.clear();
        for (block, &maximum) in row.chunks(BLOCK).zip(&self.maxima) {
            if maximum >= bound {
                self.selection.extend(block.iter().filter(|&&value| value >= bound));
            }
        }
        select(&mut self.selection, k)
    }
}

fn select(values: &mut [f32], k: usize) -> f32 {
    *values.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn argmax_takes_the_lowest_id_of_a_tie() {
        let infinity = f32::INFINITY;
        let rows: [(&[f32], u32); 8] = [
            (&[1.0], 0),
            (&[1.0, 3.0, 3.0, 2.0], 1),
            (&[-infinity, -infinity], 0),
            (&[-infinity, -5.0], 1),
            (&[0.0, infinity, infinity], 1),
            (&[-0.0, 0.0], 0),
            (&[0.0; 200], 0),
            (&[-1.0, -2.0, -0.5], 2),
        ];
        let mut scan = RowScan::default();
        for (row, expected) in rows {
            scan.scan(row).expect("no NaN");
            assert_eq!(scan.argmax(row), expected, "{row:?}");
        }
        let mut late = vec![0.0; 1000];
        late[777] = 1.0;
        late[901] = 1.0;
        scan.scan(&late).expect("no NaN");
        assert_eq!(scan.argmax(&late), 777);
    }

    #[test]
    fn the_first_nan_is_named() {
        for (len, at) in [(1, 0), (64, 63), (65, 64), (130, 129), (300, 8), (300, 70)] {
            let mut row = vec![1.0; len];
            row[at] = f32::NAN;
            row[len - 1] = f32::NAN;
            assert_eq!(RowScan::default().scan(&row), Err(at));
        }
    }

    proptest! {
        #[test]
        fn kth_largest_is_that_of_a_sort(
            row in prop::collection::vec((-40i32..40).prop_map(|value| value as f32 / 4.0), 1..700),
            share in 0.0f64..1.0,
        ) {
            let k = 1 + ((row.len() - 1) as f64 * share) as usize;
            let mut scan = RowScan::default();
            scan.scan(&row).expect("no NaN");
            let mut sorted = row.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            prop_assert_eq!(scan.kth_largest(&row, k), sorted[k - 1]);
            prop_assert_eq!(scan.maximum(), sorted[0]);
        }
    }
}
