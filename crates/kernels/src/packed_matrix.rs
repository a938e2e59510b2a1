//! Weights laid out for the kernels: panels of sixteen outputs, so that one vector load feeds sixteen results and every
//! number of rows, from one to hundreds, reads the same bytes in the same order.
//!
//! What a panel looks like inside is told by `element_panels.rs`, `quantised/regions.rs` and `int8/panels.rs`. Outputs are padded to 16.

use crate::{
    AlignedBuffer, ElementType, KernelsError, MatrixSource, ProductWork, ThreadPool, WeightFormat,
    disjoint::Disjoint,
    element_panels, int8,
    lanes::LANES,
    quantised::{self, form::BlockForm},
};

/// Outputs of one panel.
pub const PANEL_OUTPUTS: usize = LANES;

/// A weight matrix [outputs, inputs] in panels of sixteen outputs.
#[derive(Debug)]
pub struct PackedMatrix {
    num_outputs: usize,
    num_inputs: usize,
    segments: Vec<Segment>,
}

/// Outputs that follow each other and are packed alike.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) first_output: usize,
    pub(crate) num_outputs: usize,
    pub(crate) form: PanelForm,
    /// Bytes from one panel to the next.
    pub(crate) panel_bytes: usize,
    data: AlignedBuffer,
}

/// What a panel is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PanelForm {
    Elements(ElementType),
    Blocks(BlockForm),
    Int8,
}

impl PackedMatrix {
    /// Packs one matrix, or several stacked along their outputs (fused q, k and v; gate and up), each as it says. Those that
    /// follow each other and are packed alike share panels.
    ///
    /// Panics on a source whose [`packed`](MatrixSource::packed) is neither its own blocks nor
    /// [possible](WeightFormat::can_pack).
    ///
    /// # Errors
    /// [`KernelsError::SourceLength`], [`KernelsError::SourceBlocks`] or [`KernelsError::SourceFeatures`] for sources whose
    /// sizes do not fit, [`KernelsError::OutOfMemory`] or [`KernelsError::SizeOverflow`] when there is no room.
    pub fn pack(pool: &ThreadPool, sources: &[MatrixSource<'_>]) -> Result<PackedMatrix, KernelsError> {
        let num_inputs = sources.first().map_or(0, |source| source.num_inputs);
        let mut num_outputs = 0_usize;
        for source in sources {
            source.validate(num_inputs)?;
            num_outputs = num_outputs.saturating_add(source.num_outputs);
        }
        let mut segments = Vec::new();
        let mut first_output = 0;
        for alike in sources.chunk_by(|one, other| PanelForm::of(one.packed) == PanelForm::of(other.packed)) {
            let segment = Segment::pack(pool, alike, first_output)?;
            first_output += segment.num_outputs;
            segments.push(segment);
        }
        Ok(PackedMatrix { num_outputs, num_inputs, segments })
    }

    /// Output features (n).
    pub fn num_outputs(&self) -> usize {
        self.num_outputs
    }

    /// Input features (k).
    pub fn num_inputs(&self) -> usize {
        self.num_inputs
    }

    /// Memory that a matrix [outputs, inputs] takes whose weights are packed as `packed`; `None` when it cannot be counted.
    pub fn bytes_of(packed: WeightFormat, num_outputs: usize, num_inputs: usize) -> Option<usize> {
        PanelForm::of(packed).panel_bytes(num_inputs)?.checked_mul(num_outputs.div_ceil(LANES))
    }

    /// Memory taken, padding included.
    pub fn size_bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.data.len_bytes()).sum()
    }

    /// What one row times this matrix reads and computes.
    pub fn work_per_row(&self) -> ProductWork {
        self.segments.iter().fold(ProductWork::default(), |sum, segment| {
            let operations = 2 * segment.num_outputs as u64 * self.num_inputs as u64;
            let read = ProductWork { weight_bytes: segment.data.len_bytes() as u64, ..ProductWork::default() };
            sum.and(match segment.form {
                PanelForm::Elements(ElementType::Bf16) => ProductWork { bf16_operations: operations, ..read },
                PanelForm::Elements(ElementType::F32 | ElementType::F16) => {
                    ProductWork { f32_operations: operations, ..read }
                }
                PanelForm::Blocks(_) | PanelForm::Int8 => ProductWork { int8_operations: operations, ..read },
            })
        })
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Gathers the weights of one output, [inputs]: a row of a (tied) embedding table.
    ///
    /// Panics on an index past the outputs or an `out` of another length.
    pub fn row(&self, index: usize, out: &mut [f32]) {
        assert!(index < self.num_outputs, "row {index} of {}; this is a bug", self.num_outputs);
        assert_eq!(out.len(), self.num_inputs, "row: out is not [inputs]; this is a bug");
        let ends_behind = |segment: &&Segment| index < segment.first_output + segment.num_outputs;
        let segment =
            self.segments.iter().find(ends_behind).expect("segments have all outputs; otherwise this is a bug");
        let output = index - segment.first_output;
        let panel = &segment.data.bytes()[output / LANES * segment.panel_bytes..][..segment.panel_bytes];
        match segment.form {
            PanelForm::Elements(dtype) => element_panels::gather(panel, dtype, output % LANES, out),
            PanelForm::Blocks(form) => quantised::panels::gather(panel, form, output % LANES, out),
            PanelForm::Int8 => int8::panels::gather(panel, output % LANES, out),
        }
    }
}

impl PanelForm {
    fn of(format: WeightFormat) -> PanelForm {
        match format {
            WeightFormat::Elements(dtype) => PanelForm::Elements(dtype),
            WeightFormat::Blocks(format) => PanelForm::Blocks(BlockForm::of(format)),
            WeightFormat::Int8 => PanelForm::Int8,
        }
    }

    /// Bytes of a panel; `None` when they cannot be counted.
    fn panel_bytes(self, num_inputs: usize) -> Option<usize> {
        match self {
            PanelForm::Elements(dtype) => element_panels::panel_bytes(dtype, num_inputs),
            PanelForm::Blocks(form) => quantised::panels::panel_bytes(form, num_inputs),
            PanelForm::Int8 => int8::panels::panel_bytes(num_inputs),
        }
    }
}

impl Segment {
    /// `sources` is not empty.
    fn pack(pool: &ThreadPool, sources: &[MatrixSource<'_>], first_output: usize) -> Result<Segment, KernelsError> {
        let (num_inputs, form) = (sources[0].num_inputs, PanelForm::of(sources[0].packed));
        let num_outputs = sources.iter().fold(0_usize, |outputs, source| outputs.saturating_add(source.num_outputs));
        let overflow = || KernelsError::SizeOverflow {
            count: num_outputs.saturating_mul(num_inputs),
            element_bytes: size_of::<f32>(),
        };
        let panel_bytes = form.panel_bytes(num_inputs).ok_or_else(overflow)?;
        let num_panels = num_outputs.div_ceil(LANES);
        let mut data = AlignedBuffer::zeroed(num_panels.checked_mul(panel_bytes).ok_or_else(overflow)?)?;
        let shared = Disjoint::new(data.bytes_mut());
        pool.run(num_panels, 4, &|panels| {
            for panel in panels {
                // SAFETY: panels are disjoint, and the pool hands each out once.
                let target = unsafe { shared.range(panel * panel_bytes..(panel + 1) * panel_bytes) };
                match form {
                    PanelForm::Elements(dtype) => element_panels::pack_panel(sources, panel, dtype, target),
                    PanelForm::Blocks(form) => quantised::panels::pack_panel(sources, panel, form, target),
                    PanelForm::Int8 => int8::panels::pack_panel(sources, panel, target),
                }
            }
        });
        Ok(Segment { first_output, num_outputs, form, panel_bytes, data })
    }

    /// The panels.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.data.bytes()
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};
    use quire_blocks::{BlockFormat, QUANTISED_FORMATS, WEIGHTED_FORMATS, dequantise, quantise, quantise_weighted};

    use super::*;
    use crate::{
        MatrixOrder,
        testing::{numbers, stored_blocks},
    };

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
            .map(|(bytes, num_outputs)| MatrixSource {
                bytes: &bytes[1..],
                stored: WeightFormat::Elements(source_type),
                packed: WeightFormat::Elements(packed_type),
                order,
                num_outputs: *num_outputs,
                num_inputs,
                importance: None,
            })
            .collect();
        let what = format!("{outputs:?} x {num_inputs}, {source_type} {order:?}");
        check_rows(&PackedMatrix::pack(pool, &sources).expect("fits"), &expected, &what);
    }

    fn check_rows(packed: &PackedMatrix, expected: &[Vec<f32>], what: &str) {
        assert_eq!(packed.num_outputs(), expected.len());
        for (index, expected) in expected.iter().enumerate() {
            let mut row = vec![9.0; packed.num_inputs()];
            packed.row(index, &mut row);
            assert_eq!(&row, expected, "row {index} of {what}");
        }
    }

    /// Rows of one source in blocks, and the numbers that they stand for.
    fn blocks(format: BlockFormat, num_outputs: usize, num_inputs: usize) -> (Vec<u8>, Vec<Vec<f32>>) {
        let bytes = stored_blocks(format, num_outputs * num_inputs, 5);
        let mut values = vec![0.0; num_outputs * num_inputs];
        dequantise(format, &bytes, &mut values);
        (bytes, values.chunks(num_inputs).map(<[f32]>::to_vec).collect())
    }

    #[test]
    fn rows_of_blocks_come_back_to_the_bit_however_they_are_stacked() {
        let (num_inputs, outputs) = (768, 21);
        let pool = ThreadPool::new(2).expect("threads");
        let all: Vec<(BlockFormat, Vec<u8>, Vec<Vec<f32>>)> = BlockFormat::all()
            .map(|format| {
                let (bytes, rows) = blocks(format, outputs, num_inputs);
                (format, bytes, rows)
            })
            .collect();
        let source = |(format, bytes, _): &'_ (BlockFormat, Vec<u8>, Vec<Vec<f32>>)| {
            let format = WeightFormat::Blocks(*format);
            (format, bytes.clone())
        };
        let stored: Vec<(WeightFormat, Vec<u8>)> = all.iter().map(source).collect();
        let sources: Vec<MatrixSource<'_>> = stored
            .iter()
            .map(|(format, bytes)| MatrixSource {
                bytes,
                stored: *format,
                packed: *format,
                order: MatrixOrder::OutputsFirst,
                num_outputs: outputs,
                num_inputs,
                importance: None,
            })
            .collect();
        for (source, (format, _, rows)) in sources.iter().zip(&all) {
            check_rows(&PackedMatrix::pack(&pool, &[*source]).expect("fits"), rows, format.name());
            // Widened: the same numbers in f32.
            let widened = MatrixSource { packed: WeightFormat::Elements(ElementType::F32), ..*source };
            check_rows(&PackedMatrix::pack(&pool, &[widened]).expect("fits"), rows, format.name());
        }
        let stacked: Vec<Vec<f32>> = all.iter().flat_map(|(_, _, rows)| rows.clone()).collect();
        check_rows(&PackedMatrix::pack(&pool, &sources).expect("fits"), &stacked, "all formats");
    }

    #[test]
    fn blocks_are_made_of_elements_in_either_order() {
        let (num_outputs, num_inputs) = (19, 512);
        let pool = ThreadPool::new(1).expect("threads");
        let values = numbers(num_outputs * num_inputs, 8);
        let transposed: Vec<f32> = (0..num_inputs * num_outputs)
            .map(|index| values[index % num_outputs * num_inputs + index / num_outputs])
            .collect();
        let importance: Vec<f32> = (0..num_inputs).map(|input| if input % 5 == 0 { 4.0 } else { 0.25 }).collect();
        for format in QUANTISED_FORMATS {
            let rows_of = |bytes: &[u8]| -> Vec<Vec<f32>> {
                let mut rows = vec![0.0; values.len()];
                dequantise(format, bytes, &mut rows);
                rows.chunks(num_inputs).map(<[f32]>::to_vec).collect()
            };
            let mut bytes = vec![0; format.bytes_of(values.len()).expect("whole blocks")];
            quantise(format, &values, &mut bytes);
            let plain = rows_of(&bytes);
            let row_bytes = bytes.len() / num_outputs;
            for (row, bytes) in values.chunks(num_inputs).zip(bytes.chunks_mut(row_bytes)) {
                quantise_weighted(format, row, &importance, bytes);
            }
            let weighted = rows_of(&bytes);
            assert_eq!(plain != weighted, WEIGHTED_FORMATS.contains(&format), "{format}");
            for (order, values) in [(MatrixOrder::OutputsFirst, &values), (MatrixOrder::InputsFirst, &transposed)] {
                for (importance, expected) in [(None, &plain), (Some(importance.as_slice()), &weighted)] {
                    let source = MatrixSource {
                        bytes: &encode(values, ElementType::F32),
                        stored: WeightFormat::Elements(ElementType::F32),
                        packed: WeightFormat::Blocks(format),
                        order,
                        num_outputs,
                        num_inputs,
                        importance,
                    };
                    let packed = PackedMatrix::pack(&pool, &[source]).expect("fits");
                    check_rows(&packed, expected, &format!("{format} {order:?}"));
                }
            }
        }
    }

    #[test]
    fn a_row_is_multiplied_with_every_weight_once() {
        let bytes = vec![0_u8; 40 * 32 * 4];
        let source = |packed, num_outputs| MatrixSource {
            bytes: &bytes[..num_outputs * 32 * 4],
            stored: WeightFormat::Elements(ElementType::F32),
            packed,
            order: MatrixOrder::OutputsFirst,
            num_outputs,
            num_inputs: 32,
            importance: None,
        };
        let sources = [
            source(WeightFormat::Elements(ElementType::F32), 40),
            source(WeightFormat::Elements(ElementType::Bf16), 7),
            source(WeightFormat::Blocks(BlockFormat::Q4_0), 16),
            source(WeightFormat::Int8, 5),
        ];
        let packed = PackedMatrix::pack(&ThreadPool::new(1).expect("threads"), &sources).expect("fits");
        let expected = ProductWork {
            weight_bytes: packed.size_bytes() as u64,
            f32_operations: 2 * 40 * 32,
            bf16_operations: 2 * 7 * 32,
            int8_operations: 2 * (16 + 5) * 32,
        };
        assert_eq!(packed.work_per_row(), expected);
    }

    #[test]
    fn sources_that_do_not_fit_are_errors() {
        let pool = ThreadPool::new(1).expect("threads");
        let source = |bytes, num_outputs, num_inputs| MatrixSource {
            bytes,
            stored: WeightFormat::Elements(ElementType::F32),
            packed: WeightFormat::Elements(ElementType::F32),
            order: MatrixOrder::OutputsFirst,
            num_outputs,
            num_inputs,
            importance: None,
        };
        let bytes = [0_u8; 24];
        let short = PackedMatrix::pack(&pool, &[source(&bytes, 2, 4)]);
        assert!(matches!(short, Err(KernelsError::SourceLength { expected: 32, actual: 24, .. })), "{short:?}");
        let mixed = PackedMatrix::pack(&pool, &[source(&bytes, 2, 3), source(&bytes, 3, 2)]);
        assert!(matches!(mixed, Err(KernelsError::SourceFeatures { expected: 3, actual: 2 })), "{mixed:?}");
        let huge = PackedMatrix::pack(&pool, &[source(&bytes, usize::MAX, 3)]);
        assert!(matches!(huge, Err(KernelsError::SizeOverflow { .. })), "{huge:?}");

        let format = WeightFormat::Blocks(BlockFormat::Q8_0);
        let blocks = |num_outputs, num_inputs| MatrixSource {
            stored: format,
            packed: format,
            ..source(&bytes, num_outputs, num_inputs)
        };
        let short = PackedMatrix::pack(&pool, &[blocks(1, 32)]);
        assert!(matches!(short, Err(KernelsError::SourceLength { expected: 34, actual: 24, .. })), "{short:?}");
        let ragged = PackedMatrix::pack(&pool, &[blocks(2, 33)]);
        assert!(matches!(ragged, Err(KernelsError::SourceBlocks { columns: 33, block_len: 32, .. })), "{ragged:?}");
        let huge = PackedMatrix::pack(&pool, &[blocks(usize::MAX / 2, 64)]);
        assert!(matches!(huge, Err(KernelsError::SizeOverflow { .. })), "{huge:?}");
    }
}
