//! Portable sums: plain arrays, and the twin that the others are compared with.

use quire_blocks::IQ4_LEVELS;

use super::Sums;
use crate::lanes::{LANES, Lanes, scalar::ScalarLanes};

/// Sixteen sums in an array.
#[derive(Clone, Copy)]
pub(crate) struct ScalarSums([i32; LANES]);

impl ScalarSums {
    #[inline(always)]
    unsafe fn add(self, levels: [i8; 64], activations: *const i8) -> Self {
        let activations = activations.cast::<[i8; 4]>().read_unaligned();
        let mut sums = self.0;
        for (sum, levels) in sums.iter_mut().zip(levels.as_chunks::<4>().0) {
            for (level, activation) in levels.iter().zip(activations) {
                *sum += i32::from(*level) * i32::from(activation);
            }
        }
        ScalarSums(sums)
    }
}

impl Sums for ScalarSums {
    type Lanes = ScalarLanes;
    type Levels = [i8; 64];
    const BIASED: bool = false;

    #[inline(always)]
    unsafe fn splat(value: i32) -> Self {
        ScalarSums([value; LANES])
    }
    #[inline(always)]
    unsafe fn bytes(source: *const u8) -> [i8; 64] {
        source.cast::<[u8; 64]>().read_unaligned().map(|byte| (byte ^ 128) as i8)
    }
    #[inline(always)]
    unsafe fn nibbles(source: *const u8) -> [[i8; 64]; 2] {
        let bytes = source.cast::<[u8; 64]>().read_unaligned();
        [bytes.map(|byte| (byte & 15) as i8), bytes.map(|byte| (byte >> 4) as i8)]
    }
    #[inline(always)]
    unsafe fn looked_up(source: *const u8) -> [[i8; 64]; 2] {
        let bytes = source.cast::<[u8; 64]>().read_unaligned();
        [bytes.map(|byte| IQ4_LEVELS[usize::from(byte & 15)]), bytes.map(|byte| IQ4_LEVELS[usize::from(byte >> 4)])]
    }
    #[inline(always)]
    unsafe fn add_signed(self, levels: [i8; 64], activations: *const i8) -> Self {
        self.add(levels, activations)
    }
    #[inline(always)]
    unsafe fn add_unsigned(self, levels: [i8; 64], activations: *const i8) -> Self {
        self.add(levels, activations)
    }
    #[inline(always)]
    unsafe fn to_lanes(self) -> ScalarLanes {
        let values = self.0.map(|sum| sum as f32);
        ScalarLanes::load(values.as_ptr())
    }
}
