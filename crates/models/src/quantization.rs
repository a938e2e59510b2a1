//! Whether weights are held in blocks of small whole numbers: the choice that a user has. Knows no layout.

use quire_blocks::{BlockFormat, QUANTISED_FORMATS};

/// What becomes of matrices. Vectors, such as norms and biases, are never quantised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantization {
    /// Blocks of a checkpoint stay as they are, everything else is held as numbers.
    #[default]
    Stored,
    /// All are held as numbers: blocks are widened.
    None,
    /// Numbers become blocks of this format, where rows are whole blocks; blocks of a checkpoint stay as they are.
    Blocks(BlockFormat),
}

impl Quantization {
    /// The choice called `name`: `auto`, `none`, or a format that weights can be quantised to, such as `q8_0`.
    pub fn from_name(name: &str) -> Option<Quantization> {
        match name {
            "auto" => Some(Quantization::Stored),
            "none" => Some(Quantization::None),
            name => BlockFormat::from_name(name)
                .filter(|format| QUANTISED_FORMATS.contains(format))
                .map(Quantization::Blocks),
        }
    }

    /// The names of the formats that weights can be quantised to, in lower case.
    pub fn format_names() -> Vec<String> {
        QUANTISED_FORMATS.iter().map(|format| format.name().to_ascii_lowercase()).collect()
    }

    /// What numbers in rows of `num_inputs` become: the format, or the one of at least its size that has smaller blocks, or, of
    /// rows that are no whole blocks, nothing.
    pub(crate) fn format_for(self, num_inputs: usize) -> Option<BlockFormat> {
        let Quantization::Blocks(format) = self else { return None };
        let smaller = match format {
            BlockFormat::Q4_K => Some(BlockFormat::Q4_1),
            BlockFormat::Q6_K => Some(BlockFormat::Q8_0),
            _ => None,
        };
        [Some(format), smaller].into_iter().flatten().find(|format| num_inputs.is_multiple_of(format.block_len()))
    }
}

#[cfg(test)]
mod tests {
    use super::{BlockFormat, Quantization};

    #[test]
    fn names_are_choices() {
        assert_eq!(Quantization::from_name("auto"), Some(Quantization::Stored));
        assert_eq!(Quantization::from_name("none"), Some(Quantization::None));
        for name in Quantization::format_names() {
            assert!(matches!(Quantization::from_name(&name), Some(Quantization::Blocks(_))), "{name}");
        }
        // Weights are read from it, but never written.
        assert_eq!(Quantization::from_name("q5_k"), None);
        assert_eq!(Quantization::from_name("int3"), None);
    }

    #[test]
    fn rows_take_the_blocks_that_fit() {
        let of = |format, inputs| Quantization::Blocks(format).format_for(inputs);
        assert_eq!(of(BlockFormat::Q4_K, 512), Some(BlockFormat::Q4_K));
        assert_eq!(of(BlockFormat::Q4_K, 576), Some(BlockFormat::Q4_1));
        assert_eq!(of(BlockFormat::Q6_K, 576), Some(BlockFormat::Q8_0));
        assert_eq!(of(BlockFormat::Q4_K, 80), None);
        assert_eq!(of(BlockFormat::Q8_0, 80), None);
        assert_eq!(Quantization::Stored.format_for(512), None);
    }
}
