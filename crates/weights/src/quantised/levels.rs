//! Levels of a quantised matrix out of the words that they are packed in, some outputs at a time.

use std::ops::Range;

/// Outputs that are read together: as many as lie in a cache line of words.
pub(crate) const TILE: usize = 16;
/// Where in a word of AWQ's the level of each of eight outputs is.
pub(crate) const AWQ_SLOTS: [u32; 8] = [0, 4, 1, 5, 2, 6, 3, 7];

/// How levels lie. Words are 32 bits, lower bits first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// `[inputs / n, outputs]` words of n levels of consecutive inputs.
    InputsDown {
        /// Bits of a level.
        bits: u32,
    },
    /// `[inputs, outputs / 8]` words of eight levels of outputs in AWQ's order.
    OutputsAcross,
    /// `[outputs, inputs / n]` words of n levels of consecutive inputs; the last is not always full.
    InputsAcross {
        /// Bits of a level.
        bits: u32,
    },
    /// `[outputs, inputs]` signed bytes.
    SignedBytes,
}

impl Packing {
    /// Bits of a level.
    pub(crate) fn bits(self) -> u32 {
        match self {
            Packing::InputsDown { bits } | Packing::InputsAcross { bits } => bits,
            Packing::OutputsAcross => 4,
            Packing::SignedBytes => 8,
        }
    }

    /// Levels of at most [`TILE`] outputs, from 0 on, `inputs` of each.
    pub(crate) fn read(self, bytes: &[u8], [outputs, inputs]: [usize; 2], range: Range<usize>, tile: &mut [u8]) {
        match self {
            Packing::InputsDown { bits } => {
                let per_word = (32 / bits) as usize;
                for row in 0..inputs / per_word {
                    for (lane, output) in range.clone().enumerate() {
                        let levels = &mut tile[lane * inputs + row * per_word..][..per_word];
                        spread(word(bytes, row * outputs + output), bits, levels);
                    }
                }
            }
            Packing::OutputsAcross => {
                for input in 0..inputs {
                    for (lane, output) in range.clone().enumerate() {
                        let word = word(bytes, input * (outputs / 8) + output / 8);
                        tile[lane * inputs + input] = (word >> (4 * AWQ_SLOTS[output % 8])) as u8 & 15;
                    }
                }
            }
            Packing::InputsAcross { bits } => {
                let per_word = (32 / bits) as usize;
                let words = inputs.div_ceil(per_word);
                for (output, levels) in range.zip(tile.chunks_exact_mut(inputs)) {
                    for (index, levels) in levels.chunks_mut(per_word).enumerate() {
                        spread(word(bytes, output * words + index), bits, levels);
                    }
                }
            }
            Packing::SignedBytes => {
                let stored = &bytes[range.start * inputs..range.end * inputs];
                for (level, &byte) in tile.iter_mut().zip(stored) {
                    *level = byte ^ 0x80;
                }
            }
        }
    }
}

fn spread(word: u32, bits: u32, levels: &mut [u8]) {
    let mask = (1u32 << bits) - 1;
    for (slot, level) in levels.iter_mut().enumerate() {
        *level = ((word >> (bits * slot as u32)) & mask) as u8;
    }
}

/// The word at `index`.
pub(crate) fn word(bytes: &[u8], index: usize) -> u32 {
    u32::from_le_bytes(bytes.as_chunks::<4>().0[index])
}
