//! Adding weighted e4m3 values, for few rows.

use std::mem::MaybeUninit;

use super::{
    ahead::Ahead,
    cached::Elements,
    tile_kernels::{TILE_KEYS, WeighFn, WeighedTile},
    weigh::weigh_all_rows,
};
use crate::{
    CacheType, Isa,
    lanes::{BF16_PLACES, Lanes, avx2::Avx2Lanes},
    prefetch::LINE_BYTES,
};

/// What [`Lanes::e4m3_to_bf16`] makes of thirty-two elements.
struct Bf16OfE4m3;

impl Elements for Bf16OfE4m3 {
    const SIZE_BYTES: usize = 2;

    #[inline(always)]
    unsafe fn load<L: Lanes>(entry: *const u8, index: usize) -> L {
        let places = entry.cast::<u16>();
        L::load_bf16_halves(places.add(BF16_PLACES[index / 8]), places.add(BF16_PLACES[index / 8 + 1]))
    }
    #[inline(always)]
    unsafe fn load_first<L: Lanes>(entry: *const u8, index: usize, _count: usize) -> L {
        // Zeros are all that follow.
        Self::load(entry, index)
    }
}

/// e4m3 become bf16 first, which costs less than to widen each of them where it is weighed.
#[inline(always)]
unsafe fn weigh_e4m3_as_bf16<L: Lanes>(weigh: &WeighedTile<'_>) {
    const CHUNK: usize = 32;
    let mut values = MaybeUninit::<[[u16; CHUNK]; TILE_KEYS]>::uninit();
    let values = values.as_mut_ptr().cast::<[u16; CHUNK]>();
    let mut entries = [std::ptr::null(); TILE_KEYS];
    for (key, entry) in entries.iter_mut().enumerate() {
        *entry = values.add(key).cast_const().cast();
    }
    let mut ahead = Ahead::new(weigh.next, weigh.head_dim);
    for index in (0..weigh.head_dim).step_by(CHUNK) {
        let count = (weigh.head_dim - index).min(CHUNK);
        ahead.ask(weigh.num_keys * CHUNK / LINE_BYTES);
        for (key, &entry) in weigh.entries[..weigh.num_keys].iter().enumerate() {
            let (entry, values) = (entry.add(index), values.add(key).cast());
            if count == CHUNK {
                L::e4m3_to_bf16(entry, values);
            } else {
                let mut codes = [0_u8; CHUNK];
                std::ptr::copy_nonoverlapping(entry, codes.as_mut_ptr(), count);
                L::e4m3_to_bf16(codes.as_ptr(), values);
            }
        }
        weigh_all_rows::<L, Bf16OfE4m3>(&WeighedTile {
            entries: &entries,
            next: &[],
            head_dim: count,
            sums: weigh.sums.add(index),
            chains: weigh.chains.add(index),
            ..*weigh
        });
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn weigh_e4m3_avx2(weigh: &WeighedTile<'_>) {
    weigh_e4m3_as_bf16::<Avx2Lanes>(weigh);
}

/// The kernel that takes values for bf16 first, where that is faster.
pub(super) fn weigh_as_bf16(isa: Isa, cache_type: CacheType) -> Option<WeighFn> {
    (isa == Isa::Avx2 && cache_type == CacheType::Fp8E4m3).then_some(weigh_e4m3_avx2 as WeighFn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        float8::e4m3_to_f32,
        lanes::{LANES, scalar::ScalarLanes},
        paged_attention::{cached::E4m3, weigh::weigh_lanes},
        testing::assert_same_bits,
    };

    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn to_bf16_avx2(codes: &[u8; 32], target: &mut [u16; 32]) {
        Avx2Lanes::e4m3_to_bf16(codes.as_ptr(), target.as_mut_ptr());
    }

    /// Whether there is something to test.
    #[expect(clippy::print_stderr, reason = "a test that lacks something says so")]
    fn has_avx2() -> bool {
        let is_available = Isa::Avx2.is_available();
        if !is_available {
            eprintln!("SKIPPED e4m3 by AVX2: this processor lacks it");
        }
        is_available
    }

    #[test]
    fn every_e4m3_becomes_its_bf16() {
        if !has_avx2() {
            return;
        }
        for first in (0..=255_u8).step_by(32) {
            let codes: [u8; 32] = std::array::from_fn(|index| first + index as u8);
            let (mut actual, mut scalar) = ([0; 32], [0; 32]);
            // SAFETY: the instruction set is there, and the arrays are long enough.
            unsafe {
                to_bf16_avx2(&codes, &mut actual);
                ScalarLanes::e4m3_to_bf16(codes.as_ptr(), scalar.as_mut_ptr());
            }
            for (index, code) in codes.into_iter().enumerate() {
                let place = BF16_PLACES[index / 8] + index % 8;
                let value = |bits: [u16; 32]| f32::from_bits(u32::from(bits[place]) << 16);
                let expected = e4m3_to_f32(code);
                for actual in [value(actual), value(scalar)] {
                    let is_same = actual.to_bits() == expected.to_bits() || actual.is_nan() && expected.is_nan();
                    assert!(is_same, "{code:#x} is {actual}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn weighed_values_agree_with_the_scalar_twins() {
        if !has_avx2() {
            return;
        }
        // Whole numbers and sixteenths of them, of which every sum is exact.
        let number = |index: usize| (index * 29 % 7) as f32 / 16.0 - 0.1875;
        for head_dim in [1, 3, 16, 17, 31, 32, 33, 48, 64, 80, 128, 131] {
            let slots: Vec<Vec<u8>> = (0..TILE_KEYS)
                .map(|key| {
                    let mut slot = vec![0; head_dim];
                    let numbers: Vec<f32> = (0..head_dim).map(|element| number(key * 13 + element)).collect();
                    CacheType::Fp8E4m3.store(&numbers, &mut slot);
                    slot
                })
                .collect();
            let entries: [*const u8; TILE_KEYS] = std::array::from_fn(|key| slots[key].as_ptr());
            let padded = head_dim.next_multiple_of(LANES);
            for (num_rows, num_keys) in (1..=9).flat_map(|rows| [(rows, 1), (rows, 63), (rows, 64)]) {
                let weights: Vec<f32> = (0..num_rows * TILE_KEYS).map(|index| number(index + 5)).collect();
                let by = |weigh: WeighFn| {
                    let mut sums: Vec<f32> = (0..num_rows * padded).map(number).collect();
                    let mut chains = vec![f32::NAN; num_rows * padded];
                    // SAFETY: everything is as long as its field says, and the instruction set is there.
                    unsafe {
                        weigh(&WeighedTile {
                            entries: &entries,
                            next: &entries,
                            num_keys,
                            head_dim,
                            scores: weights.as_ptr(),
                            num_rows,
                            sums: sums.as_mut_ptr(),
                            sums_stride: padded,
                            chains: chains.as_mut_ptr(),
                            begins: true,
                            ends: true,
                        });
                    }
                    sums
                };
                let what = format!("{num_rows} rows, {num_keys} keys of {head_dim}");
                let expected = by(weigh_lanes::<ScalarLanes, E4m3>);
                assert_same_bits(&by(weigh_e4m3_avx2), &expected, &what);
                assert_same_bits(&by(weigh_e4m3_as_bf16::<ScalarLanes>), &expected, &what);
            }
        }
    }
}
