//! Products with weights of one byte and one scale for each output, and activations that are rounded to bytes with one scale
//! for each row.
//!
//! A sum over all inputs is a whole number and exact; it becomes a float once, and is multiplied once with the product of both
//! scales. So every instruction set gives the same bits, and every number of rows too. Knows no threads.

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon_matrix;
pub(crate) mod panels;
pub(crate) mod rows;
pub(crate) mod tables;
#[cfg(test)]
mod tests;
pub(crate) mod tile;

/// Inputs that rows and panels are padded to: one product of Intel's tiles, and a cache line of a row.
pub(crate) const LINE_INPUTS: usize = 64;

/// The most inputs whose products, 128 * 127 each, have a sum of 32 bits.
pub(crate) const MOST_INPUTS: usize = 1 << 17;

/// The scale by which numbers of at most this magnitude become whole ones up to 127, and its inverse. The bits of a magnitude
/// are in the order of magnitudes, infinity and NaN above all: what is not finite has no scale, what is next to nothing is
/// nothing.
#[inline(always)]
pub(crate) fn scale_of(largest_bits: u32) -> (f32, f32) {
    let largest = f32::from_bits(largest_bits);
    let inverse = 127.0 / largest;
    if !largest.is_finite() {
        (f32::NAN, 0.0)
    } else if !inverse.is_finite() {
        (0.0, 0.0)
    } else {
        (largest / 127.0, inverse)
    }
}

/// What of a number's bits is its magnitude.
pub(crate) const MAGNITUDE: u32 = 0x7fff_ffff;
