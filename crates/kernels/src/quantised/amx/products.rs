//! Products of a stretch as assembly: a tile of whole sums for each block or half of one, and floats made of them.

use std::{
    arch::asm,
    mem::{MaybeUninit, offset_of},
};

use crate::{
    amx::TileMemory,
    quantised::{rows::ActivationBlock, scales::Scales},
};

/// A stretch of the blocks of up to sixteen rows and of one panel.
pub(super) struct Stretch {
    /// The first blocks of all rows side by side, then their second ones.
    pub(super) x: *const u8,
    /// Bytes from the blocks to the next ones.
    pub(super) block: usize,
    /// Signed bytes, or bytes with 128 added.
    pub(super) levels: *const u8,
    /// Sixteen scales, then sixteen mins where there are any, for each block, or for each half of it.
    pub(super) scales: *const f32,
    /// A tile.
    pub(super) sums: *mut f32,
    /// How many blocks.
    pub(super) num_blocks: usize,
    /// Memory that is wanted soon, which need not be there.
    pub(super) ahead: *const u8,
    /// Bytes from one of the four lines that a product asks for to the next: a line, or two that come together.
    pub(super) ahead_step: usize,
}

/// Adds the products of a stretch to the sums.
pub(super) type AddProducts = unsafe fn(Stretch);

/// The products of up to eight rows and of up to sixteen, of levels as they are stored, with 128 added, or of signed ones.
pub(super) const fn of<C: Scales>(are_stored: bool) -> (AddProducts, AddProducts) {
    match (are_stored, C::PARTS, C::HAS_MIN) {
        (false, 1, false) => (eight_rows, sixteen_rows),
        (false, 1, true) => (eight_rows_min, sixteen_rows_min),
        (false, _, false) => (eight_rows_halves, sixteen_rows_halves),
        (false, _, true) => (eight_rows_halves_min, sixteen_rows_halves_min),
        (true, 1, false) => (eight_rows_biased, sixteen_rows_biased),
        (true, 1, true) => (eight_rows_biased_min, sixteen_rows_biased_min),
        (true, _, false) => (eight_rows_biased_halves, sixteen_rows_biased_halves),
        (true, _, true) => (eight_rows_biased_halves_min, sixteen_rows_biased_halves_min),
    }
}

/// How far the rows and the levels are behind a part of a block: all of it, or one of its halves.
macro_rules! behind {
    (whole) => {
        "add {x}, {block}\nadd {levels}, 512\n"
    };
    (first) => {
        "add {x}, 16\nadd {levels}, 256\n"
    };
    (second) => {
        "lea {x}, [{x} + {block} - 16]\nadd {levels}, 256\n"
    };
}

/// Asks for four lines of what is wanted soon.
macro_rules! ahead {
    () => {
        ".rept 4\nprefetcht0 [{ahead}]\nadd {ahead}, {ahead_step}\n.endr\n"
    };
}

/// The same of what floats take of the rows.
macro_rules! behind_floats {
    (first) => {
        ""
    };
    ($part:ident) => {
        "add {late}, {block}\n"
    };
}

/// Where what is kept of the activations of each part is for this one.
macro_rules! of_part {
    ($first:literal, second) => {
        concat!($first, " + 4")
    };
    ($first:literal, $part:ident) => {
        $first
    };
}

/// The product of tiles of signed bytes of rows and such levels.
macro_rules! product {
    (signed) => {
        "tdpbssd "
    };
    (biased) => {
        "tdpbsud "
    };
}

/// The tile of sums of a part, which takes two others; what it held before is stored where that is said.
macro_rules! tile {
    ($sign:ident $part:ident, $sums:literal = $x:literal * $levels:literal $(, stores at $place:literal)?) => {
        concat!(
            concat!("tileloadd ", $x, ", [{x} + {line}]\n"),
            concat!("tileloadd ", $levels, ", [{levels} + {line}]\n"),
            $(concat!("tilestored [{waiting} + {line} + ", $place, "], ", $sums, "\n"),)?
            concat!("tilezero ", $sums, "\n"),
            concat!(product!($sign), $sums, ", ", $x, ", ", $levels, "\n"),
            concat!("tilezero ", $x, "\ntilezero ", $levels, "\n"),
            behind!($part),
            ahead!(),
        )
    };
}

/// A row of the stored sums of a part as floats, without what was added to the levels.
macro_rules! sums_of_row {
    (signed, $part:ident, $place:literal) => {
        concat!("vcvtdq2ps zmm18, zmmword ptr [{waiting} + 64 * \\row + ", $place, "]\n")
    };
    (biased, $part:ident, $place:literal) => {
        concat!(
            concat!("vpbroadcastd zmm18, dword ptr [{late} + 64 * \\row + ", of_part!("{bias}", $part), "]\n"),
            concat!("vpaddd zmm18, zmm18, zmmword ptr [{waiting} + 64 * \\row + ", $place, "]\n"),
            "vcvtdq2ps zmm18, zmm18\n"
        )
    };
}

/// Adds the stored sums of a part, scaled, and the mins.
macro_rules! floats {
    ($sign:ident $mins:ident, $part:ident, $rows:literal, $place:literal) => {
        concat!(
            "vmovaps zmm16, [{scales}]\n",
            concat!(".irp row, ", $rows, "\n"),
            "vmulps zmm17, zmm16, dword ptr [{late} + 64 * \\row + {scale}]{{1to16}}\n",
            sums_of_row!($sign, $part, $place),
            "vfmadd231ps zmm\\row, zmm17, zmm18\n",
            ".endr\n",
            floats!($mins, $part, $rows),
            behind_floats!($part),
        )
    };
    (scales, $part:ident, $rows:literal) => {
        "add {scales}, 64\n"
    };
    (mins, $part:ident, $rows:literal) => {
        concat!(
            "vmovaps zmm16, [{scales} + 64]\n",
            concat!(".irp row, ", $rows, "\n"),
            concat!(
                "vfmadd231ps zmm\\row, zmm16, dword ptr [{late} + 64 * \\row + ",
                of_part!("{sum}", $part),
                "]{{1to16}}\n"
            ),
            ".endr\n",
            "add {scales}, 128\n",
        )
    };
}

/// The products of one block behind the last four parts.
macro_rules! rest {
    ($sign:ident $mins:ident, $rows:literal, whole, whole) => {
        concat!(
            tile!($sign whole, "tmm0" = "tmm4" * "tmm6"),
            "tilestored [{waiting} + {line}], tmm0\n",
            floats!($sign $mins, whole, $rows, "0"),
        )
    };
    ($sign:ident $mins:ident, $rows:literal, $one:ident, $other:ident) => {
        concat!(
            tile!($sign $one, "tmm0" = "tmm4" * "tmm6"),
            tile!($sign $other, "tmm1" = "tmm5" * "tmm7"),
            "tilestored [{waiting} + {line}], tmm0\n",
            "tilestored [{waiting} + {line} + 1024], tmm1\n",
            floats!($sign $mins, $one, $rows, "0"),
            floats!($sign $mins, $other, $rows, "1024"),
        )
    };
}

/// Defines the products of so many rows and of blocks of so many parts, four parts at a time. Tiles are four parts ahead of
/// floats: a tile that is stored long after its product waits for nothing.
macro_rules! products {
    ($name:ident: $rows:literal, $sign:ident $mins:ident, ($one:ident, $other:ident), four of $blocks:literal, $sum:ident, $bias:ident) => {
        unsafe fn $name(stretch: Stretch) {
            let mut waiting = MaybeUninit::<TileMemory<4>>::uninit();
            asm!(
                concat!(".irp row, ", $rows, "\n", "vmovaps zmm\\row, [{sums} + 64 * \\row]\n", ".endr"),
                "test {fours}, {fours}",
                "jz 4f",
                tile!($sign $one, "tmm0" = "tmm4" * "tmm6"),
                tile!($sign $other, "tmm1" = "tmm5" * "tmm7"),
                tile!($sign $one, "tmm2" = "tmm4" * "tmm6"),
                tile!($sign $other, "tmm3" = "tmm5" * "tmm7"),
                "dec {fours}",
                "jz 3f",
                "2:",
                tile!($sign $one, "tmm0" = "tmm4" * "tmm6", stores at "0"),
                floats!($sign $mins, $one, $rows, "0"),
                tile!($sign $other, "tmm1" = "tmm5" * "tmm7", stores at "1024"),
                floats!($sign $mins, $other, $rows, "1024"),
                tile!($sign $one, "tmm2" = "tmm4" * "tmm6", stores at "2048"),
                floats!($sign $mins, $one, $rows, "2048"),
                tile!($sign $other, "tmm3" = "tmm5" * "tmm7", stores at "3072"),
                floats!($sign $mins, $other, $rows, "3072"),
                "dec {fours}",
                "jnz 2b",
                "3:",
                "tilestored [{waiting} + {line}], tmm0",
                "tilestored [{waiting} + {line} + 1024], tmm1",
                "tilestored [{waiting} + {line} + 2048], tmm2",
                "tilestored [{waiting} + {line} + 3072], tmm3",
                floats!($sign $mins, $one, $rows, "0"),
                floats!($sign $mins, $other, $rows, "1024"),
                floats!($sign $mins, $one, $rows, "2048"),
                floats!($sign $mins, $other, $rows, "3072"),
                "4:",
                "test {rest}, {rest}",
                "jz 6f",
                "5:",
                rest!($sign $mins, $rows, $one, $other),
                "dec {rest}",
                "jnz 5b",
                "6:",
                concat!(".irp row, ", $rows, "\n", "vmovaps [{sums} + 64 * \\row], zmm\\row\n", ".endr"),
                // Names that not every form uses.
                "/* {sum} {bias} */",
                x = inout(reg) stretch.x => _,
                late = inout(reg) stretch.x => _,
                block = in(reg) stretch.block,
                levels = inout(reg) stretch.levels => _,
                ahead = inout(reg) stretch.ahead => _,
                ahead_step = in(reg) stretch.ahead_step,
                scales = inout(reg) stretch.scales => _,
                waiting = in(reg) waiting.as_mut_ptr(),
                sums = in(reg) stretch.sums,
                line = in(reg) 64_usize,
                fours = inout(reg) stretch.num_blocks / $blocks => _,
                rest = inout(reg) stretch.num_blocks % $blocks => _,
                scale = const offset_of!(ActivationBlock, scale),
                sum = const offset_of!(ActivationBlock, $sum),
                bias = const offset_of!(ActivationBlock, $bias),
                out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _,
                out("zmm4") _, out("zmm5") _, out("zmm6") _, out("zmm7") _,
                out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _,
                out("zmm12") _, out("zmm13") _, out("zmm14") _, out("zmm15") _,
                out("zmm16") _, out("zmm17") _, out("zmm18") _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    };
    ($name:ident of blocks: $rows:literal, $sign:ident $mins:ident) => {
        products!($name: $rows, $sign $mins, (whole, whole), four of 4, sum, minus_128);
    };
    ($name:ident of halves: $rows:literal, $sign:ident $mins:ident) => {
        products!($name: $rows, $sign $mins, (first, second), four of 2, half_sums, halves_minus_128);
    };
}

/// The same for up to eight rows and up to sixteen.
macro_rules! heights {
    ($low:ident, $high:ident of $parts:ident: $sign:ident $mins:ident) => {
        products!($low of $parts: "0,1,2,3,4,5,6,7", $sign $mins);
        products!($high of $parts: "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15", $sign $mins);
    };
}

heights!(eight_rows, sixteen_rows of blocks: signed scales);
heights!(eight_rows_min, sixteen_rows_min of blocks: signed mins);
heights!(eight_rows_halves, sixteen_rows_halves of halves: signed scales);
heights!(eight_rows_halves_min, sixteen_rows_halves_min of halves: signed mins);
heights!(eight_rows_biased, sixteen_rows_biased of blocks: biased scales);
heights!(eight_rows_biased_min, sixteen_rows_biased_min of blocks: biased mins);
heights!(eight_rows_biased_halves, sixteen_rows_biased_halves of halves: biased scales);
heights!(eight_rows_biased_halves_min, sixteen_rows_biased_halves_min of halves: biased mins);
