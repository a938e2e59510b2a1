//! 8-bit floats with four bits of exponent and three of mantissa, as OCP's specification has them: no infinities.

/// What every byte stands for.
pub(crate) static E4M3: [f32; 256] = table();

const fn table() -> [f32; 256] {
    let mut values = [0.0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (exponent, mantissa) = ((byte >> 3) & 15, byte & 7);
        let magnitude = match (exponent, mantissa) {
            (15, 7) => f32::NAN,
            // Without the hidden bit, in units of 2^-9.
            (0, mantissa) => mantissa as f32 / 512.0,
            // Bits of the float with the same exponent: its bias is 127 instead of 7.
            (exponent, mantissa) => f32::from_bits(((exponent + 120) << 23) as u32 | (mantissa << 20) as u32),
        };
        values[byte] = if byte >= 128 { -magnitude } else { magnitude };
        byte += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::E4M3;

    #[test]
    fn bytes_are_the_numbers_of_the_specification() {
        for (byte, value) in [
            (0, 0.0),
            (1, 2f32.powi(-9)),
            (7, 7.0 / 512.0),
            (8, 2f32.powi(-6)),
            (0x38, 1.0),
            (0x3c, 1.5),
            (0x7e, 448.0),
        ] {
            assert_eq!((E4M3[byte], E4M3[byte + 128]), (value, -value), "{byte:#x}");
        }
        assert!(E4M3[0x7f].is_nan() && E4M3[0xff].is_nan());
    }
}
