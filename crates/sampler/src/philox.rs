//! Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
//! 1, 2, 3" (SC 2011). Knows nothing of logits; the noise module says what the counters mean.

const MULTIPLIER_0: u32 = 0xD251_1F53;
const MULTIPLIER_1: u32 = 0xCD9E_8D57;
const WEYL_0: u32 = 0x9E37_79B9;
const WEYL_1: u32 = 0xBB67_AE85;
const ROUNDS: usize = 10;

/// Counters that one call of [`lanes`] enciphers side by side; a multiple of every vector width.
pub(crate) const LANES: usize = 8;

#[inline(always)]
fn multiply(a: u32, b: u32) -> (u32, u32) {
    let product = u64::from(a) * u64::from(b);
    ((product >> 32) as u32, product as u32)
}

/// The four words of one counter under one key.
pub(crate) fn block(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        let (high_0, low_0) = multiply(c0, MULTIPLIER_0);
        let (high_1, low_1) = multiply(c2, MULTIPLIER_1);
        (c0, c1, c2, c3) = (high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0);
        k0 = k0.wrapping_add(WEYL_0);
        k1 = k1.wrapping_add(WEYL_1);
    }
    [c0, c1, c2, c3]
}

/// [`block`] for [`LANES`] counters that differ only in word 1 (`first`, `first + 1`, ...): `[word][lane]`.
#[inline(always)]
pub(crate) fn lanes(word_0: u32, first: u32, key: [u32; 2]) -> [[u32; LANES]; 4] {
    let mut c0 = [word_0; LANES];
    let mut c1 = [0; LANES];
    for (lane, word) in c1.iter_mut().enumerate() {
        *word = first.wrapping_add(lane as u32);
    }
    let mut c2 = [0; LANES];
    let mut c3 = [0; LANES];
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        for lane in 0..LANES {
            let (high_0, low_0) = multiply(c0[lane], MULTIPLIER_0);
            let (high_1, low_1) = multiply(c2[lane], MULTIPLIER_1);
            c0[lane] = high_1 ^ c1[lane] ^ k0;
            c1[lane] = low_1;
            c2[lane] = high_0 ^ c3[lane] ^ k1;
            c3[lane] = low_0;
        }
        k0 = k0.wrapping_add(WEYL_0);
        k1 = k1.wrapping_add(WEYL_1);
    }
    [c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_published_vectors() {
        // kat_vectors of the authors' Random123, philox4x32 with 10 rounds.
        let rows = [
            ([0; 4], [0; 2], [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]),
            (
                [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344],
                [0xA409_3822, 0x299F_31D0],
                [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1],
            ),
        ];
        for (counter, key, expected) in rows {
            assert_eq!(block(counter, key), expected);
        }
    }

    #[test]
    fn lanes_are_blocks() {
        for (word_0, first, key) in [(0, 0, [0, 0]), (7, 1000, [3, 9]), (u32::MAX, u32::MAX - 3, [u32::MAX, 1])] {
            let words = lanes(word_0, first, key);
            for lane in 0..LANES {
                let expected = block([word_0, first.wrapping_add(lane as u32), 0, 0], key);
                assert_eq!(words.map(|word| word[lane]), expected);
            }
        }
    }
}
