//! Rows of hidden states to one vector. Rows may come in several parts; where a part ends changes nothing.

use quire_weights::PoolingKind;

/// A sequence whose hidden states are being made into one vector.
#[derive(Debug)]
pub(crate) struct Pool {
    kind: PoolingKind,
    /// What has come so far, `[width]`.
    values: Vec<f32>,
    num_tokens: usize,
}

/// Whether the vector needs every token's hidden state, or that of one.
pub(crate) fn needs_all_tokens(kind: PoolingKind) -> bool {
    !matches!(kind, PoolingKind::Cls | PoolingKind::Last)
}

impl Pool {
    pub(crate) fn new(kind: PoolingKind, width: usize) -> Pool {
        let start = if kind == PoolingKind::Max { f32::NEG_INFINITY } else { 0.0 };
        Pool { kind, values: vec![start; width], num_tokens: 0 }
    }

    /// Takes the hidden states of the tokens that follow, `[tokens, width]`.
    pub(crate) fn add(&mut self, rows: &[f32]) {
        for row in rows.chunks_exact(self.values.len()) {
            self.num_tokens += 1;
            let pairs = self.values.iter_mut().zip(row);
            match self.kind {
                PoolingKind::Cls if self.num_tokens > 1 => return,
                PoolingKind::Cls | PoolingKind::Last => self.values.copy_from_slice(row),
                PoolingKind::Mean | PoolingKind::MeanSqrtLen => pairs.for_each(|(sum, value)| *sum += value),
                PoolingKind::Max => pairs.for_each(|(most, value)| *most = most.max(*value)),
                PoolingKind::WeightedMean => {
                    let weight = self.num_tokens as f32;
                    pairs.for_each(|(sum, value)| *sum += weight * value);
                }
            }
        }
    }

    /// Writes the vector.
    pub(crate) fn finish(self, out: &mut [f32]) {
        let tokens = self.num_tokens as f32;
        let divisor = match self.kind {
            PoolingKind::Cls | PoolingKind::Last | PoolingKind::Max => 1.0,
            PoolingKind::Mean => tokens,
            PoolingKind::MeanSqrtLen => tokens.sqrt(),
            PoolingKind::WeightedMean => tokens * (tokens + 1.0) / 2.0,
        };
        for (out, value) in out.iter_mut().zip(&self.values) {
            *out = value / divisor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_follows_its_formula_in_one_part_or_several() {
        let rows = [1.0, -2.0, 3.0, 4.0, 5.0, 0.0];
        let expected: [(PoolingKind, [f32; 2]); 6] = [
            (PoolingKind::Cls, [1.0, -2.0]),
            (PoolingKind::Last, [5.0, 0.0]),
            (PoolingKind::Mean, [3.0, 2.0 / 3.0]),
            (PoolingKind::Max, [5.0, 4.0]),
            (PoolingKind::MeanSqrtLen, [9.0 / 3.0_f32.sqrt(), 2.0 / 3.0_f32.sqrt()]),
            (PoolingKind::WeightedMean, [22.0 / 6.0, 1.0]),
        ];
        assert_eq!(PoolingKind::all().count(), expected.len());
        for (kind, expected) in expected {
            for part in [6, 2, 4] {
                let mut pool = Pool::new(kind, 2);
                rows.chunks(part).for_each(|rows| pool.add(rows));
                let mut out = [f32::NAN; 2];
                pool.finish(&mut out);
                assert_eq!(out, expected, "{kind:?} in parts of {part}");
            }
        }
    }
}
