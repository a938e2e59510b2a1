//! Ranges of columns of several matrices, put side by side. Knows no layer.

use std::ops::Range;

use crate::{ThreadPool, disjoint::Disjoint, rows::for_rows};

/// Some columns of a matrix.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    /// The matrix, row-major.
    pub values: &'a [f32],
    /// Numbers of a row.
    pub row_stride: usize,
    /// Those that are wanted.
    pub columns: Range<usize>,
}

/// Fills the rows of `out` with `parts`, in order: `[rows, columns of all parts]`.
///
/// Panics unless all matrices have as many rows as `out`, and the columns.
pub fn join_columns(pool: &ThreadPool, parts: &[Columns<'_>], out: &mut [f32]) {
    let width: usize = parts.iter().map(|part| part.columns.len()).sum();
    let num_rows = out.len().checked_div(width).unwrap_or_default();
    assert_eq!(out.len(), num_rows * width, "join_columns: out has no whole rows; this is a bug");
    for part in parts {
        let fits = part.columns.start <= part.columns.end && part.columns.end <= part.row_stride;
        assert!(fits, "join_columns: columns leave their row; this is a bug");
        assert_eq!(
            part.values.len(),
            num_rows * part.row_stride,
            "join_columns: numbers of rows differ; this is a bug"
        );
    }
    let out = Disjoint::new(out);
    for_rows(pool, num_rows, width, &|rows| {
        // SAFETY: the pool hands out disjoint ranges.
        let target = unsafe { out.range(rows.start * width..rows.end * width) };
        for (row, mut target) in rows.zip(target.chunks_exact_mut(width)) {
            for part in parts {
                let (own, rest) = target.split_at_mut(part.columns.len());
                own.copy_from_slice(&part.values[row * part.row_stride..][part.columns.clone()]);
                target = rest;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::{Columns, join_columns};
    use crate::testing::{for_each_setup, numbers};

    #[test]
    fn columns_of_several_matrices_stand_side_by_side() {
        for_each_setup(|_, pool| {
            for num_rows in [0, 1, 3, 2_000] {
                let (narrow, wide) = (numbers(num_rows * 3, 1), numbers(num_rows * 7, 2));
                let of_wide = |columns| Columns { values: &wide, row_stride: 7, columns };
                let parts = [
                    of_wide(4..7),
                    Columns { values: &narrow, row_stride: 3, columns: 1..2 },
                    of_wide(2..2),
                    of_wide(0..5),
                ];
                let mut out = vec![f32::NAN; num_rows * 9];
                join_columns(pool, &parts, &mut out);
                for (row, found) in out.chunks_exact(9).enumerate() {
                    let (narrow, wide) = (&narrow[row * 3..][..3], &wide[row * 7..][..7]);
                    assert_eq!(found, [&wide[4..], &narrow[1..2], &wide[..5]].concat(), "row {row} of {num_rows}");
                }
            }
        });
    }
}
