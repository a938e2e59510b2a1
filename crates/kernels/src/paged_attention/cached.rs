//! The types through which attention reads a cache: one for each [`CacheType`](crate::CacheType). Slots' scales are not theirs: they are
//! factors of scores and of weights.

use crate::lanes::{LANES, Lanes};

/// Elements of an entry, one behind the other.
pub(super) trait Elements {
    /// Bytes of one.
    const SIZE_BYTES: usize;
    /// Sixteen elements from `index` on.
    unsafe fn load<L: Lanes>(entry: *const u8, index: usize) -> L;
    /// The first `count` of them; the other lanes are zero and not read.
    unsafe fn load_first<L: Lanes>(entry: *const u8, index: usize, count: usize) -> L;
}

/// An element type of the cache.
pub(super) trait Cached: Elements {
    /// How many elements are as wide as sixteen f32.
    const ELEMENTS_OF_16_WORDS: usize;
    /// Stores sixteen words of each of sixteen entries, from element `index` on, as one column per element.
    unsafe fn columns_of_16_words<L: Lanes>(entries: &[*const u8; LANES], index: usize, target: *mut f32);
    /// Stores `count` elements of each, no more than sixteen, as columns.
    #[inline(always)]
    unsafe fn first_columns<L: Lanes>(entries: &[*const u8; LANES], index: usize, count: usize, target: *mut f32) {
        let mut rows = [L::splat(0.0); LANES];
        for (row, &entry) in rows.iter_mut().zip(entries) {
            *row = Self::load_first(entry, index, count);
        }
        for (offset, column) in L::transpose(rows).into_iter().take(count).enumerate() {
            column.store(target.add(offset * LANES));
        }
    }
}

pub(super) struct F32;
pub(super) struct Bf16;
pub(super) struct E4m3;
pub(super) struct E5m2;
pub(super) struct Int8;

impl Elements for F32 {
    const SIZE_BYTES: usize = 4;

    #[inline(always)]
    unsafe fn load<L: Lanes>(entry: *const u8, index: usize) -> L {
        L::load(entry.cast::<f32>().add(index))
    }
    #[inline(always)]
    unsafe fn load_first<L: Lanes>(entry: *const u8, index: usize, count: usize) -> L {
        L::load_first(entry.cast::<f32>().add(index), count, 0.0)
    }
}

impl Cached for F32 {
    const ELEMENTS_OF_16_WORDS: usize = LANES;

    #[inline(always)]
    unsafe fn columns_of_16_words<L: Lanes>(entries: &[*const u8; LANES], index: usize, target: *mut f32) {
        Self::first_columns::<L>(entries, index, LANES, target);
    }
    #[inline(always)]
    unsafe fn first_columns<L: Lanes>(entries: &[*const u8; LANES], index: usize, count: usize, target: *mut f32) {
        L::store_columns_of(&from_element(entries, index), count, target);
    }
}

/// Sixteen words of each entry, from a byte on, as columns.
#[inline(always)]
unsafe fn transposed_words<L: Lanes>(entries: &[*const u8; LANES], first_byte: usize) -> [L; LANES] {
    let mut rows = [L::splat(0.0); LANES];
    for (row, entry) in rows.iter_mut().zip(entries) {
        *row = L::load(entry.add(first_byte).cast());
    }
    L::transpose(rows)
}

/// Where element `index` of each entry of f32 is.
#[inline(always)]
unsafe fn from_element(entries: &[*const u8; LANES], index: usize) -> [*const u8; LANES] {
    let mut places = *entries;
    for place in &mut places {
        *place = place.add(index * 4);
    }
    places
}

impl Elements for Bf16 {
    const SIZE_BYTES: usize = 2;

    #[inline(always)]
    unsafe fn load<L: Lanes>(entry: *const u8, index: usize) -> L {
        L::load_bf16(entry.cast::<u16>().add(index))
    }
    #[inline(always)]
    unsafe fn load_first<L: Lanes>(entry: *const u8, index: usize, count: usize) -> L {
        L::load_first_bf16(entry.cast::<u16>().add(index), count)
    }
}

impl Cached for Bf16 {
    const ELEMENTS_OF_16_WORDS: usize = 2 * LANES;

    #[inline(always)]
    unsafe fn columns_of_16_words<L: Lanes>(entries: &[*const u8; LANES], index: usize, target: *mut f32) {
        let columns = transposed_words::<L>(entries, index * Self::SIZE_BYTES);
        for (index, column) in columns.into_iter().enumerate() {
            let (even, odd) = column.split_bf16_pairs();
            even.store(target.add(2 * index * LANES));
            odd.store(target.add((2 * index + 1) * LANES));
        }
    }
}

/// An element of one byte, by the lanes' way to read sixteen of them.
macro_rules! byte_element {
    ($name:ident, $load:ident) => {
        impl Elements for $name {
            const SIZE_BYTES: usize = 1;

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

        impl Cached for $name {
            const ELEMENTS_OF_16_WORDS: usize = 4 * LANES;

            #[inline(always)]
            unsafe fn columns_of_16_words<L: Lanes>(entries: &[*const u8; LANES], index: usize, target: *mut f32) {
                let columns = transposed_words::<L>(entries, index * Self::SIZE_BYTES);
                for (index, column) in columns.into_iter().enumerate() {
                    let mut bytes = [0_u8; 4 * LANES];
                    column.store_byte_columns(bytes.as_mut_ptr());
                    for byte in 0..4 {
                        L::$load(bytes.as_ptr().add(byte * LANES).cast()).store(target.add((4 * index + byte) * LANES));
                    }
                }
            }
        }
    };
}

byte_element!(E4m3, load_e4m3);
byte_element!(E5m2, load_e5m2);
byte_element!(Int8, load_i8);
