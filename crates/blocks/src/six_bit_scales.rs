//! Scales of six bits each, as the K formats pack them.

/// The 8 scales and 8 mins of Q4_K and Q5_K: the first four of each are the low six bits of bytes 0-3 and 4-7; of the last
/// four, bytes 8-11 have the lower four bits (scales low, mins high) and the top bits of bytes 0-7 the upper two.
pub fn q4_k_scales(packed: &[u8; 12]) -> ([u8; 8], [u8; 8]) {
    let (mut scales, mut mins) = ([0; 8], [0; 8]);
    for group in 0..4 {
        let (scale, min, rest) = (packed[group], packed[group + 4], packed[group + 8]);
        scales[group] = scale & 63;
        mins[group] = min & 63;
        scales[group + 4] = (rest & 15) | ((scale >> 6) << 4);
        mins[group + 4] = (rest >> 4) | ((min >> 6) << 4);
    }
    (scales, mins)
}

/// The inverse of [`q4_k_scales`]; numbers are below 64.
pub(crate) fn pack_q4_k_scales(scales: &[u8; 8], mins: &[u8; 8]) -> [u8; 12] {
    let mut packed = [0; 12];
    for group in 0..4 {
        packed[group] = scales[group] | ((scales[group + 4] >> 4) << 6);
        packed[group + 4] = mins[group] | ((mins[group + 4] >> 4) << 6);
        packed[group + 8] = (scales[group + 4] & 15) | ((mins[group + 4] & 15) << 4);
    }
    packed
}

/// The 16 scales of Q3_K, signed: bytes 0-7 have the lower four bits (low halves first), bytes 8-11 the upper two.
pub fn q3_k_scales(packed: &[u8; 12]) -> [i8; 16] {
    std::array::from_fn(|group| {
        let low = packed[group % 8] >> (4 * (group / 8));
        let high = packed[8 + group % 4] >> (2 * (group / 4));
        ((low & 15) | ((high & 3) << 4)) as i8 - 32
    })
}

#[cfg(test)]
mod tests {
    use super::{pack_q4_k_scales, q4_k_scales};

    #[test]
    fn packed_scales_come_back() {
        let scales = [0, 63, 5, 17, 32, 48, 63, 1];
        let mins = [63, 0, 31, 33, 16, 15, 62, 7];
        assert_eq!(q4_k_scales(&pack_q4_k_scales(&scales, &mins)), (scales, mins));
    }
}
