//! Products of bf16 by the instructions that some 64-bit ARM CPUs have for them, with sums in f32.
//!
//! ```text
//! bfdot    four sums += a pair of inputs each                     weights as they lie: [4 outputs][2]
//! bfmmla   [2 rows][2 outputs] sums += a pair of inputs, twice    weights [2 outputs][4], of two neighbouring lines
//! ```
//! Both add a pair in the same way (`BFDotAdd` in Arm's Architecture Reference Manual, `FPCR.EBF` being clear unless a program sets
//! it): the two products, which are exact, are added to each other, then to the sum, and either addition rounds to odd. `bfmmla`
//! does that with its first pair and then with its second. So a sum has the same bits whichever of them made it, and a row's do
//! not depend on how many rows came with it.

use std::arch::{aarch64::*, asm};

use crate::{
    finish::finish,
    lanes::{LANES, neon::NeonLanes},
    tile::Tile,
};

/// Rows from which `bfmmla` takes fewer instructions, those that put its weights together included.
const PAIRED_ROWS: usize = 4;

/// Registers of a line: a pair of inputs of each output of a panel.
const PARTS: usize = LANES / 4;

/// Sums of some rows and panels.
type Sums<const M: usize, const N: usize> = [[[float32x4_t; PARTS]; N]; M];

/// bf16 weights and activations: panels are [inputs / 2][16][2].
///
/// # Safety
/// As [`TileFn`](crate::tile::TileFn)s.
#[target_feature(enable = "neon,bf16")]
pub(crate) unsafe fn bf16_dot_neon<const M: usize, const N: usize>(tile: &Tile) {
    let sums = if M < PAIRED_ROWS { by_rows::<M, N>(tile) } else { by_pairs_of_rows::<M, N>(tile) };
    let mut lanes = [[NeonLanes([vdupq_n_f32(0.0); PARTS]); N]; M];
    for row in 0..M {
        for panel in 0..N {
            lanes[row][panel] = NeonLanes(sums[row][panel]);
        }
    }
    finish(tile, lanes);
}

/// Adds a pair of products to each sum: four pairs of weights, and the one of eight activations that the index says.
/// Intrinsics for it and the next are not stable.
#[inline]
#[target_feature(enable = "neon,bf16")]
fn dot<const INDEX: usize>(sums: float32x4_t, weights: uint16x8_t, x: uint16x8_t) -> float32x4_t {
    let mut sums = sums;
    // SAFETY: the instruction reads and writes the registers that it names and nothing else.
    unsafe {
        asm!(
            "bfdot {sums:v}.4s, {weights:v}.8h, {x:v}.2h[{index}]",
            sums = inout(vreg) sums,
            weights = in(vreg) weights,
            x = in(vreg) x,
            index = const INDEX,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// Adds four products to each sum, [2 rows][2 outputs]: activations [2 rows][4], weights [2 outputs][4].
#[inline]
#[target_feature(enable = "neon,bf16")]
pub(crate) fn multiply_add(sums: float32x4_t, x: uint16x8_t, weights: uint16x8_t) -> float32x4_t {
    let mut sums = sums;
    // SAFETY: as above. Not called pure, so that the compiler leaves it among the loads where it stands: with all of them in
    // front, weights would put sums out of registers.
    unsafe {
        asm!(
            "bfmmla {sums:v}.4s, {x:v}.8h, {weights:v}.8h",
            sums = inout(vreg) sums,
            x = in(vreg) x,
            weights = in(vreg) weights,
            options(nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// Few rows: eight inputs of each in a register, from which `bfdot` picks its pair.
#[inline(always)]
unsafe fn by_rows<const M: usize, const N: usize>(tile: &Tile) -> Sums<M, N> {
    let mut sums = [[[vdupq_n_f32(0.0); PARTS]; N]; M];
    let fours = num_pairs(tile) / 4;
    for four in 0..fours {
        let mut x = [vdupq_n_u16(0); M];
        for (row, x) in x.iter_mut().enumerate() {
            *x = vld1q_u16(pair_of_row(tile, row, four * 4));
        }
        sums = add_pair::<0, M, N>(tile, four * 4, x, sums);
        sums = add_pair::<1, M, N>(tile, four * 4 + 1, x, sums);
        sums = add_pair::<2, M, N>(tile, four * 4 + 2, x, sums);
        sums = add_pair::<3, M, N>(tile, four * 4 + 3, x, sums);
    }
    add_last_pairs(tile, fours * 4, sums)
}

/// More rows, two at a time. The last of an odd number is multiplied twice.
#[inline(always)]
unsafe fn by_pairs_of_rows<const M: usize, const N: usize>(tile: &Tile) -> Sums<M, N> {
    let num_twos = const { M.div_ceil(2) };
    // [2 rows][2 outputs] each; of these rows the first `num_twos` are used.
    let mut paired = [[[[vdupq_n_f32(0.0); 2]; PARTS]; N]; M];
    let quads = num_pairs(tile) / 2;
    for quad in 0..quads {
        let mut x = [vdupq_n_u16(0); M];
        for (two, x) in x.iter_mut().take(num_twos).enumerate() {
            let inputs = |row| pair_of_row(tile, row, quad * 2).cast::<u64>().read_unaligned();
            let (first, second) = (inputs(two * 2), inputs((two * 2 + 1).min(M - 1)));
            *x = vreinterpretq_u16_u64(vsetq_lane_u64::<1>(second, vdupq_n_u64(first)));
        }
        for panel in 0..N {
            for part in 0..PARTS {
                let line = vreinterpretq_u32_u16(vld1q_u16(weights_of_pair(tile, panel, quad * 2, part)));
                let next = vreinterpretq_u32_u16(vld1q_u16(weights_of_pair(tile, panel, quad * 2 + 1, part)));
                let low = vreinterpretq_u16_u32(vzip1q_u32(line, next));
                let high = vreinterpretq_u16_u32(vzip2q_u32(line, next));
                for two in 0..num_twos {
                    let [low_sums, high_sums] = paired[two][panel][part];
                    paired[two][panel][part] =
                        [multiply_add(low_sums, x[two], low), multiply_add(high_sums, x[two], high)];
                }
            }
        }
    }
    let mut sums = [[[vdupq_n_f32(0.0); PARTS]; N]; M];
    for row in 0..M {
        for panel in 0..N {
            for part in 0..PARTS {
                let [low, high] = paired[row / 2][panel][part];
                let (low, high) = (vreinterpretq_f64_f32(low), vreinterpretq_f64_f32(high));
                let of_row = if row % 2 == 0 { vzip1q_f64(low, high) } else { vzip2q_f64(low, high) };
                sums[row][panel][part] = vreinterpretq_f32_f64(of_row);
            }
        }
    }
    add_last_pairs(tile, quads * 2, sums)
}

/// The pairs from `first`, too few for the loops above, one by one: nothing is added but they.
#[inline(always)]
unsafe fn add_last_pairs<const M: usize, const N: usize>(tile: &Tile, first: usize, sums: Sums<M, N>) -> Sums<M, N> {
    let mut sums = sums;
    for pair in first..num_pairs(tile) {
        let mut x = [vdupq_n_u16(0); M];
        for (row, x) in x.iter_mut().enumerate() {
            *x = vreinterpretq_u16_u32(vdupq_n_u32(pair_of_row(tile, row, pair).cast::<u32>().read_unaligned()));
        }
        sums = add_pair::<0, M, N>(tile, pair, x, sums);
    }
    sums
}

/// Adds one pair of inputs to all sums.
#[inline(always)]
unsafe fn add_pair<const INDEX: usize, const M: usize, const N: usize>(
    tile: &Tile,
    pair: usize,
    x: [uint16x8_t; M],
    sums: Sums<M, N>,
) -> Sums<M, N> {
    let mut sums = sums;
    for panel in 0..N {
        for part in 0..PARTS {
            let weights = vld1q_u16(weights_of_pair(tile, panel, pair, part));
            for row in 0..M {
                sums[row][panel][part] = dot::<INDEX>(sums[row][panel][part], weights, x[row]);
            }
        }
    }
    sums
}

/// Pairs of inputs; the last of an odd number of inputs has a zero.
#[inline(always)]
fn num_pairs(tile: &Tile) -> usize {
    tile.num_inputs.div_ceil(2)
}

/// A pair of inputs of a row, and what follows.
#[inline(always)]
unsafe fn pair_of_row(tile: &Tile, row: usize, pair: usize) -> *const u16 {
    tile.x.add(row * tile.x_stride_bytes).cast::<u16>().add(pair * 2)
}

/// A pair of inputs of four outputs.
#[inline(always)]
unsafe fn weights_of_pair(tile: &Tile, panel: usize, pair: usize, part: usize) -> *const u16 {
    tile.weights.add(panel * tile.panel_bytes).cast::<u16>().add((pair * LANES + part * 4) * 2)
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use crate::{
        ElementType, Epilogue, Isa, Kernels, Matmul, MatrixOrder, MatrixSource, PackedMatrix, ThreadPool, WeightFormat,
        testing::{assert_same_bits, numbers},
    };

    /// The sum, rounded to odd: of the two f32 around one that is none, that whose last bit is set.
    fn add_to_odd(a: f32, b: f32) -> f32 {
        let (a, b) = (f64::from(a), f64::from(b));
        let sum = a + b;
        // What the sum of f64 lacks (Knuth's two-sum), and the sum rounded to odd with it.
        let of_b = sum - a;
        let lacking = (a - (sum - of_b)) + (b - of_b);
        let bits = sum.to_bits();
        let odd = match lacking != 0.0 && bits & 1 == 0 {
            true if (lacking > 0.0) == (sum > 0.0) => f64::from_bits(bits + 1),
            true => f64::from_bits(bits - 1),
            false => sum,
        };
        let near = odd as f32;
        let below = if f64::from(near).abs() > odd.abs() { near.to_bits() - 1 } else { near.to_bits() };
        if f64::from(near) == odd { near } else { f32::from_bits(below | 1) }
    }

    #[test]
    fn sums_are_rounded_to_odd() {
        let odd = |bits: u32| f32::from_bits(0x3f80_0000 + bits);
        let tiny = f32::from_bits(0x2000_0000);
        for (a, b, expected) in [
            (1.0, 2.0, 3.0),
            (1.0, tiny, odd(1)),
            (1.0, -tiny, f32::from_bits(0x3f7f_ffff)),
            (odd(1), tiny, odd(1)),
            (odd(1), -tiny, odd(1)),
            (odd(2), tiny, odd(3)),
            (-1.0, -tiny, -odd(1)),
            (16_777_216.0, 1.0, 16_777_218.0),
            (16_777_218.0, 1.0, 16_777_218.0),
        ] {
            assert_same_bits(&[add_to_odd(a, b)], &[expected], &format!("{a} + {b}"));
        }
    }

    /// The scalar twin: one output of a row. Leaves out what is done with numbers too small to be normal, which are zeros.
    fn sum_of_pairs(x: &[f32], weights: &[f32]) -> f32 {
        let product = |index: usize| x.get(index).map_or(0.0, |x| x * weights[index]);
        (0..x.len()).step_by(2).fold(0.0, |sum, input| add_to_odd(sum, add_to_odd(product(input), product(input + 1))))
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that lacks something says so")]
    fn every_number_of_rows_has_the_bits_of_the_scalar_twin() {
        let Ok(kernels) = Kernels::new(Isa::NeonBf16) else {
            eprintln!("SKIPPED products of bf16: this processor lacks them");
            return;
        };
        let pool = ThreadPool::new(2).expect("threads");
        let narrowed = |value: &f32| bf16::from_f32(*value).to_f32();
        for (n, k) in [(1, 1), (16, 2), (17, 3), (33, 8), (70, 15), (64, 17), (80, 37), (35, 300), (16, 1001)] {
            let (x, weights) = (numbers(13 * k, 4), numbers(n * k, 5));
            let bytes: Vec<u8> = weights.iter().flat_map(|value| value.to_le_bytes()).collect();
            let source = MatrixSource {
                bytes: &bytes,
                stored: WeightFormat::Elements(ElementType::F32),
                packed: WeightFormat::Elements(ElementType::Bf16),
                order: MatrixOrder::OutputsFirst,
                num_outputs: n,
                num_inputs: k,
                importance: None,
            };
            let packed = PackedMatrix::pack(&pool, &[source]).expect("fits");
            let [narrow_x, narrow_weights] =
                [&x, &weights].map(|values| values.iter().map(narrowed).collect::<Vec<f32>>());
            let twin: Vec<f32> = narrow_x
                .chunks(k)
                .flat_map(|x| narrow_weights.chunks(k).map(move |weights| sum_of_pairs(x, weights)))
                .collect();
            for num_rows in 1..=13 {
                let (x, weights, epilogue) = (&x[..num_rows * k], &packed, Epilogue::Store);
                let mut out = vec![f32::NAN; num_rows * n];
                let matmul = Matmul { x, num_rows, weights, bias: None, out: &mut out, out_stride: n, epilogue };
                kernels.matmul(&pool, matmul).expect("memory");
                assert_same_bits(&out, &twin[..num_rows * n], &format!("{num_rows} rows, n={n} k={k}"));
            }
        }
    }
}
