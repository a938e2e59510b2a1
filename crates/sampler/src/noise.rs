//! The noise of a draw: one Gumbel variate per (seed, position, token id), and nothing else, so that a draw does not
//! depend on company, order, threads, preemption or platform. Knows nothing of logits.
//!
//! Philox4x32-10, key = seed (low word, high word), counter = (position, token id / 4, 0, 0), word = token id % 4.
//! A word w becomes u = (w + 1/2) / 2^32 and the variate -ln(-ln u), in f64 from [`crate::arithmetic::ln`].

use crate::arithmetic::ln;
use crate::philox::{self, LANES};

/// Token ids that one [`Noise::words`] covers.
pub(crate) const TOKENS: usize = 4 * LANES;

/// No variate is above this: -ln(-ln(1 - 2^-33)) = 22.8739...
pub(crate) const GREATEST_GUMBEL: f64 = 22.874;

/// The stream of one draw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    key: [u32; 2],
    position: u32,
}

/// The words of [`TOKENS`] consecutive token ids, the first of them a multiple of [`TOKENS`].
pub(crate) struct NoiseWords([[u32; LANES]; 4]);

impl Noise {
    pub(crate) fn new(seed: i64, position: u32) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], position }
    }

    pub(crate) fn word(&self, token_id: u32) -> u32 {
        philox::block([self.position, token_id / 4, 0, 0], self.key)[token_id as usize % 4]
    }

    #[inline(always)]
    pub(crate) fn words(&self, first_token_id: u32) -> NoiseWords {
        NoiseWords(philox::lanes(self.position, first_token_id / 4, self.key))
    }
}

impl NoiseWords {
    #[inline(always)]
    pub(crate) fn any_at_least(&self, threshold: u32) -> bool {
        let mut greatest = [0; LANES];
        for word in &self.0 {
            for lane in 0..LANES {
                greatest[lane] = if word[lane] > greatest[lane] { word[lane] } else { greatest[lane] };
            }
        }
        greatest.into_iter().any(|word| word >= threshold)
    }

    /// The word of the token id that lies `offset` after the first.
    #[inline(always)]
    pub(crate) fn get(&self, offset: usize) -> u32 {
        self.0[offset % 4][offset / 4]
    }
}

/// The Gumbel variate of a noise word.
pub(crate) fn gumbel(word: u32) -> f64 {
    -ln(-ln((f64::from(word) + 0.5) / 4_294_967_296.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_same_one_by_one_and_together() {
        let noise = Noise::new(-5_000_000_000, 77);
        for first in [0, 32, 128_000] {
            let words = noise.words(first);
            for offset in 0..TOKENS {
                assert_eq!(words.get(offset), noise.word(first + offset as u32));
            }
            let greatest = (0..TOKENS).map(|offset| words.get(offset)).max().expect("32 words");
            assert!(words.any_at_least(greatest) && !words.any_at_least(greatest + 1));
        }
    }

    #[test]
    fn gumbel_is_monotone_and_bounded() {
        assert!(gumbel(u32::MAX) <= GREATEST_GUMBEL && gumbel(u32::MAX) > GREATEST_GUMBEL - 0.001);
        assert!(gumbel(0) > -3.2 && gumbel(0) < -3.1);
        let mut previous = gumbel(0);
        for word in (1..u32::MAX).step_by(65_537) {
            assert!(gumbel(word) > previous);
            previous = gumbel(word);
        }
    }

    #[test]
    fn seeds_positions_and_ids_each_change_the_word() {
        let base = Noise::new(1, 1).word(1);
        for (seed, position, id) in [(2, 1, 1), (1 << 40, 1, 1), (-1, 1, 1), (1, 2, 1), (1, 1, 2), (1, 1, 5)] {
            assert_ne!(Noise::new(seed, position).word(id), base);
        }
    }
}
