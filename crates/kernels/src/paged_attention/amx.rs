//! Attention by Intel's tile products, for caches whose numbers bf16 holds. Queries and weights are cut into three bf16 each, whose
//! sum they are, so nothing is rounded but the sums, which are f32's. (Tile products take what is below the smallest normal f32 for 0.)
//!
//! Every score, and what a tile adds to every weighted value, is three chains of products, one for each part, whatever the rows beside:
//! it does not depend on the batch. Keys are the left-hand tiles as they lie, so they need not be turned; the scores of a key stand side
//! by side and are turned after. Knows no threads, and of the cache nothing but where a tile's entries are.

mod products;
mod words;

use std::{arch::x86_64::*, mem::MaybeUninit};

use super::tile_kernels::{CachedTile, TILE_KEYS, WeighedTile};
use crate::{
    CacheType, Isa,
    amx::{Configured, ROW_BYTES, TILE_BYTES, TILE_ROWS, TILE_SUMS, TileMemory},
    lanes::{LANES, Lanes, avx512::Avx512Lanes},
};
pub(super) use products::stay_awake;
use products::{score_four_rows, weigh_four_columns, weigh_one_column};

/// Elements of a row of a tile.
const ROW_ELEMENTS: usize = 32;

/// bf16 whose sum is a f32: its 24 bits, eight at a time.
const PARTS: usize = 3;

/// Rows whose parts a tile takes: four times three of its sixteen rows, or columns, part by part. The rest is for nothing, but
/// rows come by fours most often, and parts that stand at multiples of four are easy to add.
const ROWS: usize = 4;

/// Bytes of the weights of a tile's rows.
const WEIGHTS_BYTES: usize = TILE_KEYS / ROW_ELEMENTS * TILE_BYTES;

/// Floats of the workspace:
/// - parts of scaled queries, [rows / 4][head_dim / 32] tiles of [16 pairs of elements][PARTS][4 rows][2],
/// - keys, [TILE_KEYS][head_dim rounded up to 32],
/// - values, with keys that are sixteen apart side by side, [TILE_KEYS / 32][16][head_dim rounded up to 32][2].
pub(super) fn sizes(max_rows: usize, head_dim: usize) -> [usize; 3] {
    let padded = head_dim.next_multiple_of(ROW_ELEMENTS);
    let tile = TILE_KEYS * padded / 2;
    [queries_floats(max_rows, head_dim), tile, tile]
}

/// Floats of so many staged queries.
fn queries_floats(num_rows: usize, head_dim: usize) -> usize {
    num_rows.div_ceil(ROWS) * head_dim.div_ceil(ROW_ELEMENTS) * TILE_BYTES / size_of::<f32>()
}

/// Rows of queries and a tile of keys, as [`sizes`] says, and their scores.
pub(super) struct Scored {
    pub(super) queries: *const f32,
    pub(super) keys: *const f32,
    pub(super) head_dim: usize,
    pub(super) num_rows: usize,
    /// [rows, TILE_KEYS].
    pub(super) scores: *mut f32,
}

type StageFn = unsafe fn(&CachedTile<'_>);

/// What depends on the cache's type.
#[derive(Clone, Copy, Debug)]
pub(super) struct StageKernels {
    /// Brings keys to `panels` as [`sizes`] says.
    pub(super) keys: StageFn,
    /// Brings values there.
    pub(super) values: StageFn,
}

impl StageKernels {
    /// Those of a type whose numbers bf16 holds, where there are tile products.
    pub(super) fn new(isa: Isa, cache_type: CacheType) -> Option<StageKernels> {
        if isa != Isa::Amx {
            return None;
        }
        match cache_type {
            CacheType::F32 => None,
            CacheType::Bf16 => Some(StageKernels { keys: words::keys_bf16, values: words::values_bf16 }),
            CacheType::Fp8E4m3 => Some(StageKernels { keys: words::keys_e4m3, values: words::values_e4m3 }),
            CacheType::Fp8E5m2 => Some(StageKernels { keys: words::keys_e5m2, values: words::values_e5m2 }),
            CacheType::Int8 => Some(StageKernels { keys: words::keys_int8, values: words::values_int8 }),
        }
    }
}

/// Gives this thread's tiles the shapes that all of this file works with.
///
/// # Safety
/// As [`Configured::new`].
pub(super) unsafe fn configure() -> Configured {
    Configured::new([(TILE_ROWS as u8, ROW_BYTES as u16); 8])
}

/// The first `count` of sixteen f32, zeros behind.
#[inline(always)]
unsafe fn load_first(source: *const f32, count: usize) -> __m512 {
    _mm512_maskz_loadu_ps(((1_u32 << count.min(LANES)) - 1) as __mmask16, source)
}

/// What of each lane the first eight bits hold, and the rest of it, which is exact.
#[inline(always)]
unsafe fn split(value: __m512) -> (__m512, __m512) {
    let high = _mm512_and_si512(_mm512_castps_si512(value), _mm512_set1_epi32(0xffff_0000_u32 as i32));
    let high = _mm512_castsi512_ps(high);
    (high, _mm512_sub_ps(value, high))
}

/// The three parts of each lane, the smallest first: small sums come before large ones.
#[inline(always)]
unsafe fn parts(value: __m512) -> [__m512; PARTS] {
    let (high, rest) = split(value);
    let (middle, low) = split(rest);
    [low, middle, high]
}

/// Brings scaled queries to `staged`, of the size that [`sizes`] says.
///
/// # Safety
/// The CPU has [`Isa::Amx`].
pub(super) unsafe fn stage_queries<'a>(
    num_rows: usize,
    row: impl Fn(usize) -> &'a [f32],
    scale: f32,
    staged: &mut [f32],
) {
    for first in (0..num_rows).step_by(ROWS) {
        let rows = (num_rows - first).min(ROWS);
        let head_dim = row(first).len();
        let staged = &mut staged[queries_floats(first, head_dim)..];
        let mut places = [std::ptr::null(); ROWS];
        for (index, place) in places[..rows].iter_mut().enumerate() {
            *place = row(first + index).as_ptr();
        }
        stage_four_queries(&places[..rows], head_dim, scale, staged.as_mut_ptr());
    }
}

/// Brings up to four rows to [head_dim / 32] tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
unsafe fn stage_four_queries(rows: &[*const f32], head_dim: usize, scale: f32, staged: *mut f32) {
    let scale = _mm512_set1_ps(scale);
    for (step, index) in (0..head_dim).step_by(ROW_ELEMENTS).enumerate() {
        let mut columns = [Avx512Lanes(_mm512_setzero_ps()); LANES];
        for (row, &source) in rows.iter().enumerate() {
            let left = head_dim - index;
            let first = parts(_mm512_mul_ps(load_first(source.add(index), left), scale));
            let second = match left.saturating_sub(LANES) {
                0 => [_mm512_setzero_ps(); PARTS],
                left => parts(_mm512_mul_ps(load_first(source.add(index + LANES), left), scale)),
            };
            for part in 0..PARTS {
                // Nothing is rounded: the parts are bf16 already.
                let pairs = _mm512_cvtne2ps_pbh(second[part], first[part]);
                columns[part * ROWS + row] = Avx512Lanes(std::mem::transmute::<__m512bh, __m512>(pairs));
            }
        }
        let tile = staged.add(step * TILE_BYTES / size_of::<f32>());
        for (pair, columns) in Avx512Lanes::transpose(columns).into_iter().enumerate() {
            columns.store(tile.add(pair * LANES));
        }
    }
}

/// Scores of all rows.
///
/// # Safety
/// Tiles are as [`configure`] makes them; queries and keys are staged.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn score(tile: &Scored) {
    let steps = tile.head_dim.div_ceil(ROW_ELEMENTS);
    let mut sums = MaybeUninit::<TileMemory<4>>::uninit();
    let sums = sums.as_mut_ptr().cast::<f32>();
    for first in (0..tile.num_rows).step_by(ROWS) {
        let queries = tile.queries.add(queries_floats(first, tile.head_dim));
        score_four_rows(tile.keys.cast(), steps * ROW_BYTES, queries.cast(), steps, sums);
        let num_rows = (tile.num_rows - first).min(ROWS);
        let scores = tile.scores.add(first * TILE_KEYS);
        for keys in 0..TILE_KEYS / TILE_ROWS {
            let rows = turned(sums.add(keys * TILE_SUMS));
            for (row, sums) in rows.into_iter().take(num_rows).enumerate() {
                sums.store(scores.add(row * TILE_KEYS + keys * TILE_ROWS));
            }
        }
    }
}

/// Four rows of sixteen sums each, of a tile that has parts of them as columns.
#[inline(always)]
unsafe fn turned(tile: *const f32) -> [Avx512Lanes; ROWS] {
    let mut keys = [_mm512_setzero_ps(); 4];
    for (index, keys) in keys.iter_mut().enumerate() {
        // Four keys, whose four rows a quarter has: all quarters of a part, then of the next.
        let key = |quarter: usize| _mm512_load_ps(tile.add((index + 4 * quarter) * LANES));
        let (a, b, c, d) = (key(0), key(1), key(2), key(3));
        let (ab, cd) = (_mm512_shuffle_f32x4::<0b01_00_01_00>(a, b), _mm512_shuffle_f32x4::<0b01_00_01_00>(c, d));
        let ab_high = _mm512_shuffle_f32x4::<0b10_10_10_10>(a, b);
        let cd_high = _mm512_shuffle_f32x4::<0b10_10_10_10>(c, d);
        let low = _mm512_shuffle_f32x4::<0b10_00_10_00>(ab, cd);
        let middle = _mm512_shuffle_f32x4::<0b11_01_11_01>(ab, cd);
        let high = _mm512_shuffle_f32x4::<0b10_00_10_00>(ab_high, cd_high);
        *keys = _mm512_add_ps(_mm512_add_ps(low, middle), high);
    }
    let [a, b, c, d] = keys;
    let (ab_low, ab_high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    let (cd_low, cd_high) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    [
        Avx512Lanes(_mm512_shuffle_ps::<0b01_00_01_00>(ab_low, cd_low)),
        Avx512Lanes(_mm512_shuffle_ps::<0b11_10_11_10>(ab_low, cd_low)),
        Avx512Lanes(_mm512_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high)),
        Avx512Lanes(_mm512_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high)),
    ]
}

/// Adds the weighted values of all rows to their sums.
///
/// # Safety
/// As [`score`]; values are staged.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn weigh(tile: &WeighedTile<'_>, values: *const f32) {
    #[repr(align(64))]
    struct Weights([u8; WEIGHTS_BYTES]);

    let row_bytes = tile.head_dim.next_multiple_of(ROW_ELEMENTS) * 4;
    let mut sums = MaybeUninit::<TileMemory<4>>::uninit();
    let sums = sums.as_mut_ptr().cast::<f32>();
    let mut weights = Weights([0; WEIGHTS_BYTES]);
    let weights = weights.0.as_mut_ptr();
    for first in (0..tile.num_rows).step_by(ROWS) {
        let num_rows = (tile.num_rows - first).min(ROWS);
        for row in 0..num_rows {
            stage_weights(tile.scores.add((first + row) * TILE_KEYS), weights.add(row * ROW_BYTES));
        }
        let mut column = 0;
        while column < tile.sums_stride {
            let values = values.cast::<u8>().add(column * 4);
            let columns = if column + 4 * LANES <= tile.sums_stride { 4 } else { 1 };
            match columns {
                4 => weigh_four_columns(weights, values, row_bytes, sums),
                _ => weigh_one_column(weights, values, row_bytes, sums),
            }
            for row in 0..num_rows {
                for index in 0..columns {
                    let part =
                        |part: usize| Avx512Lanes::load(sums.add(index * TILE_SUMS + (part * ROWS + row) * LANES));
                    let sum = part(0).add(part(1)).add(part(2));
                    let target = tile.sums.add((first + row) * tile.sums_stride + column + index * LANES);
                    Avx512Lanes::load(target).add(sum).store(target);
                }
            }
            column += columns * LANES;
        }
    }
}

/// Weights of a row of a tile to [TILE_KEYS / 32] tiles: beside each the one of sixteen keys behind.
#[inline(always)]
unsafe fn stage_weights(scores: *const f32, staged: *mut u8) {
    for step in 0..TILE_KEYS / ROW_ELEMENTS {
        let first = parts(_mm512_loadu_ps(scores.add(step * ROW_ELEMENTS)));
        let second = parts(_mm512_loadu_ps(scores.add(step * ROW_ELEMENTS + LANES)));
        for part in 0..PARTS {
            // A part has nothing in its lower half, but for bits of numbers that are below the smallest normal ones.
            let low = _mm512_srli_epi32::<16>(_mm512_castps_si512(first[part]));
            let upper_halves = _mm512_set1_epi32(0xffff_0000_u32 as i32);
            let pair = _mm512_or_si512(low, _mm512_and_si512(_mm512_castps_si512(second[part]), upper_halves));
            let target = staged.add(step * TILE_BYTES + part * ROWS * ROW_BYTES);
            _mm512_store_si512(target.cast(), pair);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Isa, Kernels, ThreadPool,
        paged_attention::tests::{SHAPES, Sequence, attend},
        testing::assert_close,
    };

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that lacks something says so")]
    fn attention_by_tiles_agrees_with_the_scalar_twin() {
        let Ok(kernels) = Kernels::new(Isa::Amx) else {
            eprintln!("SKIPPED attention by tiles: this processor or system lacks them");
            return;
        };
        let scalar = Kernels::new(Isa::Scalar).expect("scalar");
        let pool = ThreadPool::new(2).expect("threads");
        for shape in SHAPES {
            let sequences: Vec<Sequence> =
                [1, 64, 131].iter().zip(1..).map(|(&len, seed)| Sequence::new(shape, len, seed)).collect();
            let by = |kernels| attend(kernels, &pool, shape, &sequences, 16, 1000, 0.3);
            for (tiles, twin) in by(&kernels).into_iter().zip(by(&scalar)) {
                let twin: Vec<f64> = twin.into_iter().map(f64::from).collect();
                assert_close(&tiles, &twin, 1e-5, &format!("{shape:?}"));
            }
        }
    }
}
