//! The types through which attention reads a cache: one for each [`CacheType`](crate::CacheType). Slots' scales are not theirs: they are
//! factors of scores and of weights.

use crate::lanes::{LANES, Lanes};

/// An element type of the cache.
pub(super) trait Cached {
    /// How many elements are as wide as sixteen f32.
    const ELEMENTS_OF_16_WORDS: usize;
    /// Bytes of one.
    const SIZE_BYTES: usize;
    /// Stores transposed words as one column per element.
    unsafe fn store_columns<L: Lanes>(columns: [L; LANES], target: *mut f32);
    /// Sixteen elements from `index` on.
    unsafe fn load<L: Lanes>(entry: *const u8, index: usize) -> L;
    /// The first `count` of them; the other lanes are zero and not read.
    unsafe fn load_first<L: Lanes>(entry: *const u8, index: usize, count: usize) -> L;
}

pub(super) struct F32;
pub(super) struct Bf16;
pub(super) struct E4m3;
pub(super) struct E5m2;
pub(super) struct Int8;

impl Cached for F32 {
    const ELEMENTS_OF_16_WORDS: usize = LANES;
    const SIZE_BYTES: usize = 4;

    #[inline(always)]
    unsafe fn store_columns<L: Lanes>(columns: [L; LANES], target: *mut f32) {
        for (index, column) in columns.into_iter().enumerate() {
            column.store(target.add(index * LANES));
        }
    }
    #[inline(always)]
    unsafe fn load<L: Lanes>(entry: *const u8, index: usize) -> L {
        L::load(entry.cast::<f32>().add(index))
    }
    #[inline(always)]
    unsafe fn load_first<L: Lanes>(entry: *const u8, index: usize, count: usize) -> L {
        L::load_first(entry.cast::<f32>().add(index), count, 0.0)
    }
}

impl Cached for Bf16 {
    const ELEMENTS_OF_16_WORDS: usize = 2 * LANES;
    const SIZE_BYTES: usize = 2;

    #[inline(always)]
    unsafe fn store_columns<L: Lanes>(columns: [L; LANES], target: *mut f32) {
        for (index, column) in columns.into_iter().enumerate() {
            let (even, odd) = column.split_bf16_pairs();
            even.store(target.add(2 * index * LANES));
            odd.store(target.add((2 * index + 1) * LANES));
        }
    }
    #[inline(always)]
    unsafe fn load<L: Lanes>(entry: *const u8, index: usize) -> L {
        L::load_bf16(entry.cast::<u16>().add(index))
    }
    #[inline(always)]
    unsafe fn load_first<L: Lanes>(entry: *const u8, index: usize, count: usize) -> L {
        L::load_first_bf16(entry.cast::<u16>().add(index), count)
    }
}

/// An element of one byte, by the lanes' way to read sixteen of them.
macro_rules! byte_element {
    ($name:ident, $load:ident) => {
        impl Cached for $name {
            const ELEMENTS_OF_16_WORDS: usize = 4 * LANES;
            const SIZE_BYTES: usize = 1;

            #[inline(always)]
            unsafe fn store_columns<L: Lanes>(columns: [L; LANES], target: *mut f32) {
                for (index, column) in columns.into_iter().enumerate() {
                    let mut bytes = [0_u8; 4 * LANES];
                    column.store_byte_columns(bytes.as_mut_ptr());
                    for byte in 0..4 {
                        L::$load(bytes.as_ptr().add(byte * LANES).cast()).store(target.add((4 * index + byte) * LANES));
                    }
                }
            }
            #[inline(always)]
            unsafe fn load<L: Lanes>(entry: *const u8, index: usize) -> L {
                L::$load(entry.add(index).cast())
            }
            #[inline(always)]
            unsafe fn load_first<L: Lanes>(entry: *const u8, index: usize, count: usize) -> L {
                let mut bytes = [0_u8; LANES];
                std::ptr::copy_nonoverlapping(entry.add(index), bytes.as_mut_ptr(), count);
                L::$load(bytes.as_ptr().cast())
            }
        }
    };
}

byte_element!(E4m3, load_e4m3);
byte_element!(E5m2, load_e5m2);
byte_element!(Int8, load_i8);
