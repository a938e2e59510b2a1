//! The sampling parameters that travel with a row of the input batch. Bit patterns only: the core does no arithmetic
//! on them, it only asks whether they are the defaults.

/// What a device needs to draw a token by itself. Floating-point values are bit patterns of 32-bit IEEE floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SamplingColumns {
    /// Temperature; the bits of 0 mean greedy.
    pub temperature_bits: u32,
    /// Nucleus probability in (0, 1]; the bits of 1 switch it off.
    pub top_p_bits: u32,
    /// Minimum probability relative to the best token, in [0, 1]; the bits of 0 switch it off.
    pub min_p_bits: u32,
    /// Number of best tokens kept; 0 switches it off.
    pub top_k: u32,
    /// Key of the noise. Sequence `i` of a request with `n` sequences gets `seed + i` (wrapping).
    pub seed: i64,
}

impl SamplingColumns {
    /// Bits of the float 0.
    pub const ZERO_BITS: u32 = 0;
    /// Bits of the float 1.
    pub const ONE_BITS: u32 = 0x3f80_0000;

    /// Always the most probable token.
    pub const GREEDY: Self = Self {
        temperature_bits: Self::ZERO_BITS,
        top_p_bits: Self::ONE_BITS,
        min_p_bits: Self::ZERO_BITS,
        top_k: 0,
        seed: 0,
    };

    /// The columns of child `index` of a request: the same, with its own seed.
    #[must_use]
    pub fn child(mut self, index: u32) -> Self {
        self.seed = self.seed.wrapping_add(i64::from(index));
        self
    }
}

impl Default for SamplingColumns {
    fn default() -> Self {
        Self::GREEDY
    }
}
