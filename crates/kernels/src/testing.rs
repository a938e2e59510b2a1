//! What the unit tests share: seeded numbers, every setup, and comparison with a reference.

use quire_blocks::BlockFormat;

use crate::{Isa, Kernels, ThreadPool};

/// Lengths around the sixteen lanes: none, one, one past, many.
pub(crate) const LENGTHS: [usize; 9] = [0, 1, 3, 15, 16, 17, 33, 250, 20_001];

/// `count` numbers from -2 to 2, the same for the same seed.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..count).map(|_| (next() >> 40) as f32 / (1 << 22) as f32 - 2.0).collect()
}

/// Blocks for `count` weights, all of whose bits are random but the exponents of their halves, so that weights are about 1.
pub(crate) fn stored_blocks(format: BlockFormat, count: usize, seed: u64) -> Vec<u8> {
    let len_bytes = format.bytes_of(count).expect("whole blocks");
    let mut bytes: Vec<u8> = numbers(len_bytes, seed).iter().map(|number| (number.to_bits() >> 6) as u8).collect();
    // Upper bytes of the halves, and an exponent that makes the largest level times the scale ordinary.
    let halves: (&[usize], u8) = match format {
        BlockFormat::Q4_0 | BlockFormat::Q5_0 => (&[1], 0x2c),
        BlockFormat::Q8_0 | BlockFormat::IQ4_NL => (&[1], 0x20),
        BlockFormat::Q4_1 | BlockFormat::Q5_1 => (&[1, 3], 0x2c),
        BlockFormat::Q2_K => (&[81, 83], 0x28),
        BlockFormat::Q3_K => (&[109], 0x20),
        BlockFormat::Q4_K | BlockFormat::Q5_K => (&[1, 3], 0x18),
        BlockFormat::Q6_K => (&[209], 0x10),
        BlockFormat::IQ4_XS => (&[1], 0x10),
    };
    for block in bytes.chunks_mut(format.block_bytes()) {
        for &at in halves.0 {
            block[at] = (block[at] & 0x83) | halves.1;
        }
    }
    bytes
}

/// Runs a check with the kernels of every instruction set of this CPU, on one and on three threads.
pub(crate) fn for_each_setup(check: impl Fn(&Kernels, &ThreadPool)) {
    for isa in Isa::available() {
        for threads in [1, 3] {
            check(&Kernels::new(isa).expect("available"), &ThreadPool::new(threads).expect("threads"));
        }
    }
}

/// Asserts that each value is within `tolerance`, absolute below 1 and relative above.
pub(crate) fn assert_close(actual: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (index, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(actual) - expected).abs();
        assert!(
            error <= tolerance * expected.abs().max(1.0),
            "{what}: element {index} is {actual}, not {expected} (off by {error:e})"
        );
    }
}

/// Asserts equality of every bit.
pub(crate) fn assert_same_bits(actual: &[f32], expected: &[f32], what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert_eq!(actual.to_bits(), expected.to_bits(), "{what}: element {index} is {actual}, not {expected}");
    }
}

/// erf by its Taylor series (small x) or continued fraction (large x), in f64.
pub(crate) fn erf_reference(x: f64) -> f64 {
    let t = x.abs();
    let value = if t < 3.0 {
        let (mut term, mut sum) = (t, t);
        for n in 1..200 {
            term *= -t * t / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    } else {
        let mut fraction = t;
        for n in (1..100).rev() {
            fraction = t + f64::from(n) / 2.0 / fraction;
        }
        1.0 - (-t * t).exp() / fraction / std::f64::consts::PI.sqrt()
    };
    value.copysign(x)
}
