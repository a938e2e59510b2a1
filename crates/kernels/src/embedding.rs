//! Embedding look-up: rows gathered from a packed matrix, so that a tied output layer needs no second copy.

use crate::{Kernels, PackedMatrix, ThreadPool, disjoint::Disjoint, rows::for_rows};

impl Kernels {
    /// Gathers the row of each id: `out` [ids, inputs]. Panics on an id outside of the table.
    pub fn embedding(&self, pool: &ThreadPool, table: &PackedMatrix, ids: &[i32], out: &mut [f32]) {
        let width = table.num_inputs();
        assert_eq!(out.len(), ids.len() * width, "embedding: out is not [ids, inputs]; this is a bug");
        let out = Disjoint::new(out);
        // Each element of a row lies in a cache line of its own, so a row costs more than its size says.
        for_rows(pool, ids.len(), 4 * width, &|range| {
            for index in range {
                let row = usize::try_from(ids[index]).expect("embedding: a negative id; this is a bug");
                // SAFETY: rows of `out` are disjoint and handed out once.
                table.row(row, unsafe { out.range(index * width..(index + 1) * width) });
            }
        });
    }
}
