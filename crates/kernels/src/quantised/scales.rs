//! The ways in which scales are stored, each as a type, so that a product is built for each.

use super::form::ScaleCode;
use crate::lanes::{LANES, Lanes};

/// How scales and mins are read: sixteen at a time, one for each output of a panel.
///
/// # Safety
/// As [`Lanes`]; `of_256` and `of_32` are where the scales of a super-block and of a block of it lie.
pub(crate) trait Scales {
    /// The stored form.
    const CODE: ScaleCode;
    /// Parts of a block with scales of their own: 1 or 2.
    const PARTS: usize;
    /// Whether there are mins.
    const HAS_MIN: bool;
    /// Bytes from what one super-block has to that of the next.
    const SUPER_BYTES: usize = Self::CODE.super_bytes();
    /// The same of blocks.
    const BLOCK_BYTES: usize = Self::CODE.block_bytes();
    /// The scales of a part.
    unsafe fn scale<L: Lanes>(of_256: *const u8, of_32: *const u8, part: usize) -> L;
    /// The mins of a part; zero where there are none.
    unsafe fn min<L: Lanes>(of_256: *const u8, of_32: *const u8, part: usize) -> L;
}

/// A half for each 32 inputs.
pub(crate) struct Half;
/// A half and a half min for each 32 inputs.
pub(crate) struct HalfMin;
/// A signed byte for each 16 inputs, times a half.
pub(crate) struct Of16;
/// A signed byte and a byte of min for each 16 inputs, times a half each.
pub(crate) struct Of16Min;
/// A signed byte and a byte of min for each 32 inputs, times a half each.
pub(crate) struct Of32Min;

impl Scales for Half {
    const CODE: ScaleCode = ScaleCode::Half;
    const PARTS: usize = 1;
    const HAS_MIN: bool = false;
    #[inline(always)]
    unsafe fn scale<L: Lanes>(_: *const u8, of_32: *const u8, _: usize) -> L {
        L::load_f16(of_32.cast())
    }
    #[inline(always)]
    unsafe fn min<L: Lanes>(_: *const u8, _: *const u8, _: usize) -> L {
        L::splat(0.0)
    }
}

impl Scales for HalfMin {
    const CODE: ScaleCode = ScaleCode::HalfMin;
    const PARTS: usize = 1;
    const HAS_MIN: bool = true;
    #[inline(always)]
    unsafe fn scale<L: Lanes>(_: *const u8, of_32: *const u8, _: usize) -> L {
        L::load_f16(of_32.cast())
    }
    #[inline(always)]
    unsafe fn min<L: Lanes>(_: *const u8, of_32: *const u8, _: usize) -> L {
        L::load_f16(of_32.cast::<u16>().add(LANES))
    }
}

impl Scales for Of16 {
    const CODE: ScaleCode = ScaleCode::Of16;
    const PARTS: usize = 2;
    const HAS_MIN: bool = false;
    #[inline(always)]
    unsafe fn scale<L: Lanes>(of_256: *const u8, of_32: *const u8, part: usize) -> L {
        L::load_f16(of_256.cast()).mul(L::load_i8(of_32.cast::<i8>().add(part * LANES)))
    }
    #[inline(always)]
    unsafe fn min<L: Lanes>(_: *const u8, _: *const u8, _: usize) -> L {
        L::splat(0.0)
    }
}

impl Scales for Of16Min {
    const CODE: ScaleCode = ScaleCode::Of16Min;
    const PARTS: usize = 2;
    const HAS_MIN: bool = true;
    #[inline(always)]
    unsafe fn scale<L: Lanes>(of_256: *const u8, of_32: *const u8, part: usize) -> L {
        Of16::scale(of_256, of_32, part)
    }
    #[inline(always)]
    unsafe fn min<L: Lanes>(of_256: *const u8, of_32: *const u8, part: usize) -> L {
        L::load_f16(of_256.cast::<u16>().add(LANES)).mul(L::load_u8(of_32.add((2 + part) * LANES)))
    }
}

impl Scales for Of32Min {
    const CODE: ScaleCode = ScaleCode::Of32Min;
    const PARTS: usize = 1;
    const HAS_MIN: bool = true;
    #[inline(always)]
    unsafe fn scale<L: Lanes>(of_256: *const u8, of_32: *const u8, _: usize) -> L {
        Of16::scale(of_256, of_32, 0)
    }
    #[inline(always)]
    unsafe fn min<L: Lanes>(of_256: *const u8, of_32: *const u8, _: usize) -> L {
        L::load_f16(of_256.cast::<u16>().add(LANES)).mul(L::load_u8(of_32.add(LANES)))
    }
}
