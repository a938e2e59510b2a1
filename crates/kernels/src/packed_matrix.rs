//! Weights laid out for the kernels: panels of sixteen outputs, so that one vector load feeds sixteen results and every
//! number of rows, from one to hundreds, reads the same bytes in the same order.
//!
//! ```text
//! [outputs / 16][inputs / g][16][g]     g inputs of one output are neighbours: 1 for f32, 2 for bf16
//! ```
//! Outputs are padded to 16 and inputs to g with zeros. Narrower formats take the same shape with a larger g.

use std::ops::Range;

use half::bf16;

use crate::{
    AlignedBuffer, ElementType, KernelsError, ThreadPool, disjoint::Disjoint, lanes::LANES, narrow::narrow_one,
};

/// Outputs of one panel.
pub const PANEL_OUTPUTS: usize = LANES;

/// In which order a stored matrix has its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatrixOrder {
    /// [outputs, inputs]: a linear layer as most checkpoints store it.
    OutputsFirst,
    /// [inputs, outputs]: the transposed layer of GPT-2's Conv1D.
    InputsFirst,
}

/// A stored matrix: little-endian bytes of any alignment, as in a mapped file.
#[derive(Clone, Copy, Debug)]
pub struct MatrixSource<'a> {
    /// The elements.
    pub bytes: &'a [u8],
    /// Their type.
    pub dtype: ElementType,
    /// Their order.
    pub order: MatrixOrder,
    /// Output features.
    pub num_outputs: usize,
    /// Input features.
    pub num_inputs: usize,
}

/// A weight matrix [outputs, inputs] in panels of sixteen outputs.
#[derive(Debug)]
pub struct PackedMatrix {
    num_outputs: usize,
    num_inputs: usize,
    dtype: ElementType,
    panel_bytes: usize,
    data: AlignedBuffer,
}

impl PackedMatrix {
    /// Packs one matrix, or several stacked along their outputs (fused q, k and v; gate and up), as `dtype`.
    ///
    /// Panics when `dtype` is F16, which is a type of sources only.
    ///
    /// # Errors
    /// [`KernelsError::SourceLength`] or [`KernelsError::SourceFeatures`] for sources whose sizes do not fit,
    /// [`KernelsError::OutOfMemory`] or [`KernelsError::SizeOverflow`] when there is no room.
    pub fn pack(
        pool: &ThreadPool,
        sources: &[MatrixSource<'_>],
        dtype: ElementType,
    ) -> Result<PackedMatrix, KernelsError> {
        assert!(dtype != ElementType::F16, "matrices are packed as f32 or bf16; this is a bug");
        let num_inputs = sources.first().map_or(0, |source| source.num_inputs);
        let mut num_outputs = 0_usize;
        for source in sources {
            source.validate(num_inputs)?;
            num_outputs = num_outputs.saturating_add(source.num_outputs);
        }
        let group = group(dtype);
        let overflow = || KernelsError::SizeOverflow {
            count: num_outputs.saturating_mul(num_inputs),
            element_bytes: dtype.size_bytes(),
        };
        let panel_elements = num_inputs
            .checked_next_multiple_of(group)
            .and_then(|inputs| inputs.checked_mul(LANES))
            .ok_or_else(overflow)?;
        let panel_bytes = panel_elements.checked_mul(dtype.size_bytes()).ok_or_else(overflow)?;
        let num_panels = num_outputs.div_ceil(LANES);
        let size_bytes = num_panels.checked_mul(panel_bytes).ok_or_else(overflow)?;
        let mut data = AlignedBuffer::zeroed(size_bytes)?;
        let shared = Disjoint::new(data.bytes_mut());
        pool.run(num_panels, 4, &|panels| {
            for panel in panels {
                // SAFETY: panels are disjoint, and the pool hands each out once.
                let target = unsafe { shared.range(panel * panel_bytes..(panel + 1) * panel_bytes) };
                pack_panel(sources, panel, dtype, target);
            }
        });
        Ok(PackedMatrix { num_outputs, num_inputs, dtype, panel_bytes, data })
    }

    /// Output features (n).
    pub fn num_outputs(&self) -> usize {
        self.num_outputs
    }

    /// Input features (k).
    pub fn num_inputs(&self) -> usize {
        self.num_inputs
    }

    /// Type of the packed elements: F32 or Bf16.
    pub fn dtype(&self) -> ElementType {
        self.dtype
    }

    /// Memory taken, padding included.
    pub fn size_bytes(&self) -> usize {
        self.data.len_bytes()
    }

    /// Bytes from one panel to the next.
    pub(crate) fn panel_bytes(&self) -> usize {
        self.panel_bytes
    }

    /// The panels.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.data.bytes()
    }

    /// Gathers the weights of one output, [inputs]: a row of a (tied) embedding table.
    ///
    /// Panics on an index past the outputs or an `out` of another length.
    pub fn row(&self, index: usize, out: &mut [f32]) {
        assert!(index < self.num_outputs, "row {index} of {}; this is a bug", self.num_outputs);
        assert_eq!(out.len(), self.num_inputs, "row: out is not [inputs]; this is a bug");
        let start = index / LANES * self.panel_bytes;
        let panel = &self.data.bytes()[start..start + self.panel_bytes];
        let group = group(self.dtype);
        let group_bytes = LANES * group * self.dtype.size_bytes();
        let lane_bytes = index % LANES * group * self.dtype.size_bytes();
        for (groups, out) in panel.chunks_exact(group_bytes).zip(out.chunks_mut(group)) {
            self.dtype.widen(&groups[lane_bytes..][..out.len() * self.dtype.size_bytes()], out);
        }
    }
}

impl MatrixSource<'_> {
    fn validate(&self, num_inputs: usize) -> Result<(), KernelsError> {
        if self.num_inputs != num_inputs {
            return Err(KernelsError::SourceFeatures { expected: num_inputs, actual: self.num_inputs });
        }
        let (rows, columns) = match self.order {
            MatrixOrder::OutputsFirst => (self.num_outputs, self.num_inputs),
            MatrixOrder::InputsFirst => (self.num_inputs, self.num_outputs),
        };
        let expected = rows.checked_mul(columns).and_then(|count| count.checked_mul(self.dtype.size_bytes())).ok_or(
            KernelsError::SizeOverflow { count: rows.saturating_mul(columns), element_bytes: self.dtype.size_bytes() },
        )?;
        if self.bytes.len() != expected {
            let (dtype, actual) = (self.dtype, self.bytes.len());
            return Err(KernelsError::SourceLength { rows, columns, dtype, expected, actual });
        }
        Ok(())
    }

    /// Widens a block of `outputs` x `inputs` into `block`, one row of inputs per output.
    fn widen_block(&self, outputs: Range<usize>, inputs: Range<usize>, block: &mut [[f32; BLOCK_INPUTS]]) {
        let size = self.dtype.size_bytes();
        match self.order {
            MatrixOrder::OutputsFirst => {
                for (output, row) in outputs.zip(block) {
                    let start = (output * self.num_inputs + inputs.start) * size;
                    self.dtype.widen(&self.bytes[start..start + inputs.len() * size], &mut row[..inputs.len()]);
                }
            }
            MatrixOrder::InputsFirst => {
                let mut values = [0.0; LANES];
                let values = &mut values[..outputs.len()];
                for (column, input) in inputs.enumerate() {
                    let start = (input * self.num_outputs + outputs.start) * size;
                    self.dtype.widen(&self.bytes[start..start + values.len() * size], values);
                    for (row, value) in block.iter_mut().zip(&*values) {
                        row[column] = *value;
                    }
                }
            }
        }
    }
}

/// Inputs widened at a time: a multiple of every group.
const BLOCK_INPUTS: usize = 128;

/// Neighbouring inputs of one output.
const fn group(dtype: ElementType) -> usize {
    match dtype {
        ElementType::F32 => 1,
        ElementType::F16 | ElementType::Bf16 => 2,
    }
}

/// Fills one panel from whichever sources its sixteen outputs lie in.
fn pack_panel(sources: &[MatrixSource<'_>], panel: usize, dtype: ElementType, target: &mut [u8]) {
    let num_inputs = sources.first().map_or(0, |source| source.num_inputs);
    let group = group(dtype);
    let mut block = [[0.0; BLOCK_INPUTS]; LANES];
    for start in (0..num_inputs).step_by(BLOCK_INPUTS) {
        let inputs = start..num_inputs.min(start + BLOCK_INPUTS);
        // A short last block leaves stale numbers where the padding of its last group goes.
        block.iter_mut().for_each(|row| row[inputs.len()..].fill(0.0));
        let mut source_start = 0;
        for source in sources {
            let source_end = source_start + source.num_outputs;
            let first = source_start.max(panel * LANES);
            let end = source_end.min((panel + 1) * LANES);
            if first < end {
                let lanes = first - panel * LANES..end - panel * LANES;
                source.widen_block(first - source_start..end - source_start, inputs.clone(), &mut block[lanes]);
            }
            source_start = source_end;
        }
        let size = dtype.size_bytes();
        let len = inputs.len().next_multiple_of(group);
        let target = &mut target[start * LANES * size..(start + len) * LANES * size];
        match dtype {
            ElementType::F32 => {
                for (index, target) in target.as_chunks_mut().0.iter_mut().enumerate() {
                    *target = block[index % LANES][index / LANES].to_le_bytes();
                }
            }
            ElementType::F16 | ElementType::Bf16 => {
                for (index, pair) in target.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                    let row = &block[index % LANES];
                    let low = bf16::from_bits(narrow_one(row[index / LANES * 2])).to_le_bytes();
                    let high = bf16::from_bits(narrow_one(row[index / LANES * 2 + 1])).to_le_bytes();
                    *pair = [low[0], low[1], high[0], high[1]];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::testing::numbers;

    fn encode(values: &[f32], dtype: ElementType) -> Vec<u8> {
        values
            .iter()
            .flat_map(|&value| match dtype {
                ElementType::F32 => value.to_le_bytes().to_vec(),
                ElementType::F16 => f16::from_f32(value).to_le_bytes().to_vec(),
                ElementType::Bf16 => bf16::from_f32(value).to_le_bytes().to_vec(),
            })
            .collect()
    }

    #[test]
    fn rows_come_back_from_every_source_and_order() {
        let types = [ElementType::F32, ElementType::F16, ElementType::Bf16];
        let shapes: [(&[usize], usize); 7] =
            [(&[1], 1), (&[16], 2), (&[17], 3), (&[5, 20, 9], 129), (&[40, 0, 3], 256), (&[3], 0), (&[], 0)];
        for threads in [1, 3] {
            let pool = ThreadPool::new(threads).expect("threads");
            for (outputs, num_inputs) in shapes {
                for source_type in types {
                    for packed_type in [ElementType::F32, ElementType::Bf16] {
                        for order in [MatrixOrder::OutputsFirst, MatrixOrder::InputsFirst] {
                            check(&pool, outputs, num_inputs, source_type, packed_type, order);
                        }
                    }
                }
            }
        }
    }

    fn check(
        pool: &ThreadPool,
        outputs: &[usize],
        num_inputs: usize,
        source_type: ElementType,
        packed_type: ElementType,
        order: MatrixOrder,
    ) {
        let mut expected = Vec::new();
        let mut stored = Vec::new();
        for (index, &num_outputs) in outputs.iter().enumerate() {
            let values = numbers(num_outputs * num_inputs, index as u64 + 1);
            // One stray byte in front, so that the elements are not aligned.
            let mut bytes = vec![0];
            bytes.extend(encode(&values, source_type));
            let mut exact = vec![0.0; values.len()];
            source_type.widen(&bytes[1..], &mut exact);
            for output in 0..num_outputs {
                expected.push(
                    (0..num_inputs)
                        .map(|input| match order {
                            MatrixOrder::OutputsFirst => exact[output * num_inputs + input],
                            MatrixOrder::InputsFirst => exact[input * num_outputs + output],
                        })
                        .map(|value| match packed_type {
                            ElementType::F32 => value,
                            _ => bf16::from_f32(value).to_f32(),
                        })
                        .collect::<Vec<f32>>(),
                );
            }
            stored.push((bytes, num_outputs));
        }
        let sources: Vec<MatrixSource<'_>> = stored
            .iter()
            .map(|(bytes, num_outputs)| {
                let (bytes, num_outputs) = (&bytes[1..], *num_outputs);
                MatrixSource { bytes, dtype: source_type, order, num_outputs, num_inputs }
            })
            .collect();
        let packed = PackedMatrix::pack(pool, &sources, packed_type).expect("fits");
        assert_eq!(packed.num_outputs(), expected.len());
        for (index, expected) in expected.iter().enumerate() {
            let mut row = vec![9.0; num_inputs];
            packed.row(index, &mut row);
            assert_eq!(&row, expected, "row {index} of {outputs:?} x {num_inputs}, {source_type} {order:?}");
        }
    }

    #[test]
    fn sources_that_do_not_fit_are_errors() {
        let pool = ThreadPool::new(1).expect("threads");
        let source = |bytes, num_outputs, num_inputs| MatrixSource {
            bytes,
            dtype: ElementType::F32,
            order: MatrixOrder::OutputsFirst,
            num_outputs,
            num_inputs,
        };
        let bytes = [0_u8; 24];
        let short = PackedMatrix::pack(&pool, &[source(&bytes, 2, 4)], ElementType::F32);
        assert!(matches!(short, Err(KernelsError::SourceLength { expected: 32, actual: 24, .. })), "{short:?}");
        let mixed = PackedMatrix::pack(&pool, &[source(&bytes, 2, 3), source(&bytes, 3, 2)], ElementType::F32);
        assert!(matches!(mixed, Err(KernelsError::SourceFeatures { expected: 3, actual: 2 })), "{mixed:?}");
        let huge = PackedMatrix::pack(&pool, &[source(&bytes, usize::MAX, 3)], ElementType::F32);
        assert!(matches!(huge, Err(KernelsError::SizeOverflow { .. })), "{huge:?}");
    }
}
