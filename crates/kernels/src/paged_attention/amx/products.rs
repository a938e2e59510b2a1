//! Products of attention's tiles as assembly, all sums in registers.

use std::arch::asm;

use super::{ROW_BYTES, TILE_BYTES, TILE_KEYS, TILE_ROWS};

const _: () = assert!(TILE_KEYS == 4 * TILE_ROWS && TILE_BYTES == 1024, "the blocks below count on it");

/// Scores of a tile of keys and a tile of queries' parts, four tiles of [16 keys][16 parts].
///
/// # Safety
/// All tiles are configured whole; keys are [TILE_KEYS] of `stride` bytes, queries a tile for each 64 bytes of them: `steps`.
#[inline(always)]
pub(super) unsafe fn score_four_rows(keys: *const u8, stride: usize, queries: *const u8, steps: usize, sums: *mut f32) {
    let sixteen = TILE_ROWS * stride;
    asm!(
        "tilezero tmm0",
        "tilezero tmm1",
        "tilezero tmm2",
        "tilezero tmm3",
        "2:",
        "tileloadd tmm4, [{queries} + {line}]",
        "tileloadd tmm5, [{keys} + {stride}]",
        "tdpbf16ps tmm0, tmm5, tmm4",
        "tilezero tmm5",
        "tileloadd tmm6, [{second} + {stride}]",
        "tdpbf16ps tmm1, tmm6, tmm4",
        "tilezero tmm6",
        "tileloadd tmm7, [{third} + {stride}]",
        "tdpbf16ps tmm2, tmm7, tmm4",
        "tilezero tmm7",
        "tileloadd tmm5, [{fourth} + {stride}]",
        "tdpbf16ps tmm3, tmm5, tmm4",
        "tilezero tmm4",
        "tilezero tmm5",
        "add {keys}, 64",
        "add {second}, 64",
        "add {third}, 64",
        "add {fourth}, 64",
        "add {queries}, 1024",
        "dec {steps}",
        "jnz 2b",
        "tilestored [{sums} + {line}], tmm0",
        "tilestored [{sums} + {line} + 1024], tmm1",
        "tilestored [{sums} + {line} + 2048], tmm2",
        "tilestored [{sums} + {line} + 3072], tmm3",
        keys = inout(reg) keys => _,
        second = inout(reg) keys.wrapping_add(sixteen) => _,
        third = inout(reg) keys.wrapping_add(2 * sixteen) => _,
        fourth = inout(reg) keys.wrapping_add(3 * sixteen) => _,
        queries = inout(reg) queries => _,
        steps = inout(reg) steps => _,
        stride = in(reg) stride,
        line = in(reg) ROW_BYTES,
        sums = in(reg) sums,
        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
        options(nostack),
    );
}

/// The weighted values of a tile's rows and some columns of sixteen, of all keys of a tile.
macro_rules! weigh_columns {
    ($(#[$meta:meta])* $name:ident: $($sums:literal += $values:literal at $from:literal to $to:literal),+) => {
        $(#[$meta])*
        ///
        /// # Safety
        /// All tiles are configured whole; weights are two tiles, values rows of `stride` bytes, two tiles of them.
        #[inline(always)]
        pub(super) unsafe fn $name(weights: *const u8, values: *const u8, stride: usize, sums: *mut f32) {
            asm!(
                $(concat!("tilezero ", $sums),)+
                "2:",
                "tileloadd tmm4, [{weights} + {line}]",
                $(
                    concat!("tileloadd ", $values, ", [{values} + {stride} + ", $from, "]"),
                    concat!("tdpbf16ps ", $sums, ", tmm4, ", $values),
                    concat!("tilezero ", $values),
                )+
                "tilezero tmm4",
                "add {weights}, 1024",
                "add {values}, {sixteen}",
                "dec {steps:e}",
                "jnz 2b",
                $(concat!("tilestored [{sums} + {line} + ", $to, "], ", $sums),)+
                weights = inout(reg) weights => _,
                values = inout(reg) values => _,
                steps = inout(reg) 2_u32 => _,
                sixteen = in(reg) TILE_ROWS * stride,
                stride = in(reg) stride,
                line = in(reg) ROW_BYTES,
                sums = in(reg) sums,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    };
}

weigh_columns!(
    /// Four columns, a tile each.
    weigh_four_columns:
    "tmm0" += "tmm5" at "0" to "0",
    "tmm1" += "tmm6" at "64" to "1024",
    "tmm2" += "tmm7" at "128" to "2048",
    "tmm3" += "tmm5" at "192" to "3072"
);
weigh_columns!(
    /// One column.
    weigh_one_column: "tmm0" += "tmm5" at "0" to "0"
);

/// Multiplies tiles for nothing. The unit that multiplies them goes to sleep when it has had nothing to do for about 200 ns, and takes
/// half as long again to wake up; so other work lets it have something now and then. No block above has sums from before.
///
/// # Safety
/// All tiles are configured.
#[inline(always)]
pub(in super::super) unsafe fn stay_awake() {
    asm!("tdpbf16ps tmm0, tmm1, tmm2", out("tmm0") _, options(nomem, nostack, preserves_flags));
}
