//! What the tensors of a written file are stored as: a format for most of them, and what is given to those that need more bits.

use quire_blocks::{BlockFormat, WEIGHTED_FORMATS};

use crate::{ElementType, TensorInfo, TensorType};

/// A mixture of formats that files are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileType {
    row: &'static Row,
    is_pure: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: &'static str,
    /// ggml's number of the mixture, `general.file_type`.
    number: u32,
    format: TensorType,
    /// Whether some tensors of some layers get six bits.
    is_mixed: bool,
}

const ROWS: [Row; 10] = [
    Row { name: "f32", number: 0, format: TensorType::Elements(ElementType::F32), is_mixed: false },
    Row { name: "f16", number: 1, format: TensorType::Elements(ElementType::F16), is_mixed: false },
    Row { name: "bf16", number: 32, format: TensorType::Elements(ElementType::Bf16), is_mixed: false },
    Row { name: "q8_0", number: 7, format: TensorType::Blocks(BlockFormat::Q8_0), is_mixed: false },
    Row { name: "q6_k", number: 18, format: TensorType::Blocks(BlockFormat::Q6_K), is_mixed: false },
    Row { name: "q5_1", number: 9, format: TensorType::Blocks(BlockFormat::Q5_1), is_mixed: false },
    Row { name: "q5_0", number: 8, format: TensorType::Blocks(BlockFormat::Q5_0), is_mixed: false },
    Row { name: "q4_k_m", number: 15, format: TensorType::Blocks(BlockFormat::Q4_K), is_mixed: true },
    Row { name: "q4_1", number: 3, format: TensorType::Blocks(BlockFormat::Q4_1), is_mixed: false },
    Row { name: "q4_0", number: 2, format: TensorType::Blocks(BlockFormat::Q4_0), is_mixed: false },
];

impl FileType {
    /// The names of all, most bits first.
    pub fn names() -> Vec<&'static str> {
        ROWS.iter().map(|row| row.name).collect()
    }

    /// The mixture of this name, in any case.
    pub fn from_name(name: &str) -> Option<FileType> {
        ROWS.iter().find(|row| row.name.eq_ignore_ascii_case(name)).map(|row| FileType { row, is_pure: false })
    }

    /// `general.file_type`.
    pub fn number(self) -> u32 {
        self.row.number
    }

    /// Whether an importance matrix makes a difference: scales of such blocks are searched for.
    pub fn weighs_errors(self) -> bool {
        matches!(self.row.format, TensorType::Blocks(format) if WEIGHTED_FORMATS.contains(&format))
    }

    /// The same, with the one format for every matrix: what quantising on load makes of them.
    pub fn pure(self) -> FileType {
        FileType { is_pure: true, ..self }
    }

    /// What each of `tensors` becomes, as llama.cpp chooses: vectors, norms, routers and tables of positions stay; the output
    /// matrix has six bits at least; of a mixture so have the values and the second half of the feed-forward layer in the
    /// first and last eighth of the layers and every third between. Rows that are no blocks of 256 take smaller blocks of at
    /// least as many bits, and such as are none of 32 stay.
    pub fn formats(self, tensors: &[TensorInfo]) -> Vec<TensorType> {
        let has_output = tensors.iter().any(|tensor| tensor.name == "output.weight");
        let num_layers = tensors.iter().filter_map(|tensor| layer_of(&tensor.name)).max().map_or(0, |last| last + 1);
        let wanted_for = |tensor: &TensorInfo| {
            let TensorType::Blocks(format) = self.row.format else { return self.row.format };
            let is_output = tensor.name == "output.weight" || (!has_output && tensor.name == "token_embd.weight");
            let needs_more = is_output || self.row.is_mixed && needs_more_bits(&tensor.name, num_layers);
            let is_small = format != BlockFormat::Q8_0;
            TensorType::Blocks(if needs_more && is_small && !self.is_pure { BlockFormat::Q6_K } else { format })
        };
        tensors
            .iter()
            .map(|tensor| match is_matrix(tensor) {
                true => that_fits(wanted_for(tensor), tensor).unwrap_or(tensor.format),
                false => tensor.format,
            })
            .collect()
    }
}

/// Whether the tensor of this name and shape is a matrix, which can be quantised; what is none is stored in float32.
pub fn is_quantisable(name: &str, shape: &[usize]) -> bool {
    let stays = ["norm", "ffn_gate_inp", "position_embd", "token_types", "rope_"];
    shape.len() >= 2 && name.ends_with(".weight") && !stays.iter().any(|part| name.contains(part))
}

fn is_matrix(tensor: &TensorInfo) -> bool {
    is_quantisable(&tensor.name, &tensor.shape) && !matches!(tensor.format, TensorType::Other(_))
}

/// The layer of `blk.<layer>....`.
fn layer_of(name: &str) -> Option<u64> {
    let layer: u32 = name.strip_prefix("blk.")?.split_once('.')?.0.parse().ok()?;
    Some(layer.into())
}

fn needs_more_bits(name: &str, num_layers: u64) -> bool {
    let is_sensitive = name.contains("attn_v.") || name.contains("ffn_down");
    let Some(layer) = layer_of(name).filter(|_| is_sensitive) else { return false };
    let eighth = num_layers / 8;
    layer < eighth || layer >= 7 * num_layers / 8 || (layer - eighth) % 3 == 2
}

/// The wanted format, or smaller blocks of at least as many bits, where a row is whole ones.
fn that_fits(wanted: TensorType, tensor: &TensorInfo) -> Option<TensorType> {
    let smaller = match wanted {
        TensorType::Blocks(BlockFormat::Q4_K) => TensorType::Blocks(BlockFormat::Q5_0),
        TensorType::Blocks(BlockFormat::Q6_K) => TensorType::Blocks(BlockFormat::Q8_0),
        format => format,
    };
    let row = tensor.shape.last().copied().filter(|&row| row > 0)?;
    [wanted, smaller].into_iter().find(|format| row.is_multiple_of(format.block().0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[usize]) -> TensorInfo {
        let format = TensorType::Elements(ElementType::F16);
        TensorInfo { name: name.to_string(), shape: shape.to_vec(), format, bytes: 0..0 }
    }

    #[test]
    fn every_tensor_has_its_format() {
        let rows: [(&str, &[usize], &str); 10] = [
            ("token_embd.weight", &[99, 512], "Q4_K"),
            ("output.weight", &[99, 512], "Q6_K"),
            ("output_norm.weight", &[512], "F16"),
            ("blk.0.attn_v.weight", &[8, 512], "Q6_K"),
            ("blk.1.attn_v.weight", &[8, 512], "Q4_K"),
            ("blk.3.ffn_down.weight", &[8, 512], "Q6_K"),
            ("blk.4.attn_q.weight", &[8, 576], "Q5_0"),
            ("blk.7.ffn_down.weight", &[8, 576], "Q8_0"),
            ("blk.7.ffn_up.weight", &[8, 100], "F16"),
            ("blk.7.ffn_gate_inp.weight", &[8, 512], "F16"),
        ];
        let tensors: Vec<TensorInfo> = rows.iter().map(|row| tensor(row.0, row.1)).collect();
        let file_type = FileType::from_name("Q4_K_M").expect("a name");
        let formats = file_type.formats(&tensors);
        for ((name, _, expected), found) in rows.iter().zip(formats) {
            assert_eq!(found.name(), *expected, "{name}");
        }
        // A tied matrix is the output too.
        let some = [tensors[0].clone(), tensors[3].clone()];
        let q4_0 = FileType::from_name("q4_0").expect("a name");
        let tied = q4_0.formats(&some);
        assert_eq!(tied.iter().map(|format| format.name()).collect::<Vec<_>>(), ["Q6_K", "Q4_0"]);
        let pure = q4_0.pure().formats(&some);
        assert_eq!(pure.iter().map(|format| format.name()).collect::<Vec<_>>(), ["Q4_0", "Q4_0"]);
        let whole = FileType::from_name("bf16").expect("a name").formats(&some);
        assert_eq!(whole.iter().map(|format| format.name()).collect::<Vec<_>>(), ["BF16", "BF16"]);
        assert_eq!(FileType::from_name("q3_k"), None);
    }
}
