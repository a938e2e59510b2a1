//! A tile's keys and values as bf16, where products of tiles take them. Numbers of eight bits are looked up by a permutation of
//! bytes, which holds half of them; the other half has the opposite sign.

use std::arch::x86_64::*;

use super::{ROW_ELEMENTS, TILE_ROWS, products::stay_awake};
use crate::{
    float8::{e4m3_to_f32, e5m2_to_f32},
    paged_attention::tile_kernels::{CachedTile, TILE_KEYS},
    prefetch::ask_for,
};

/// Keys, or values, of which one lets the unit of tiles have something to do.
const AWAKE_KEYS: usize = 8;

/// Elements that are brought at once.
const ELEMENTS: usize = 64;

/// A type of the cache whose numbers bf16 holds.
trait Words: Copy {
    /// Bytes of one element.
    const SIZE_BYTES: usize;

    /// What it takes to read some.
    unsafe fn new() -> Self;

    /// The first `count` of 64 elements from `source` on in ascending order, zeros behind; what is not wanted is not read.
    unsafe fn load(self, source: *const u8, count: usize) -> [__m512i; 2];

    /// The same, and of each vector the quarters' halves so that [`pairs`] has them in order.
    unsafe fn load_for_pairs(self, source: *const u8, count: usize) -> [__m512i; 2];
}

/// Of sixteen bits each.
#[derive(Clone, Copy)]
struct Bf16;

impl Words for Bf16 {
    const SIZE_BYTES: usize = 2;

    #[inline(always)]
    unsafe fn new() -> Self {
        Bf16
    }

    #[inline(always)]
    unsafe fn load(self, source: *const u8, count: usize) -> [__m512i; 2] {
        let mask = |count: usize| ((1_u64 << count.min(ROW_ELEMENTS)) - 1) as __mmask32;
        let second = source.wrapping_add(2 * ROW_ELEMENTS);
        [
            _mm512_maskz_loadu_epi16(mask(count), source.cast()),
            _mm512_maskz_loadu_epi16(mask(count.saturating_sub(ROW_ELEMENTS)), second.cast()),
        ]
    }

    #[inline(always)]
    unsafe fn load_for_pairs(self, source: *const u8, count: usize) -> [__m512i; 2] {
        let [first, second] = self.load(source, count);
        let order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
        [_mm512_permutexvar_epi64(order, first), _mm512_permutexvar_epi64(order, second)]
    }
}

/// Of eight bits: a sign, and one of 128 magnitudes, whose bf16 are the low bytes and the high bytes of the tables.
#[derive(Clone, Copy)]
struct Bytes<const ARE_WHOLE: bool> {
    low: [__m512i; 2],
    high: [__m512i; 2],
}

impl<const ARE_WHOLE: bool> Bytes<ARE_WHOLE> {
    #[inline(always)]
    unsafe fn with_magnitudes(table: &[[u8; 128]; 2]) -> Self {
        let half = |bytes: &[u8; 128], half: usize| _mm512_loadu_si512(bytes.as_ptr().add(half * 64).cast());
        let [low, high] = table;
        Bytes { low: [half(low, 0), half(low, 1)], high: [half(high, 0), half(high, 1)] }
    }

    /// Sixty-four codes as bf16: of each quarter the lower half, then of each the upper half.
    #[inline(always)]
    unsafe fn widen(self, codes: __m512i) -> [__m512i; 2] {
        // A permutation takes no more than seven bits of an index. Whole numbers are never -128.
        let magnitudes = if ARE_WHOLE { _mm512_abs_epi8(codes) } else { codes };
        let low = _mm512_permutex2var_epi8(self.low[0], magnitudes, self.low[1]);
        let high = _mm512_permutex2var_epi8(self.high[0], magnitudes, self.high[1]);
        let high = _mm512_or_si512(high, _mm512_and_si512(codes, _mm512_set1_epi8(i8::MIN)));
        [_mm512_unpacklo_epi8(low, high), _mm512_unpackhi_epi8(low, high)]
    }

    #[inline(always)]
    unsafe fn codes(source: *const u8, count: usize) -> __m512i {
        let mask = if count >= ELEMENTS { !0 } else { (1_u64 << count) - 1 };
        _mm512_maskz_loadu_epi8(mask, source.cast())
    }

    #[inline(always)]
    unsafe fn load(self, source: *const u8, count: usize) -> [__m512i; 2] {
        let order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
        self.widen(_mm512_permutexvar_epi64(order, Self::codes(source, count)))
    }

    #[inline(always)]
    unsafe fn load_for_pairs(self, source: *const u8, count: usize) -> [__m512i; 2] {
        let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        self.widen(_mm512_permutexvar_epi32(order, Self::codes(source, count)))
    }
}

/// A whole number's value.
const fn whole_to_f32(number: u8) -> f32 {
    number as f32
}

/// A type of eight bits, and the value of its positive codes.
macro_rules! byte_words {
    ($name:ident, $are_whole:literal, $value:path) => {
        #[derive(Clone, Copy)]
        struct $name(Bytes<$are_whole>);

        impl $name {
            /// The low and the high bytes of the bf16 of all magnitudes.
            const HALVES: [[u8; 128]; 2] = {
                let mut halves = [[0; 128]; 2];
                let mut code = 0;
                while code < 128 {
                    let [_, _, low, high] = $value(code as u8).to_bits().to_le_bytes();
                    (halves[0][code], halves[1][code]) = (low, high);
                    code += 1;
                }
                halves
            };
        }

        impl Words for $name {
            const SIZE_BYTES: usize = 1;

            #[inline(always)]
            unsafe fn new() -> Self {
                $name(Bytes::with_magnitudes(&Self::HALVES))
            }
            #[inline(always)]
            unsafe fn load(self, source: *const u8, count: usize) -> [__m512i; 2] {
                self.0.load(source, count)
            }
            #[inline(always)]
            unsafe fn load_for_pairs(self, source: *const u8, count: usize) -> [__m512i; 2] {
                self.0.load_for_pairs(source, count)
            }
        }
    };
}

byte_words!(E4m3, false, e4m3_to_f32);
byte_words!(E5m2, false, e5m2_to_f32);
byte_words!(Int8, true, whole_to_f32);

/// Elements of two keys side by side: of sixteen elements, then of the next ones.
#[inline(always)]
unsafe fn pairs(first: __m512i, second: __m512i) -> [__m512i; 2] {
    [_mm512_unpacklo_epi16(first, second), _mm512_unpackhi_epi16(first, second)]
}

/// Calls with every whole chunk of elements, for which the count is a constant, and then with what is left: where it begins, and how
/// many elements there are.
macro_rules! for_chunks {
    ($head_dim:expr, |$index:ident, $count:ident| $body:block) => {
        let whole = $head_dim / ELEMENTS * ELEMENTS;
        for $index in (0..whole).step_by(ELEMENTS) {
            let $count = ELEMENTS;
            $body
        }
        if whole < $head_dim {
            let ($index, $count) = (whole, $head_dim - whole);
            $body
        }
    };
}

#[inline(always)]
unsafe fn keys<W: Words>(tile: &CachedTile<'_>) {
    let row_bytes = tile.head_dim.next_multiple_of(ROW_ELEMENTS) * 2;
    let words = W::new();
    for (key, (&entry, &next)) in tile.entries.iter().zip(tile.next).enumerate() {
        let target = tile.panels.cast::<u8>().add(key * row_bytes);
        if key % AWAKE_KEYS == 0 {
            stay_awake();
        }
        for_chunks!(tile.head_dim, |index, count| {
            ask_for(next.wrapping_add(index * W::SIZE_BYTES), count * W::SIZE_BYTES);
            let [first, second] = words.load(entry.add(index * W::SIZE_BYTES), count);
            _mm512_store_si512(target.add(index * 2).cast(), first);
            if count > ROW_ELEMENTS {
                _mm512_store_si512(target.add((index + ROW_ELEMENTS) * 2).cast(), second);
            }
        });
    }
}

#[inline(always)]
unsafe fn values<W: Words>(tile: &CachedTile<'_>) {
    let row_bytes = tile.head_dim.next_multiple_of(ROW_ELEMENTS) * 4;
    let words = W::new();
    for row in 0..TILE_KEYS / 2 {
        // Two keys sixteen apart, of each 32 keys.
        let key = row / TILE_ROWS * 2 * TILE_ROWS + row % TILE_ROWS;
        let (one, other) = (tile.entries[key], tile.entries[key + TILE_ROWS]);
        let (next, after) = (tile.next[2 * row], tile.next[2 * row + 1]);
        let target = tile.panels.cast::<u8>().add(row * row_bytes);
        if 2 * row % AWAKE_KEYS == 0 {
            stay_awake();
        }
        for_chunks!(tile.head_dim, |index, count| {
            let start = index * W::SIZE_BYTES;
            ask_for(next.wrapping_add(start), count * W::SIZE_BYTES);
            ask_for(after.wrapping_add(start), count * W::SIZE_BYTES);
            let one = words.load_for_pairs(one.add(start), count);
            let other = words.load_for_pairs(other.add(start), count);
            let target = target.add(index * 4);
            for half in 0..count.div_ceil(ROW_ELEMENTS) {
                let [first, second] = pairs(one[half], other[half]);
                _mm512_store_si512(target.add(half * 128).cast(), first);
                _mm512_store_si512(target.add(half * 128 + 64).cast(), second);
            }
        });
    }
}

/// Instances for a type.
macro_rules! stage {
    ($words:ident: $keys:ident, $values:ident) => {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2,fma")]
        pub(super) unsafe fn $keys(tile: &CachedTile<'_>) {
            keys::<$words>(tile);
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2,fma")]
        pub(super) unsafe fn $values(tile: &CachedTile<'_>) {
            values::<$words>(tile);
        }
    };
}

stage!(Bf16: keys_bf16, values_bf16);
stage!(E4m3: keys_e4m3, values_e4m3);
stage!(E5m2: keys_e5m2, values_e5m2);
stage!(Int8: keys_int8, values_int8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AlignedBuffer, CacheType, Isa, paged_attention::amx::StageKernels};

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that lacks something says so")]
    fn every_code_is_staged_as_what_it_stands_for() {
        if !Isa::Amx.is_available() {
            eprintln!("SKIPPED staging for tiles: this processor or system lacks them");
            return;
        }
        for (cache_type, head_dim) in
            CacheType::ALL.into_iter().flat_map(|kind| [1, 31, 33, 64, 80, 130].map(|d| (kind, d)))
        {
            let Some(stage) = StageKernels::new(Isa::Amx, cache_type) else {
                assert_eq!(cache_type, CacheType::F32, "bf16 holds all others");
                continue;
            };
            let slot_bytes = cache_type.slot_elements(head_dim) * cache_type.size_bytes();
            // Every byte that is stored: whole numbers are never -128.
            let slots: Vec<Vec<u8>> = (0..TILE_KEYS)
                .map(|key| {
                    (0..slot_bytes).map(|at| (key * 67 + at * 5) as u8).map(|byte| byte.max(byte / 128 * 129)).collect()
                })
                .collect();
            let entries = std::array::from_fn(|key| slots[key].as_ptr());
            let scalar_bits = |key: usize, element: usize| -> u32 {
                let code = &slots[key][element * cache_type.size_bytes()..][..cache_type.size_bytes()];
                match cache_type {
                    CacheType::F32 => 0,
                    CacheType::Bf16 => u32::from(u16::from_le_bytes([code[0], code[1]])) << 16,
                    CacheType::Fp8E4m3 => e4m3_to_f32(code[0]).to_bits(),
                    CacheType::Fp8E5m2 => e5m2_to_f32(code[0]).to_bits(),
                    CacheType::Int8 => f32::from(code[0] as i8).to_bits(),
                }
            };
            let padded = head_dim.next_multiple_of(ROW_ELEMENTS);
            let staged = |stage: unsafe fn(&CachedTile<'_>)| {
                let mut memory = AlignedBuffer::zeroed(TILE_KEYS * padded * 2).expect("memory");
                memory.bytes_mut().fill(0xaa);
                // SAFETY: the sizes are what the kernels ask for, the CPU has the instructions and tiles have shapes.
                unsafe {
                    let _configured = crate::paged_attention::amx::configure();
                    let panels = memory.elements_mut::<f32>().as_mut_ptr();
                    stage(&CachedTile { entries: &entries, next: &entries, num_keys: TILE_KEYS, head_dim, panels });
                }
                memory
            };
            let (keys, values) = (staged(stage.keys), staged(stage.values));
            let word = |memory: &AlignedBuffer, index: usize| -> u32 {
                let bytes = &memory.bytes()[2 * index..][..2];
                u32::from(u16::from_le_bytes([bytes[0], bytes[1]])) << 16
            };
            for (key, element) in (0..TILE_KEYS).flat_map(|key| (0..padded).map(move |element| (key, element))) {
                let expected = if element < head_dim { scalar_bits(key, element) } else { 0 };
                let what = format!("{cache_type}, {head_dim} elements: {element} of key {key}");
                assert_eq!(word(&keys, key * padded + element), expected, "{what}");
                let (row, second) = (key / 32 * 16 + key % 16, key / 16 % 2);
                assert_eq!(word(&values, (row * padded + element) * 2 + second), expected, "{what} as a value");
            }
        }
    }
}
