//! Columns of cached keys that are as narrow as the cache, or nearly, and how lanes read them: one type for each
//! [`CacheType`](crate::CacheType).

use std::mem::MaybeUninit;

use super::cached::{Bf16, E4m3, E5m2, Elements, F32, Int8};
use crate::lanes::{BF16_PLACES, LANES, Lanes};

/// An element type whose columns may stay narrow.
pub(super) trait NarrowColumns: Elements {
    /// Bytes of an entry that are turned at a time.
    const CHUNK_BYTES: usize = 16;
    /// Bytes of an element in a column.
    const COLUMN_BYTES: usize = Self::SIZE_BYTES;
    /// Whether panels that are scored together may be of several heads. Not where widening takes longer than memory: there they share
    /// their queries.
    const BY_HEADS: bool = Self::SIZE_BYTES > 1;
    /// Stores a chunk of each of sixteen entries as columns.
    unsafe fn store_chunk<L: Lanes>(entries: &[*const u8; LANES], target: *mut u8);
    /// Columns `index` and `index + 1` of those that chunks make behind each other; `index` is even.
    unsafe fn load_two_columns<L: Lanes>(columns: *const u8, index: usize) -> (L, L);
}

/// What is at a byte of each entry.
#[inline(always)]
pub(super) unsafe fn from_byte(entries: &[*const u8; LANES], byte: usize) -> [*const u8; LANES] {
    let mut places = *entries;
    for place in &mut places {
        *place = place.add(byte);
    }
    places
}

/// As wide as they are: what is spared is to read them again from far.
impl NarrowColumns for F32 {
    #[inline(always)]
    unsafe fn store_chunk<L: Lanes>(entries: &[*const u8; LANES], target: *mut u8) {
        L::store_columns_of(entries, 4, target.cast());
    }
    #[inline(always)]
    unsafe fn load_two_columns<L: Lanes>(columns: *const u8, index: usize) -> (L, L) {
        let column = columns.cast::<f32>().add(index * LANES);
        (L::load(column), L::load(column.add(LANES)))
    }
}

/// Two elements of a key are side by side.
impl NarrowColumns for Bf16 {
    #[inline(always)]
    unsafe fn store_chunk<L: Lanes>(entries: &[*const u8; LANES], target: *mut u8) {
        L::store_columns_of(entries, 4, target.cast());
    }
    #[inline(always)]
    unsafe fn load_two_columns<L: Lanes>(columns: *const u8, index: usize) -> (L, L) {
        L::load_bf16_pairs(columns.cast::<u16>().add(index * LANES))
    }
}

/// Become bf16, which they are exactly.
impl NarrowColumns for E4m3 {
    const CHUNK_BYTES: usize = 32;
    const COLUMN_BYTES: usize = 2;

    #[inline(always)]
    unsafe fn store_chunk<L: Lanes>(entries: &[*const u8; LANES], target: *mut u8) {
        let mut rows = MaybeUninit::<[[u16; 32]; LANES]>::uninit();
        let mut starts = [std::ptr::null(); LANES];
        for (row, (start, &entry)) in starts.iter_mut().zip(entries).enumerate() {
            let row = rows.as_mut_ptr().cast::<[u16; 32]>().add(row);
            L::e4m3_to_bf16(entry, row.cast());
            *start = row.cast_const().cast();
        }
        for (eight, place) in BF16_PLACES.into_iter().enumerate() {
            let target = target.add(eight * <Bf16 as NarrowColumns>::CHUNK_BYTES * LANES);
            Bf16::store_chunk::<L>(&from_byte(&starts, place * 2), target);
        }
    }
    #[inline(always)]
    unsafe fn load_two_columns<L: Lanes>(columns: *const u8, index: usize) -> (L, L) {
        Bf16::load_two_columns(columns, index)
    }
}

/// Two columns at a time, as [`Lanes::store_byte_column_pairs`] has them.
macro_rules! byte_columns {
    ($name:ident, $load_pair:ident) => {
        impl NarrowColumns for $name {
            #[inline(always)]
            unsafe fn store_chunk<L: Lanes>(entries: &[*const u8; LANES], target: *mut u8) {
                L::store_byte_column_pairs(entries, target);
            }
            #[inline(always)]
            unsafe fn load_two_columns<L: Lanes>(columns: *const u8, index: usize) -> (L, L) {
                L::$load_pair(columns.add(index * LANES))
            }
        }
    };
}

byte_columns!(E5m2, load_e5m2_column_pair);
byte_columns!(Int8, load_i8_column_pair);
