//! Which tensors of a checkpoint make a quantised weight, by its scheme; their formats and shapes are checked against each
//! other before anything is read.

use std::collections::BTreeMap;

use super::grid::Grid;
use super::levels::Packing;
use super::parts::{Layer, Part, Tensors};
use super::scheme::{QuantisationScheme, StatedGrids};
use super::zeros::Zeros;
use crate::stored_tensor::StoredBytes;
use crate::{StoredFormat, WeightsError};
use quire_blocks::BlockFormat;

/// A weight `[outputs, inputs]` in several tensors.
#[derive(Clone, Debug)]
pub(crate) struct QuantisedTensor {
    pub(crate) shape: [usize; 2],
    pub(crate) numbers: Numbers,
    pub(crate) scales: Part,
    pub(crate) grid: Grid,
    /// Whether activations are meant to be rounded to bytes, with a scale for each token.
    pub(crate) rounds_tokens: bool,
}

/// What scales are multiplied with.
#[derive(Clone, Debug)]
pub(crate) enum Numbers {
    /// Whole numbers above that which stands for 0.
    Levels {
        part: Part,
        packing: Packing,
        zeros: Box<Zeros>,
        /// The group of each input, where they do not lie in order.
        groups: Option<Part>,
    },
    /// 8-bit floats.
    Floats(Part),
}

/// Reads the bytes of a part.
pub(crate) type Read<'r, 'b> = &'r dyn Fn(&Part) -> Result<StoredBytes<'b>, WeightsError>;

impl QuantisedTensor {
    /// The parts that have been found.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        let (first, zeros, groups) = match &self.numbers {
            Numbers::Levels { part, zeros, groups, .. } => (part, zeros.part(), groups.as_ref()),
            Numbers::Floats(part) => (part, None, None),
        };
        [Some(first), Some(&self.scales), zeros, groups].into_iter().flatten()
    }

    /// The format that is nearest to how the weight is stored.
    pub(crate) fn main_format(&self) -> StoredFormat {
        StoredFormat::Blocks(match &self.numbers {
            Numbers::Levels { packing, .. } if packing.bits() == 4 => BlockFormat::Q4_1,
            _ => BlockFormat::Q8_0,
        })
    }

    fn of_levels(part: Part, packing: Packing, shape: [usize; 2], scales: Part, grid: Grid) -> QuantisedTensor {
        QuantisedTensor {
            shape,
            numbers: Numbers::Levels { part, packing, zeros: Box::new(Zeros::Middle), groups: None },
            scales,
            grid,
            rounds_tokens: false,
        }
    }

    fn with_zeros(mut self, found: Zeros) -> QuantisedTensor {
        if let Numbers::Levels { zeros, .. } = &mut self.numbers {
            **zeros = found;
        }
        self
    }

    /// Groups of inputs by `part`, which has one for each.
    fn with_groups(mut self, part: Option<Part>) -> Result<QuantisedTensor, WeightsError> {
        let inputs = self.shape[1];
        if let Numbers::Levels { groups, .. } = &mut self.numbers {
            *groups = part.map(|part| part.expect_words()?.expect_shape(&[inputs])).transpose()?;
        }
        Ok(self)
    }
}

/// Takes the tensors of quantised weights out of `tensors`: what they make, by the weights' names.
pub(crate) fn assemble(
    scheme: &QuantisationScheme,
    tensors: &mut Tensors,
    read: Read<'_, '_>,
) -> Result<BTreeMap<String, QuantisedTensor>, WeightsError> {
    let ends: &[&str] = match scheme {
        QuantisationScheme::Gptq { .. } | QuantisationScheme::Awq { .. } => &[".qweight"],
        QuantisationScheme::CompressedTensors { .. } => &[".weight_packed", ".weight"],
        QuantisationScheme::Float8 { .. } => &[".weight"],
    };
    let prefixes: Vec<(String, &str)> = tensors
        .iter()
        .filter_map(|(name, (_, entry))| {
            let end = ends.iter().find(|&&end| name.ends_with(end))?;
            // A `weight` of plain numbers was left as it is.
            (*end != ".weight" || entry.format.is_none()).then(|| (name[..name.len() - end.len()].to_string(), *end))
        })
        .collect();
    let mut found = BTreeMap::new();
    for (prefix, end) in &prefixes {
        let layer = Layer { prefix, tensors };
        let tensor = match scheme {
            QuantisationScheme::Gptq { bits, group_size, zero_offset, act_order } => {
                gptq(layer, *bits, *group_size, *zero_offset, *act_order)?
            }
            QuantisationScheme::Awq { group_size } => awq(layer, *group_size)?,
            QuantisationScheme::CompressedTensors { packed_bits, grids, .. } if *end == ".weight_packed" => {
                compressed_words(layer, packed_bits, grids, read)?
            }
            QuantisationScheme::CompressedTensors { grids, rounds_tokens, .. } => {
                QuantisedTensor { rounds_tokens: *rounds_tokens, ..bytes(layer, None, grids)? }
            }
            QuantisationScheme::Float8 { block } => bytes(layer, *block, &StatedGrids::default())?,
        };
        found.insert(format!("{prefix}.weight"), tensor);
    }
    Ok(found)
}

fn gptq(
    mut layer: Layer<'_>,
    bits: u32,
    group_size: Option<usize>,
    zero_offset: u32,
    act_order: bool,
) -> Result<QuantisedTensor, WeightsError> {
    layer.expect_no_weight()?;
    let part = layer.part("qweight")?.expect_words()?;
    let ([rows, outputs], per_word) = (part.matrix()?, (32 / bits) as usize);
    let shape = [outputs, rows.saturating_mul(per_word)];
    let grid = Grid::groups_first(shape, group_size);
    let scales = layer.part("scales")?.expect_scales()?.expect_shape(&[grid.num_groups, outputs])?;
    let zeros = layer.part("qzeros")?.expect_words()?.expect_shape(&[grid.num_groups, outputs.div_ceil(per_word)])?;
    let groups = if act_order { Some(layer.part("g_idx")?) } else { layer.optional("g_idx") };
    QuantisedTensor::of_levels(part, Packing::InputsDown { bits }, shape, scales, grid)
        .with_zeros(Zeros::Across { part: zeros, offset: zero_offset })
        .with_groups(groups)
}

fn awq(mut layer: Layer<'_>, group_size: Option<usize>) -> Result<QuantisedTensor, WeightsError> {
    layer.expect_no_weight()?;
    let part = layer.part("qweight")?.expect_words()?;
    let [inputs, words] = part.matrix()?;
    let shape = [words.saturating_mul(8), inputs];
    let grid = Grid::groups_first(shape, group_size);
    let scales = layer.part("scales")?.expect_scales()?.expect_shape(&[grid.num_groups, shape[0]])?;
    let zeros = layer.part("qzeros")?.expect_words()?.expect_shape(&[grid.num_groups, words])?;
    Ok(QuantisedTensor::of_levels(part, Packing::OutputsAcross, shape, scales, grid)
        .with_zeros(Zeros::AwqAcross(zeros)))
}

/// `weight_packed`, `weight_scale`, `weight_shape`, and where they are there `weight_zero_point` and `weight_g_idx`.
fn compressed_words(
    mut layer: Layer<'_>,
    packed_bits: &[u32],
    grids: &StatedGrids,
    read: Read<'_, '_>,
) -> Result<QuantisedTensor, WeightsError> {
    layer.expect_no_weight()?;
    let part = layer.part("weight_packed")?.expect_words()?;
    let [outputs, words] = part.matrix()?;
    let stated = layer.part("weight_shape")?;
    let inputs = match read_sizes(&stated, read)? {
        Some([rows, inputs]) if rows == outputs && inputs > 0 => inputs,
        _ => return Err(part.wrong_shape(format!("that of `{}`", stated.name))),
    };
    let fits = |bits: &&u32| inputs.div_ceil((32 / **bits) as usize) == words;
    let Some(&bits) = packed_bits.iter().find(fits) else {
        return Err(part.wrong_shape(format!("[{outputs}, words of {inputs} levels of {packed_bits:?} bits]")));
    };
    let shape = [outputs, inputs];
    let scales = layer.part("weight_scale")?.expect_scales()?;
    let grid = Grid::of_scales(&scales, shape, grids)?;
    let zeros = match layer.optional("weight_zero_point") {
        Some(zeros) => {
            let rows = outputs.div_ceil((32 / bits) as usize);
            Zeros::Down(zeros.expect_words()?.expect_shape(&[rows, grid.num_groups])?)
        }
        None => Zeros::Middle,
    };
    let groups = layer.optional("weight_g_idx");
    QuantisedTensor::of_levels(part, Packing::InputsAcross { bits }, shape, scales, grid)
        .with_zeros(zeros)
        .with_groups(groups)
}

/// The two numbers of `weight_shape`.
fn read_sizes(part: &Part, read: Read<'_, '_>) -> Result<Option<[usize; 2]>, WeightsError> {
    let width = match part.entry.format_name.as_str() {
        "I64" => 8,
        "I32" => 4,
        _ => return Err(part.wrong_format("I64 or I32")),
    };
    if part.entry.shape != [2] {
        return Err(part.wrong_shape("[2]".to_string()));
    }
    let bytes = read(part)?;
    let mut sizes = bytes.as_slice().chunks_exact(width).map(|bytes| {
        let low = bytes.first_chunk::<4>().map(|&low| u32::from_le_bytes(low))?;
        // Above what any matrix has, or below 0.
        (bytes[4..].iter().all(|&byte| byte == 0) && low <= i32::MAX as u32).then_some(low as usize)
    });
    Ok(match (sizes.next().flatten(), sizes.next().flatten()) {
        (Some(rows), Some(columns)) => Some([rows, columns]),
        _ => None,
    })
}

/// `weight` of signed bytes or 8-bit floats with `weight_scale`, or `weight_scale_inv` for blocks, which is no inverse either.
fn bytes(
    mut layer: Layer<'_>,
    block: Option<[usize; 2]>,
    grids: &StatedGrids,
) -> Result<QuantisedTensor, WeightsError> {
    let part = layer.part("weight")?;
    let shape = part.matrix()?;
    let outputs = shape[0];
    let inverse = layer.optional("weight_scale_inv");
    let of_blocks = inverse.is_some();
    let scales = match inverse {
        Some(scales) => scales,
        None => layer.part("weight_scale")?,
    }
    .expect_scales()?;
    let grid = match block {
        Some(block) if of_blocks => {
            let grid = Grid::blocks(shape, block);
            let expected = [outputs.div_ceil(grid.outputs_per), grid.num_groups];
            if scales.entry.shape != expected {
                return Err(scales.wrong_shape(format!("{expected:?}")));
            }
            grid
        }
        _ => Grid::of_scales(&scales, shape, grids)?,
    };
    if part.is_stored_as("F8_E4M3") {
        return Ok(QuantisedTensor { shape, numbers: Numbers::Floats(part), scales, grid, rounds_tokens: false });
    }
    if !part.is_stored_as("I8") {
        return Err(part.wrong_format("I8 or F8_E4M3"));
    }
    let zeros = match layer.optional("weight_zero_point") {
        Some(zeros) if zeros.is_stored_as("I8") => Zeros::SignedBytes(zeros.expect_shape(&[outputs, grid.num_groups])?),
        Some(zeros) => return Err(zeros.wrong_format("I8")),
        None => Zeros::Middle,
    };
    Ok(QuantisedTensor::of_levels(part, Packing::SignedBytes, shape, scales, grid).with_zeros(zeros))
}
