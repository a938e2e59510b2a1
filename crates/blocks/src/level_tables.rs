//! Levels that are not evenly spaced.

/// What the 4-bit indices of IQ4_NL and IQ4_XS stand for.
pub const IQ4_LEVELS: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
