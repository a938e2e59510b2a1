//! Products of tiles as assembly: up to two tiles of rows, up to four panels, all sums in registers.

use std::arch::asm;

use super::{ROW_BYTES, TILE_ROWS};

/// What products of tiles are made of.
#[derive(Clone, Copy)]
pub(crate) struct Operands {
    pub(crate) x: *const u8,
    pub(crate) x_stride: usize,
    pub(crate) weights: *const u8,
    pub(crate) panel_bytes: usize,
    /// Whole products.
    pub(crate) steps: usize,
    /// What the last product takes of the panels, a tile each; null where there is none.
    pub(crate) rest: *const u8,
    /// A tile for each.
    pub(crate) sums: *mut f32,
}

/// An instruction that multiplies tiles.
///
/// # Safety
/// The CPU has it, tiles are [`Configured`](super::Configured), and all that the operands say is there.
pub(crate) trait Instruction {
    /// Adds the products of two tiles of rows and two panels.
    unsafe fn two_by_two(operands: Operands);
    /// Adds the products of two tiles of rows and one panel.
    unsafe fn two_by_one(operands: Operands);
    /// Adds the products of one tile of rows and four panels.
    unsafe fn one_by_four(operands: Operands);
    /// Adds the products of one tile of rows and one panel.
    unsafe fn one_by_one(operands: Operands);
}

/// Adds the products of all steps, then of the rest, to the sums in memory, whose tiles lie at so many bytes.
macro_rules! products {
    ($name:ident, sums: [$($tile:literal at $place:literal),+], body: [$($body:expr),+]) => {
        #[inline(always)]
        unsafe fn $name(operands: Operands) {
            let Operands { x, x_stride, weights, panel_bytes, steps, rest, sums } = operands;
            asm!(
                $(concat!("tileloadd ", $tile, ", [{sums} + {line} + ", $place, "]"),)+
                "test {steps}, {steps}",
                "jz 3f",
                "2:",
                $($body,)+
                "add {x}, 1024",
                "add {below}, 1024",
                "add {weights}, 1024",
                "dec {steps}",
                "jnz 2b",
                "3:",
                "test {rest}, {rest}",
                "jz 4f",
                "mov {weights}, {rest}",
                "xor {rest:e}, {rest:e}",
                "mov {panel:e}, 1024",
                "lea {panel_3}, [{panel} + 2 * {panel}]",
                "mov {steps:e}, 1",
                "jmp 2b",
                "4:",
                $(concat!("tilestored [{sums} + {line} + ", $place, "], ", $tile),)+
                x = inout(reg) x => _,
                below = inout(reg) x.wrapping_add(TILE_ROWS * x_stride) => _,
                weights = inout(reg) weights => _,
                panel = inout(reg) panel_bytes => _,
                panel_3 = inout(reg) 3 * panel_bytes => _,
                second = out(reg) _,
                line = in(reg) ROW_BYTES,
                steps = inout(reg) steps => _,
                rest = inout(reg) rest => _,
                sums = in(reg) sums,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    };
}

/// Asks for the lines of a tile of weights that is wanted four steps on: no prefetcher follows tiles closely enough.
macro_rules! ahead {
    ($panel:literal) => {
        concat!(
            ".irp within, 0, 64, 128, 192, 256, 320, 384, 448, 512, 576, 640, 704, 768, 832, 896, 960\n",
            concat!("prefetcht0 [{", $panel, "} + 4096 + \\within]\n"),
            ".endr\n"
        )
    };
}

/// Defines an instruction and its products.
macro_rules! instruction {
    ($(#[$meta:meta])* $name:ident = $dot:literal) => {
        $(#[$meta])*
        pub(crate) struct $name;

        impl Instruction for $name {
            products!(
                two_by_two,
                sums: ["tmm0" at 0, "tmm1" at 1024, "tmm2" at 2048, "tmm3" at 3072],
                body: [
                    "lea {second}, [{weights} + {panel}]",
                    "tileloadd tmm6, [{weights} + {line}]",
                    "tileloadd tmm4, [{x} + {line}]",
                    concat!($dot, " tmm0, tmm4, tmm6"),
                    "tileloadd tmm7, [{second} + {line}]",
                    concat!($dot, " tmm1, tmm4, tmm7"),
                    "tilezero tmm4",
                    "tileloadd tmm5, [{below} + {line}]",
                    concat!($dot, " tmm2, tmm5, tmm6"),
                    "tilezero tmm6",
                    concat!($dot, " tmm3, tmm5, tmm7"),
                    "tilezero tmm5",
                    "tilezero tmm7"
                ]
            );
            products!(
                two_by_one,
                sums: ["tmm0" at 0, "tmm2" at 1024],
                body: [
                    "mov {second}, {weights}",
                    "tileloadd tmm6, [{second} + {line}]",
                    "tileloadd tmm4, [{x} + {line}]",
                    concat!($dot, " tmm0, tmm4, tmm6"),
                    "tilezero tmm4",
                    "tileloadd tmm5, [{below} + {line}]",
                    concat!($dot, " tmm2, tmm5, tmm6"),
                    "tilezero tmm5",
                    "tilezero tmm6"
                ]
            );
            products!(
                one_by_four,
                sums: ["tmm0" at 0, "tmm1" at 1024, "tmm2" at 2048, "tmm3" at 3072],
                body: [
                    "lea {second}, [{weights} + {panel}]",
                    "tileloadd tmm4, [{x} + {line}]",
                    ahead!("weights"),
                    "tileloadd tmm5, [{weights} + {line}]",
                    concat!($dot, " tmm0, tmm4, tmm5"),
                    "tilezero tmm5",
                    ahead!("second"),
                    "tileloadd tmm6, [{second} + {line}]",
                    concat!($dot, " tmm1, tmm4, tmm6"),
                    "tilezero tmm6",
                    "lea {second}, [{second} + {panel}]",
                    ahead!("second"),
                    "tileloadd tmm7, [{second} + {line}]",
                    concat!($dot, " tmm2, tmm4, tmm7"),
                    "tilezero tmm7",
                    "lea {second}, [{weights} + {panel_3}]",
                    ahead!("second"),
                    "tileloadd tmm5, [{second} + {line}]",
                    concat!($dot, " tmm3, tmm4, tmm5"),
                    "tilezero tmm4",
                    "tilezero tmm5"
                ]
            );
            products!(
                one_by_one,
                sums: ["tmm0" at 0],
                body: [
                    "mov {second}, {weights}",
                    "tileloadd tmm4, [{x} + {line}]",
                    "tileloadd tmm5, [{second} + {line}]",
                    concat!($dot, " tmm0, tmm4, tmm5"),
                    "tilezero tmm4",
                    "tilezero tmm5"
                ]
            );
        }
    };
}

instruction!(
    /// Products of bf16, whose sums are floats.
    Bf16Products = "tdpbf16ps"
);
instruction!(
    /// Products of signed bytes of rows and unsigned ones of panels, whose sums are whole numbers.
    ByteProducts = "tdpbsud"
);
