//! Quantised weights as the kernels take them: rows of bytes where they were meant so, blocks with the same levels where scales
//! fit them, else blocks of eight bits, or numbers.

use quire_blocks::{BlockFormat, quantise};

use super::QuantisedTensor;
use super::float8::E4M3;
use super::grid::floats;
use super::levels::{Packing, TILE};
use super::tensor::{Numbers, Read};
use crate::{DType, QuantisedProblem, StoredFormat, WeightsError};

/// What a weight that several tensors make is wanted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightForm {
    /// Rows of bytes where these are what is stored, and activations are meant to be rounded to bytes token by token; else as
    /// [`WeightForm::Blocks`].
    Quantised,
    /// Blocks where rows are whole ones, as many bits as are stored or eight.
    Blocks,
    /// The numbers that are meant, as float32.
    Numbers,
}

/// Values of a block, for formats of 32.
const BLOCK: usize = 32;

/// The largest number of IEEE 754 binary16.
const LARGEST_HALF: f32 = 65_504.0;

/// A weight whose parts have been read.
struct Opened<'a> {
    tensor: &'a QuantisedTensor,
    stored: &'a [u8],
    scales: Vec<f32>,
    /// The level of 0 of each output and group.
    zeros: Vec<u8>,
    /// The group of each input; none where they lie in order.
    groups: Vec<u32>,
}

/// The format and bytes of `tensor` in the wanted form, row after row.
pub(crate) fn convert(
    tensor: &QuantisedTensor,
    form: WeightForm,
    read: Read<'_, '_>,
) -> Result<(StoredFormat, Vec<u8>), WeightsError> {
    let first = tensor.parts().next().map(read).transpose()?;
    let scales = floats(&tensor.scales, read(&tensor.scales)?.as_slice());
    let (mut zeros, mut groups) = (Vec::new(), Vec::new());
    if let Numbers::Levels { packing, zeros: stored, groups: stored_groups, .. } = &tensor.numbers {
        let bytes = stored.part().map(read).transpose()?;
        let bytes = bytes.as_ref().map_or(&[][..], |bytes| bytes.as_slice());
        zeros = stored.unpack(bytes, packing.bits(), [tensor.shape[0], tensor.grid.num_groups]);
        if let Some(part) = stored_groups {
            groups = read_groups(tensor, part, read(part)?.as_slice())?;
        }
    }
    let stored = first.as_ref().map_or(&[][..], |bytes| bytes.as_slice());
    let opened = Opened { tensor, stored, scales, zeros, groups };
    let mut bytes = Vec::new();
    if form == WeightForm::Quantised && opened.keeps_rows() {
        opened.write_rows(&mut bytes);
        return Ok((StoredFormat::Int8, bytes));
    }
    let format = match form {
        WeightForm::Quantised | WeightForm::Blocks => opened.block_format(),
        WeightForm::Numbers => None,
    };
    opened.write(format, &mut bytes);
    Ok((format.map_or(StoredFormat::Elements(DType::F32), StoredFormat::Blocks), bytes))
}

/// The group of each input; none if that is where it lies.
fn read_groups(tensor: &QuantisedTensor, part: &super::parts::Part, bytes: &[u8]) -> Result<Vec<u32>, WeightsError> {
    let num_groups = tensor.grid.num_groups;
    let mut groups = Vec::with_capacity(tensor.shape[1]);
    let mut in_order = true;
    for (input, &word) in bytes.as_chunks::<4>().0.iter().enumerate() {
        let found = i32::from_le_bytes(word);
        let group = usize::try_from(found).ok().filter(|&group| group < num_groups);
        let group = group.ok_or_else(|| part.invalid(QuantisedProblem::Group { input, found, num_groups }))?;
        in_order &= group == tensor.grid.group_of(input);
        groups.push(group as u32);
    }
    Ok(if in_order { Vec::new() } else { groups })
}

impl Opened<'_> {
    /// The blocks that hold the weight; `None` where rows are no whole blocks, or numbers are too large for them.
    fn block_format(&self) -> Option<BlockFormat> {
        let (grid, inputs) = (&self.tensor.grid, self.tensor.shape[1]);
        let largest = self.scales.iter().fold(0.0, |largest: f32, scale| largest.max(scale.abs()));
        let has_nan = self.scales.iter().any(|scale| scale.is_nan());
        let most = match &self.tensor.numbers {
            Numbers::Levels { packing, .. } => (1u32 << packing.bits()) as f32,
            Numbers::Floats(_) => 448.0,
        };
        if !inputs.is_multiple_of(BLOCK) || has_nan || largest * most > LARGEST_HALF {
            return None;
        }
        let Numbers::Levels { packing, .. } = &self.tensor.numbers else { return Some(BlockFormat::Q8_0) };
        let in_blocks = self.groups.is_empty() && (grid.num_groups == 1 || grid.inputs_per.is_multiple_of(BLOCK));
        Some(match (in_blocks, packing.bits(), self.zeros_are_in_the_middle()) {
            (true, 4, true) => BlockFormat::Q4_0,
            (true, 4, false) => BlockFormat::Q4_1,
            _ => BlockFormat::Q8_0,
        })
    }

    fn zeros_are_in_the_middle(&self) -> bool {
        match &self.tensor.numbers {
            Numbers::Levels { packing, .. } => self.zeros.iter().all(|&zero| zero == 1 << (packing.bits() - 1)),
            Numbers::Floats(_) => false,
        }
    }

    /// Whether the stored levels are those of blocks of eight bits.
    fn keeps_bytes(&self) -> bool {
        let grid = &self.tensor.grid;
        let in_blocks = grid.num_groups == 1 || grid.inputs_per.is_multiple_of(BLOCK);
        matches!(&self.tensor.numbers, Numbers::Levels { packing, .. } if packing.bits() == 8)
            && self.groups.is_empty()
            && in_blocks
            && self.zeros_are_in_the_middle()
    }

    /// Whether the stored bytes are rows with one scale each, or one for all, and activations are meant to go with them.
    fn keeps_rows(&self) -> bool {
        let is_bytes = matches!(&self.tensor.numbers, Numbers::Levels { packing: Packing::SignedBytes, .. });
        is_bytes
            && self.tensor.rounds_tokens
            && self.groups.is_empty()
            && self.tensor.grid.num_groups == 1
            && self.zeros_are_in_the_middle()
    }

    /// Rows of bytes, the scale of each in front.
    fn write_rows(&self, out: &mut Vec<u8>) {
        let [outputs, inputs] = self.tensor.shape;
        out.reserve_exact(outputs * (size_of::<f32>() + inputs));
        for (output, levels) in self.stored.chunks_exact(inputs).enumerate() {
            out.extend(self.scale_and_zero(output, 0).0.to_le_bytes());
            out.extend(levels);
        }
    }

    fn write(&self, format: Option<BlockFormat>, out: &mut Vec<u8>) {
        let [outputs, inputs] = self.tensor.shape;
        let row_bytes = match format {
            Some(format) => inputs / format.block_len() * format.block_bytes(),
            None => inputs * size_of::<f32>(),
        };
        out.resize(outputs * row_bytes, 0);
        let keeps_bytes = self.keeps_bytes();
        let mut tile = vec![0; TILE * inputs];
        let mut values = vec![0.0; inputs];
        for first in (0..outputs).step_by(TILE) {
            let range = first..outputs.min(first + TILE);
            let is_float = match &self.tensor.numbers {
                Numbers::Levels { packing, .. } => {
                    packing.read(self.stored, self.tensor.shape, range.clone(), &mut tile);
                    false
                }
                Numbers::Floats(_) => {
                    let stored = &self.stored[range.start * inputs..range.end * inputs];
                    tile[..stored.len()].copy_from_slice(stored);
                    true
                }
            };
            for (lane, output) in range.enumerate() {
                let levels = &tile[lane * inputs..][..inputs];
                let row = &mut out[output * row_bytes..][..row_bytes];
                match format {
                    Some(BlockFormat::Q4_0 | BlockFormat::Q4_1) => self.write_nibbles(output, levels, row),
                    Some(BlockFormat::Q8_0) if keeps_bytes => self.write_bytes(output, levels, row),
                    _ => {
                        self.widen(output, levels, is_float, &mut values);
                        match format {
                            Some(format) => quantise(format, &values, row),
                            None => row
                                .as_chunks_mut::<4>()
                                .0
                                .iter_mut()
                                .zip(&values)
                                .for_each(|(bytes, value)| *bytes = value.to_le_bytes()),
                        }
                    }
                }
            }
        }
    }

    /// Blocks of four bits: a scale, the least value where zeros are not in the middle, and the very levels.
    fn write_nibbles(&self, output: usize, levels: &[u8], row: &mut [u8]) {
        let num_blocks = levels.len() / BLOCK;
        let block_bytes = row.len() / num_blocks;
        for (index, (levels, block)) in
            levels.as_chunks::<BLOCK>().0.iter().zip(row.chunks_exact_mut(block_bytes)).enumerate()
        {
            let (scale, zero) = self.scale_and_zero(output, self.tensor.grid.group_of(index * BLOCK));
            put_half(block, scale);
            let packed = if block_bytes > BLOCK / 2 + 2 {
                put_half(&mut block[2..], -scale * f32::from(zero));
                &mut block[4..]
            } else {
                &mut block[2..]
            };
            for (byte, (low, high)) in packed.iter_mut().zip(levels.iter().zip(&levels[BLOCK / 2..])) {
                *byte = low | (high << 4);
            }
        }
    }

    /// Blocks of eight bits with the very levels.
    fn write_bytes(&self, output: usize, levels: &[u8], row: &mut [u8]) {
        let block_bytes = BlockFormat::Q8_0.block_bytes();
        for (index, (levels, block)) in
            levels.as_chunks::<BLOCK>().0.iter().zip(row.chunks_exact_mut(block_bytes)).enumerate()
        {
            put_half(block, self.scale_and_zero(output, self.tensor.grid.group_of(index * BLOCK)).0);
            for (byte, level) in block[2..].iter_mut().zip(levels) {
                *byte = level ^ 0x80;
            }
        }
    }

    /// The numbers of a row.
    fn widen(&self, output: usize, levels: &[u8], is_float: bool, values: &mut [f32]) {
        let grid = &self.tensor.grid;
        if !self.groups.is_empty() {
            for ((value, &level), &group) in values.iter_mut().zip(levels).zip(&self.groups) {
                let (scale, zero) = self.scale_and_zero(output, group as usize);
                *value = scale * (f32::from(level) - f32::from(zero));
            }
            return;
        }
        let groups = levels.chunks(grid.inputs_per).zip(values.chunks_mut(grid.inputs_per));
        for (group, (levels, values)) in groups.enumerate() {
            if is_float {
                let scale = grid.at(&self.scales, output, group);
                values.iter_mut().zip(levels).for_each(|(value, &byte)| *value = scale * E4M3[usize::from(byte)]);
            } else {
                let (scale, zero) = self.scale_and_zero(output, group);
                let of = |level: u8| scale * (f32::from(level) - f32::from(zero));
                values.iter_mut().zip(levels).for_each(|(value, &level)| *value = of(level));
            }
        }
    }

    fn scale_and_zero(&self, output: usize, group: usize) -> (f32, u8) {
        let zero = self.zeros[output * self.tensor.grid.num_groups + group];
        (self.tensor.grid.at(&self.scales, output, group), zero)
    }
}

fn put_half(bytes: &mut [u8], value: f32) {
    bytes[..2].copy_from_slice(&half::f16::from_f32(value).to_le_bytes());
}
