//! How fast the CPU can read: nothing but loads of vectors from several places at once, as kernels read several panels, and
//! asking for what follows.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "the probe is made of intrinsics"))]

/// Places that are read at once.
const STREAMS: usize = 4;

/// Reads all words once, but for a rest that is not a whole line of each place.
pub(crate) fn read(words: &[i32]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the feature is there.
        return unsafe { x86::read_avx512(words) };
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the feature is there.
        return unsafe { x86::read_avx2(words) };
    }
    read_any(words);
}

/// The compiler makes vector loads of it.
fn read_any(words: &[i32]) {
    let streams: Vec<&[i32]> = words.chunks_exact((words.len() / STREAMS).max(1)).collect();
    let mut sums = [[0_i32; 8]; STREAMS];
    for index in 0..words.len() / STREAMS / 8 {
        for (sums, stream) in sums.iter_mut().zip(&streams) {
            for (sum, word) in sums.iter_mut().zip(&stream[index * 8..]) {
                *sum ^= word;
            }
        }
    }
    std::hint::black_box(sums);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::{arch::x86_64::*, hint::black_box};

    use super::STREAMS;

    /// Words from what is read to what is asked for.
    const AHEAD_WORDS: usize = 1024;

    #[target_feature(enable = "avx512f")]
    pub(super) fn read_avx512(words: &[i32]) {
        let lines = words.len() / STREAMS / 16;
        let mut sums = [_mm512_setzero_si512(); STREAMS];
        for line in 0..lines {
            for (stream, sum) in sums.iter_mut().enumerate() {
                let at = words.as_ptr().wrapping_add((stream * lines + line) * 16);
                // SAFETY: sixteen words are there; what is asked for need not be.
                unsafe {
                    _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD_WORDS).cast());
                    *sum = _mm512_xor_si512(*sum, _mm512_loadu_si512(at.cast()));
                }
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn read_avx2(words: &[i32]) {
        let lines = words.len() / STREAMS / 16;
        let mut sums = [[_mm256_setzero_si256(); 2]; STREAMS];
        for line in 0..lines {
            for (stream, [first, second]) in sums.iter_mut().enumerate() {
                let at = words.as_ptr().wrapping_add((stream * lines + line) * 16);
                // SAFETY: as above.
                unsafe {
                    _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD_WORDS).cast());
                    *first = _mm256_xor_si256(*first, _mm256_loadu_si256(at.cast()));
                    *second = _mm256_xor_si256(*second, _mm256_loadu_si256(at.add(8).cast()));
                }
            }
        }
        black_box(sums);
    }
}
