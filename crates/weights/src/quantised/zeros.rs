//! The level that stands for 0 of each output and group of inputs.

use super::levels::{AWQ_SLOTS, word};
use super::parts::Part;

/// How they are stored.
#[derive(Clone, Debug)]
pub(crate) enum Zeros {
    /// Not at all: the middle of the range.
    Middle,
    /// `[groups, outputs / n]` words of n levels of consecutive outputs, to which `offset` is added.
    Across {
        /// The words.
        part: Part,
        /// 0 or 1.
        offset: u32,
    },
    /// `[groups, outputs / 8]` words of eight levels of outputs in AWQ's order.
    AwqAcross(Part),
    /// `[outputs / n, groups]` words of n levels of consecutive outputs.
    Down(Part),
    /// `[outputs, groups]` signed bytes.
    SignedBytes(Part),
}

impl Zeros {
    pub(crate) fn part(&self) -> Option<&Part> {
        match self {
            Zeros::Middle => None,
            Zeros::Across { part, .. } | Zeros::AwqAcross(part) | Zeros::Down(part) | Zeros::SignedBytes(part) => {
                Some(part)
            }
        }
    }

    /// The level of each output and group, `[outputs, groups]`; none where they are all in the middle.
    pub(crate) fn unpack(&self, bytes: &[u8], bits: u32, [outputs, groups]: [usize; 2]) -> Vec<u8> {
        let (per_word, mask) = ((32 / bits) as usize, (1u32 << bits) - 1);
        let slot = |output: usize| bits * (output % per_word) as u32;
        let level = |output: usize, group: usize| match self {
            Zeros::Middle => 1 << (bits - 1),
            Zeros::Across { offset, .. } => {
                let stored = word(bytes, group * outputs.div_ceil(per_word) + output / per_word) >> slot(output);
                // Added within the bits: 0 is stored as the highest level, minus one.
                (stored + offset) & mask
            }
            Zeros::AwqAcross(_) => {
                word(bytes, group * (outputs / 8) + output / 8) >> (4 * AWQ_SLOTS[output % 8]) & mask
            }
            Zeros::Down(_) => word(bytes, output / per_word * groups + group) >> slot(output) & mask,
            Zeros::SignedBytes(_) => u32::from(bytes[output * groups + group] ^ 0x80),
        };
        (0..outputs)
            .flat_map(|output| (0..groups).map(move |group| (output, group)))
            .map(|(o, g)| level(o, g) as u8)
            .collect()
    }
}
