//! Scales of a matrix: a number for each group of outputs and of inputs.

use half::{bf16, f16};

use super::parts::Part;
use super::scheme::StatedGrids;
use crate::WeightsError;

/// Outputs and inputs of a block where nothing says.
const UNSTATED_BLOCK: usize = 128;

/// Where the scale of an output and a group of inputs lies.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    /// Outputs that share a scale.
    pub(crate) outputs_per: usize,
    /// Inputs that share a scale.
    pub(crate) inputs_per: usize,
    /// Groups of inputs.
    pub(crate) num_groups: usize,
    output_stride: usize,
    group_stride: usize,
}

impl Grid {
    /// Stored `[groups, outputs]`.
    pub(crate) fn groups_first([outputs, inputs]: [usize; 2], group_size: Option<usize>) -> Grid {
        let inputs_per = group_size.unwrap_or(inputs).min(inputs);
        let num_groups = inputs.div_ceil(inputs_per);
        Grid { outputs_per: 1, inputs_per, num_groups, output_stride: 1, group_stride: outputs }
    }

    /// Stored `[outputs / outputs_per, inputs / inputs_per]`, rounded up.
    pub(crate) fn blocks([outputs, inputs]: [usize; 2], [outputs_per, inputs_per]: [usize; 2]) -> Grid {
        let (outputs_per, inputs_per) = (outputs_per.min(outputs), inputs_per.min(inputs));
        let num_groups = inputs.div_ceil(inputs_per);
        Grid { outputs_per, inputs_per, num_groups, output_stride: num_groups, group_stride: 1 }
    }

    /// What the shape of `scales` says of a matrix: one number for all, one for each output, or one for each block or output
    /// and group of inputs of the sizes that are stated. Where none are, groups are equal, or blocks have 128 outputs and inputs.
    ///
    /// # Errors
    /// The shape is none of these.
    pub(crate) fn of_scales(scales: &Part, shape: [usize; 2], stated: &StatedGrids) -> Result<Grid, WeightsError> {
        let [outputs, inputs] = shape;
        let is_stated = *stated != StatedGrids::default();
        let blocks = if is_stated { &stated.blocks[..] } else { &[[UNSTATED_BLOCK; 2]] };
        match scales.entry.shape[..] {
            [] | [1] | [1, 1] => return Ok(Grid::blocks(shape, shape)),
            [rows] if rows == outputs => return Ok(Grid::blocks(shape, [1, inputs])),
            [rows, groups] => {
                let of_outputs = stated.group_sizes.iter().map(|&size| [1, size]);
                let mut known = blocks.iter().copied().chain(of_outputs).chain([[1, inputs]]);
                let fits = |size: &[usize; 2]| rows == outputs.div_ceil(size[0]) && groups == inputs.div_ceil(size[1]);
                if let Some(size) = known.find(fits) {
                    return Ok(Grid::blocks(shape, size));
                }
                if !is_stated && rows == outputs && groups > 0 && inputs.is_multiple_of(groups) {
                    return Ok(Grid::blocks(shape, [1, inputs / groups]));
                }
            }
            _ => {}
        }
        let StatedGrids { group_sizes, blocks } = stated;
        Err(scales.wrong_shape(match is_stated {
            true => format!(
                "that of {outputs} outputs and {inputs} inputs in groups of {group_sizes:?} or blocks of {blocks:?}"
            ),
            false => format!("[], [{outputs}] or [{outputs}, a divisor of {inputs}]"),
        }))
    }

    /// The group of an input, where they lie in order.
    pub(crate) fn group_of(&self, input: usize) -> usize {
        input / self.inputs_per
    }

    /// The scale of an output and a group of inputs.
    pub(crate) fn at(&self, scales: &[f32], output: usize, group: usize) -> f32 {
        scales[output / self.outputs_per * self.output_stride + group * self.group_stride]
    }
}

/// The numbers of a tensor of floats.
pub(crate) fn floats(part: &Part, bytes: &[u8]) -> Vec<f32> {
    let halves = bytes.as_chunks::<2>().0.iter();
    match part.entry.format_name.as_str() {
        "F16" => halves.map(|&half| f16::from_le_bytes(half).to_f32()).collect(),
        "BF16" => halves.map(|&half| bf16::from_le_bytes(half).to_f32()).collect(),
        _ => bytes.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word)).collect(),
    }
}
