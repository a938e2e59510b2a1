//! Stored matrices: bytes of any alignment, as in a mapped file, and how they are read sixteen outputs at a time.

use std::{fmt, ops::Range};

use quire_blocks::{BlockFormat, QUANTISED_FORMATS, dequantise};

use crate::{ElementType, KernelsError, int8::MOST_INPUTS, lanes::LANES};

/// In which order a stored matrix has its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatrixOrder {
    /// [outputs, inputs]: a linear layer as most checkpoints store it.
    OutputsFirst,
    /// [inputs, outputs]: the transposed layer of GPT-2's Conv1D.
    InputsFirst,
}

/// What weights are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightFormat {
    /// A number for each weight.
    Elements(ElementType),
    /// Blocks of consecutive inputs of one output.
    Blocks(BlockFormat),
    /// A float32 scale for each output, and behind it a signed byte for each weight.
    Int8,
}

/// A stored matrix, and what it is to be packed as.
#[derive(Clone, Copy, Debug)]
pub struct MatrixSource<'a> {
    /// The weights, little-endian.
    pub bytes: &'a [u8],
    /// What they are made of; blocks and bytes lie along the inputs, so they come with [`MatrixOrder::OutputsFirst`] only.
    pub stored: WeightFormat,
    /// What they are packed as: f32, bf16, the very blocks that are stored, or blocks or bytes that are made here.
    pub packed: WeightFormat,
    /// Their order.
    pub order: MatrixOrder,
    /// Output features.
    pub num_outputs: usize,
    /// Input features.
    pub num_inputs: usize,
    /// How much an error in each input's weights counts where blocks are made, as [`quantise_weighted`] takes it; `None` = all
    /// alike. [inputs]
    ///
    /// [`quantise_weighted`]: quire_blocks::quantise_weighted
    pub importance: Option<&'a [f32]>,
}

/// Bytes of the scale in front of a row of bytes.
const INT8_SCALE_BYTES: usize = size_of::<f32>();

/// Four bytes of each of a panel's outputs.
pub(crate) const PANEL_LINE_BYTES: usize = 4 * LANES;

/// Inputs widened at a time: a multiple of every group and of every block.
pub(crate) const CHUNK_INPUTS: usize = 256;

impl WeightFormat {
    /// Whether matrices of so many inputs can be packed as this: elements always, blocks of some formats where they fit, bytes
    /// unless there are more inputs than sums of 32 bits hold.
    pub fn can_pack(self, num_inputs: usize) -> bool {
        match self {
            WeightFormat::Elements(dtype) => dtype != ElementType::F16,
            WeightFormat::Blocks(format) => {
                QUANTISED_FORMATS.contains(&format) && num_inputs.is_multiple_of(format.block_len())
            }
            WeightFormat::Int8 => num_inputs <= MOST_INPUTS,
        }
    }

    /// Bytes of one row; `None` where it is not whole blocks, or too long to count.
    pub(crate) fn row_bytes(self, num_inputs: usize) -> Option<usize> {
        match self {
            WeightFormat::Elements(dtype) => num_inputs.checked_mul(dtype.size_bytes()),
            WeightFormat::Blocks(format) => format.bytes_of(num_inputs),
            WeightFormat::Int8 => num_inputs.checked_add(INT8_SCALE_BYTES),
        }
    }
}

impl fmt::Display for WeightFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WeightFormat::Elements(dtype) => dtype.fmt(formatter),
            WeightFormat::Blocks(format) => format.fmt(formatter),
            WeightFormat::Int8 => formatter.write_str("int8"),
        }
    }
}

impl MatrixSource<'_> {
    /// Panics when it is to be packed as what nothing is packed as, which is not a mistake of a file.
    pub(crate) fn validate(&self, num_inputs: usize) -> Result<(), KernelsError> {
        let keeps = self.packed == self.stored && matches!(self.stored, WeightFormat::Blocks(_));
        assert!(
            keeps || self.packed.can_pack(self.num_inputs),
            "{} of {} inputs can't be packed as {}; this is a bug",
            self.stored,
            self.num_inputs,
            self.packed
        );
        assert!(
            self.order == MatrixOrder::OutputsFirst || matches!(self.stored, WeightFormat::Elements(_)),
            "blocks across outputs; this is a bug"
        );
        assert!(
            self.importance.is_none_or(|importance| importance.len() == self.num_inputs),
            "importance of other inputs; this is a bug"
        );
        if self.num_inputs != num_inputs {
            return Err(KernelsError::SourceFeatures { expected: num_inputs, actual: self.num_inputs });
        }
        let (rows, columns) = match self.order {
            MatrixOrder::OutputsFirst => (self.num_outputs, self.num_inputs),
            MatrixOrder::InputsFirst => (self.num_inputs, self.num_outputs),
        };
        if let WeightFormat::Blocks(format) = self.stored
            && !columns.is_multiple_of(format.block_len())
        {
            return Err(KernelsError::SourceBlocks { columns, block_len: format.block_len(), format });
        }
        let expected = self.stored.row_bytes(columns).and_then(|bytes| bytes.checked_mul(rows)).ok_or(
            KernelsError::SizeOverflow { count: rows.saturating_mul(columns), element_bytes: size_of::<f32>() },
        )?;
        if self.bytes.len() != expected {
            let (format, actual) = (self.stored, self.bytes.len());
            return Err(KernelsError::SourceLength { rows, columns, format, expected, actual });
        }
        Ok(())
    }

    /// The scale and the bytes of one output.
    ///
    /// Panics unless bytes are what is stored.
    pub(crate) fn int8_row(&self, output: usize) -> (f32, &[u8]) {
        assert_eq!(self.stored, WeightFormat::Int8, "a row of bytes of other numbers; this is a bug");
        let row = &self.bytes[output * (INT8_SCALE_BYTES + self.num_inputs)..][..INT8_SCALE_BYTES + self.num_inputs];
        let (scale, levels) = row.split_at(INT8_SCALE_BYTES);
        (f32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]), levels)
    }

    /// The stored bytes of `inputs` of one output: whole blocks, or elements in [`MatrixOrder::OutputsFirst`].
    pub(crate) fn stored_bytes(&self, output: usize, inputs: &Range<usize>) -> &[u8] {
        let bytes_of = |count| self.stored.row_bytes(count).expect("sources are whole blocks; otherwise this is a bug");
        let start = output * bytes_of(self.num_inputs) + bytes_of(inputs.start);
        &self.bytes[start..start + bytes_of(inputs.len())]
    }

    /// Widens a block of `outputs` x `inputs` into `block`, one row of inputs per output. `inputs` begin at a multiple of
    /// [`CHUNK_INPUTS`].
    pub(crate) fn widen_block(&self, outputs: Range<usize>, inputs: Range<usize>, block: &mut [[f32; CHUNK_INPUTS]]) {
        match (self.order, self.stored) {
            (MatrixOrder::OutputsFirst, WeightFormat::Elements(dtype)) => {
                for (output, row) in outputs.zip(block) {
                    dtype.widen(self.stored_bytes(output, &inputs), &mut row[..inputs.len()]);
                }
            }
            (_, WeightFormat::Blocks(format)) => {
                for (output, row) in outputs.zip(block) {
                    dequantise(format, self.stored_bytes(output, &inputs), &mut row[..inputs.len()]);
                }
            }
            (_, WeightFormat::Int8) => {
                for (output, row) in outputs.zip(block) {
                    let (scale, levels) = self.int8_row(output);
                    for (value, level) in row.iter_mut().zip(&levels[inputs.clone()]) {
                        *value = scale * f32::from(*level as i8);
                    }
                }
            }
            (MatrixOrder::InputsFirst, WeightFormat::Elements(dtype)) => {
                let size = dtype.size_bytes();
                let mut values = [0.0; LANES];
                let values = &mut values[..outputs.len()];
                for (column, input) in inputs.enumerate() {
                    let start = (input * self.num_outputs + outputs.start) * size;
                    dtype.widen(&self.bytes[start..start + values.len() * size], values);
                    for (row, value) in block.iter_mut().zip(&*values) {
                        row[column] = *value;
                    }
                }
            }
        }
    }
}

/// A part of a source: outputs `outputs` of it, which are the lanes `lanes` of a panel.
pub(crate) struct PanelPart<'a> {
    pub(crate) source: &'a MatrixSource<'a>,
    pub(crate) outputs: Range<usize>,
    pub(crate) lanes: Range<usize>,
}

/// The parts of stacked sources that lie in a panel.
pub(crate) fn panel_parts<'a>(
    sources: &'a [MatrixSource<'a>],
    panel: usize,
) -> impl Iterator<Item = PanelPart<'a>> + Clone {
    let mut source_start = 0;
    sources.iter().filter_map(move |source| {
        let start = source_start;
        source_start += source.num_outputs;
        let first = start.max(panel * LANES);
        let end = source_start.min((panel + 1) * LANES);
        (first < end).then(|| PanelPart {
            source,
            outputs: first - start..end - start,
            lanes: first - panel * LANES..end - panel * LANES,
        })
    })
}
