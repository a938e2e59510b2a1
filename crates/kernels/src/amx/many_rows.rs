//! More bf16 rows than two tiles have, times panels, in an order that reads memory seldom: of a slice of the inputs all rows stay
//! in the outer cache of the core while all panels pass, and of a stretch of it two panels stay in the nearest cache while
//! all rows pass. Sums wait in memory meanwhile, which changes none of them. What the next pass takes is asked for step by
//! step, since no prefetcher follows this order.

use std::{arch::asm, mem::MaybeUninit, ops::Range};

use super::{
    BF16_INPUTS, ROW_BYTES, TILE_BYTES, TILE_ROWS, TILE_SUMS, TileMemory, ask_for_results, pad_rest,
    products::{Bf16Products, Instruction, Operands},
    store_sums,
};
use crate::{
    lanes::LANES,
    prefetch::{LINE_BYTES, ask_for_share},
    tile::Tile,
};

/// Products of a stretch at most: of two panels 16 KiB, which stay in the nearest cache beside as much of the rows that pass.
const STRETCH_STEPS: usize = 8;

/// Bytes of the rows of a slice at most: about a half of the outer cache of a core with tiles.
const SLICE_BYTES: usize = 1024 * 1024;

/// Panels that pass together.
const PANELS: usize = 2;

/// Multiplies all rows by all columns of `block`, whose waiting memory has a tile for each sixteen rows of each panel.
///
/// # Safety
/// As [`TileFn`](crate::tile::TileFn)s; all tiles are configured whole.
#[inline(always)]
pub(super) unsafe fn multiply(block: &Tile, num_rows: usize) {
    let num_steps = block.num_inputs / BF16_INPUTS;
    let most_steps = (SLICE_BYTES / TILE_BYTES / num_rows.div_ceil(TILE_ROWS)).max(STRETCH_STEPS);
    let slice_steps = even_parts(num_steps, most_steps);
    for first in (0..num_steps.max(1)).step_by(slice_steps) {
        let slice = first..num_steps.min(first + slice_steps);
        // The last slice is followed by the first one of the next columns.
        let next_first = if slice.end < num_steps { slice.end } else { 0 };
        let next = next_first..num_steps.min(next_first + slice_steps);
        multiply_slice(block, num_rows, slice, next, slice_steps < num_steps);
    }
}

/// The length of parts that are as even as can be and not longer than `most`.
fn even_parts(len: usize, most: usize) -> usize {
    len.div_ceil(len.div_ceil(most).max(1)).max(1)
}

/// Two panels, or the last one, and a stretch of the inputs, in steps.
struct Pass {
    panels: Range<usize>,
    steps: Range<usize>,
}

/// The passes of a slice, of each pair of panels all stretches.
struct Passes {
    num_panels: usize,
    slice: Range<usize>,
    stretch_steps: usize,
}

impl Passes {
    fn new(num_panels: usize, slice: Range<usize>) -> Passes {
        let stretch_steps = even_parts(slice.len(), STRETCH_STEPS);
        Passes { num_panels, slice, stretch_steps }
    }

    /// How many stretches; no inputs are one too.
    fn stretches(&self) -> usize {
        self.slice.len().div_ceil(self.stretch_steps).max(1)
    }

    fn len(&self) -> usize {
        self.num_panels.div_ceil(PANELS) * self.stretches()
    }

    fn at(&self, index: usize) -> Pass {
        let panel = index / self.stretches() * PANELS;
        let first = self.slice.start + index % self.stretches() * self.stretch_steps;
        Pass {
            panels: panel..self.num_panels.min(panel + PANELS),
            steps: first..self.slice.end.min(first + self.stretch_steps),
        }
    }
}

/// A slice of the inputs, in steps; meanwhile asks for the rows of the next.
#[inline(always)]
unsafe fn multiply_slice(
    block: &Tile,
    num_rows: usize,
    slice: Range<usize>,
    next_slice: Range<usize>,
    is_one_of_several: bool,
) {
    let num_steps = block.num_inputs / BF16_INPUTS;
    let num_panels = block.columns.div_ceil(LANES);
    let row_tiles = num_rows.div_ceil(TILE_ROWS);
    let tile_row_bytes = TILE_ROWS * block.x_stride_bytes;
    let passes = Passes::new(num_panels, slice.clone());
    let mut rest = MaybeUninit::<TileMemory<PANELS>>::uninit();
    for index in 0..passes.len() {
        let Pass { panels, steps } = passes.at(index);
        let next = if index + 1 < passes.len() {
            Some(passes.at(index + 1))
        } else if next_slice.start > slice.start {
            Some(Passes::new(num_panels, next_slice.clone()).at(0))
        } else {
            None
        };
        let ends = steps.end == num_steps;
        let rest = if ends { pad_rest(block, panels.clone(), rest.as_mut_ptr().cast()) } else { std::ptr::null() };
        let weights = block.weights.add(panels.start * block.panel_bytes);
        // Sums that wait for the next slice have places of their own; others are stored at once.
        let waiting = block.waiting.add(if is_one_of_several { panels.start * row_tiles * TILE_SUMS } else { 0 });
        for first_tile in (0..row_tiles).step_by(2) {
            let tiles = first_tile..row_tiles.min(first_tile + 2);
            let x = block.x.add(first_tile * tile_row_bytes);
            if next_slice.start != slice.start {
                for tile in 0..tiles.len() {
                    let x = x.add(tile * tile_row_bytes + next_slice.start * TILE_BYTES);
                    ask_for_share(x, next_slice.len() * TILE_BYTES, index, passes.len());
                }
            }
            let operands = Operands {
                x: x.add(steps.start * TILE_BYTES),
                x_stride: block.x_stride_bytes,
                weights: weights.add(steps.start * TILE_BYTES),
                panel_bytes: block.panel_bytes,
                steps: steps.len(),
                rest: std::ptr::null(),
                sums: waiting.add(first_tile * panels.len() * TILE_SUMS),
            };
            let rows = first_tile * TILE_ROWS..num_rows.min(tiles.end * TILE_ROWS);
            if ends {
                ask_for_results(block, rows.clone(), panels.clone());
            }
            let mut begins = steps.start == 0;
            if !steps.is_empty() {
                let ahead = next
                    .as_ref()
                    .map_or(Ahead::NOTHING, |next| Ahead::new(block, next, first_tile / 2, row_tiles, steps.len()));
                add_products(operands, &tiles, panels.len(), begins, ahead);
                begins = false;
            }
            if !rest.is_null() {
                let x = x.add(num_steps * TILE_BYTES);
                let operands = Operands { x, weights: rest, panel_bytes: TILE_BYTES, steps: 1, ..operands };
                add_products(operands, &tiles, panels.len(), begins, Ahead::NOTHING);
                begins = false;
            }
            if begins {
                std::ptr::write_bytes(operands.sums, 0, tiles.len() * panels.len() * TILE_SUMS);
            }
            if ends {
                store_sums(block, rows, panels.clone(), operands.sums);
            }
        }
    }
}

/// Memory that is wanted soon, and how many of its lines each step asks for.
#[derive(Clone, Copy)]
struct Ahead {
    start: *const u8,
    lines: usize,
}

impl Ahead {
    const NOTHING: Ahead = Ahead { start: std::ptr::null(), lines: 0 };

    /// What one of the pairs of row tiles asks for of the next pass: even ones of its first panel, odd ones of its second.
    #[inline(always)]
    unsafe fn new(block: &Tile, next: &Pass, pair: usize, row_tiles: usize, num_steps: usize) -> Ahead {
        let panel = pair % PANELS;
        if panel >= next.panels.len() {
            return Ahead::NOTHING;
        }
        let shares = (row_tiles.div_ceil(2) + PANELS - 1 - panel) / PANELS;
        let lines = next.steps.len() * TILE_BYTES / LINE_BYTES;
        let (first, end) = (lines * (pair / PANELS) / shares, lines * (pair / PANELS + 1) / shares);
        let offset = (next.panels.start + panel) * block.panel_bytes + next.steps.start * TILE_BYTES;
        Ahead {
            start: block.weights.wrapping_add(offset + first * LINE_BYTES),
            lines: (end - first).div_ceil(num_steps),
        }
    }
}

/// Adds the products of one or two tiles of rows and one or two panels to the waiting sums, or begins them.
#[inline(always)]
unsafe fn add_products(operands: Operands, tiles: &Range<usize>, panels: usize, begins: bool, ahead: Ahead) {
    if begins && panels == 1 {
        std::ptr::write_bytes(operands.sums, 0, tiles.len() * TILE_SUMS);
    }
    match (tiles.len(), panels) {
        (2, 2) => pair_by_pair(operands, begins, ahead),
        (_, 2) => one_by_pair(operands, begins, ahead),
        (2, _) => Bf16Products::two_by_one(operands),
        (_, _) => Bf16Products::one_by_one(operands),
    }
}

/// Adds the products of all steps to the sums in memory, or begins them; each step asks for some lines ahead.
macro_rules! products {
    ($name:ident, sums: [$($tile:literal at $place:literal),+], body: [$($body:expr),+]) => {
        #[inline(always)]
        unsafe fn $name(operands: Operands, begins: bool, ahead: Ahead) {
            let Operands { x, x_stride, weights, panel_bytes, steps, sums, .. } = operands;
            asm!(
                "test {count}, {count}",
                "jnz 2f",
                $(concat!("tileloadd ", $tile, ", [{sums} + {line} + ", $place, "]"),)+
                "jmp 3f",
                "2:",
                $(concat!("tilezero ", $tile),)+
                "3:",
                "mov {count}, {lines}",
                "jmp 5f",
                "4:",
                "prefetcht1 [{ahead}]",
                "add {ahead}, 64",
                "5:",
                "sub {count}, 1",
                "jns 4b",
                $($body,)+
                "add {x}, 1024",
                "add {below}, 1024",
                "add {weights}, 1024",
                "add {second}, 1024",
                "dec {steps}",
                "jnz 3b",
                $(concat!("tilestored [{sums} + {line} + ", $place, "], ", $tile),)+
                x = inout(reg) x => _,
                below = inout(reg) x.wrapping_add(TILE_ROWS * x_stride) => _,
                weights = inout(reg) weights => _,
                second = inout(reg) weights.wrapping_add(panel_bytes) => _,
                line = in(reg) ROW_BYTES,
                steps = inout(reg) steps => _,
                sums = in(reg) sums,
                ahead = inout(reg) ahead.start => _,
                lines = in(reg) ahead.lines,
                count = inout(reg) usize::from(begins) => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    };
}

products!(
    pair_by_pair,
    sums: ["tmm0" at 0, "tmm1" at 1024, "tmm2" at 2048, "tmm3" at 3072],
    body: [
        "tileloadd tmm6, [{weights} + {line}]",
        "tileloadd tmm4, [{x} + {line}]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm7, [{second} + {line}]",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tilezero tmm4",
        "tileloadd tmm5, [{below} + {line}]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tilezero tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7",
        "tilezero tmm5",
        "tilezero tmm7"
    ]
);
products!(
    one_by_pair,
    sums: ["tmm0" at 0, "tmm1" at 1024],
    body: [
        "tileloadd tmm4, [{x} + {line}]",
        "tileloadd tmm6, [{weights} + {line}]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tilezero tmm6",
        "tileloadd tmm7, [{second} + {line}]",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tilezero tmm4",
        "tilezero tmm7"
    ]
);
