//! Attention against its formula, and the promise that a query's result depends on nothing but its keys.

use proptest::prelude::*;

use crate::{
    CacheType::{self, Bf16, F32, Fp8E4m3, Fp8E5m2, Int8},
    HeadLayout, Isa, Kernels, KvLayout, PagedAttention, SharedBuffer, ThreadPool, WriteKv,
    testing::{assert_close, assert_same_bits, for_each_setup, numbers},
};

#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    causal: bool,
    window: Option<usize>,
    /// Soft cap on the scores.
    cap: Option<f32>,
    cache_type: CacheType,
}

/// q, k and v of one sequence, [tokens, heads * head_dim] each.
pub(super) struct Sequence {
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    len: usize,
}

impl Sequence {
    pub(super) fn new(shape: Shape, len: usize, seed: u64) -> Self {
        let (query, kv) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
        Sequence {
            queries: numbers(len * query, seed),
            keys: numbers(len * kv, seed + 100),
            values: numbers(len * kv, seed + 200),
            len,
        }
    }

    /// Attention by its formula in f64, [len, heads * head_dim].
    fn reference(&self, shape: Shape, scale: f32) -> Vec<f64> {
        let stored = |data: &[f32]| -> Vec<f32> {
            let mut slot = vec![0; shape.cache_type.slot_elements(shape.head_dim) * shape.cache_type.size_bytes()];
            let mut loaded = data.to_vec();
            for (source, target) in data.chunks(shape.head_dim).zip(loaded.chunks_mut(shape.head_dim)) {
                shape.cache_type.store(source, &mut slot);
                shape.cache_type.load(&slot, target);
            }
            loaded
        };
        let (keys, values) = (stored(&self.keys), stored(&self.values));
        let Shape { heads, kv_heads, head_dim, causal, window, cap, .. } = shape;
        let mut out = Vec::new();
        for token in 0..self.len {
            for head in 0..heads {
                let kv_head = head / (heads / kv_heads);
                let query = &self.queries[(token * heads + head) * head_dim..][..head_dim];
                let first = window.map_or(0, |window| (token + 1).saturating_sub(window));
                let entry =
                    |data: &[f32], key: usize, i: usize| f64::from(data[(key * kv_heads + kv_head) * head_dim + i]);
                let last = if causal { token } else { self.len - 1 };
                let weights: Vec<f64> = (first..=last)
                    .map(|key| {
                        let dot: f64 = (0..head_dim).map(|i| f64::from(query[i]) * entry(&keys, key, i)).sum();
                        let score = dot * f64::from(scale);
                        cap.map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh()).exp()
                    })
                    .collect();
                let sum: f64 = weights.iter().sum();
                out.extend((0..head_dim).map(|i| {
                    let weighted = weights.iter().zip(first..).map(|(weight, key)| weight * entry(&values, key, i));
                    weighted.sum::<f64>() / sum
                }));
            }
        }
        out
    }
}

/// Runs sequences through a cache of NaN-filled foreign blocks, in chunks of `chunk` tokens each per step.
pub(super) fn attend(
    kernels: &Kernels,
    pool: &ThreadPool,
    shape: Shape,
    sequences: &[Sequence],
    block_size: usize,
    chunk: usize,
    scale: f32,
) -> Vec<Vec<f32>> {
    let Shape { heads, kv_heads, head_dim, cache_type, .. } = shape;
    let longest = sequences.iter().map(|sequence| sequence.len).max().unwrap_or(0);
    let stride = longest.div_ceil(block_size) + 1;
    let num_blocks = sequences.len() * stride + 1;
    let slot_stride = cache_type.slot_elements(head_dim);
    let layout = KvLayout { cache_type, num_blocks, num_kv_heads: kv_heads, block_size, head_dim, slot_stride };
    let cache = SharedBuffer::zeroed(layout.size_bytes().expect("small")).expect("memory");
    // All types but int8, whose scales are, read 0xff as NaN: what was never written must not matter.
    cache.write().bytes_mut().fill(0xff);
    // Blocks of the sequences are interleaved.
    let block_tables: Vec<i32> = (0..sequences.len())
        .flat_map(|sequence| (0..stride).map(move |block| (1 + block * sequences.len() + sequence) as i32))
        .collect();
    let query_width = heads * head_dim;
    let kv_width = kv_heads * head_dim;
    let row_stride = query_width + 2 * kv_width;
    let query_layout = HeadLayout { offset: 0, row_stride, num_heads: heads, head_dim };
    let key_layout = HeadLayout { offset: query_width, row_stride, num_heads: kv_heads, head_dim };
    let value_layout = HeadLayout { offset: query_width + kv_width, ..key_layout };
    let mut results: Vec<Vec<f32>> = sequences.iter().map(|_| Vec::new()).collect();
    let mut done = 0;
    while done < longest {
        let (mut rows, mut query_start_loc, mut seq_lens, mut slots, mut tables, mut who) =
            (Vec::new(), vec![0], Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (index, sequence) in sequences.iter().enumerate().filter(|(_, sequence)| sequence.len > done) {
            let end = sequence.len.min(done + chunk);
            let table = &block_tables[index * stride..(index + 1) * stride];
            for token in done..end {
                rows.extend_from_slice(&sequence.queries[token * query_width..][..query_width]);
                rows.extend_from_slice(&sequence.keys[token * kv_width..][..kv_width]);
                rows.extend_from_slice(&sequence.values[token * kv_width..][..kv_width]);
                slots.push(table[token / block_size] * block_size as i32 + (token % block_size) as i32);
            }
            query_start_loc.push(slots.len() as i32);
            seq_lens.push(end as i32);
            tables.extend_from_slice(table);
            who.push(index);
        }
        let write = WriteKv {
            keys: &rows,
            key_layout,
            values: &rows,
            value_layout,
            slot_mapping: &slots,
            layout,
            cache: &cache,
        };
        kernels.write_kv(pool, write);
        let mut out = vec![f32::NAN; slots.len() * query_width];
        let attention = PagedAttention {
            queries: &rows,
            query_layout,
            cache: &cache,
            layout,
            scale,
            soft_cap: shape.cap,
            causal: shape.causal,
            sliding_window: shape.window,
            query_start_loc: &query_start_loc,
            seq_lens: &seq_lens,
            block_tables: &tables,
            block_table_stride: stride,
            out: &mut out,
        };
        kernels.paged_attention(pool, attention).expect("memory");
        for (row, index) in who.into_iter().enumerate() {
            let (start, end) = (query_start_loc[row] as usize, query_start_loc[row + 1] as usize);
            results[index].extend_from_slice(&out[start * query_width..end * query_width]);
        }
        done += chunk;
    }
    results
}

const CAPPED: Shape =
    Shape { heads: 4, kv_heads: 2, head_dim: 48, causal: true, window: Some(40), cap: Some(0.5), cache_type: F32 };

pub(super) const SHAPES: [Shape; 23] = [
    Shape { heads: 1, kv_heads: 1, head_dim: 1, causal: true, window: None, cap: None, cache_type: F32 },
    Shape { heads: 4, kv_heads: 2, head_dim: 16, causal: true, window: None, cap: None, cache_type: F32 },
    Shape { heads: 9, kv_heads: 3, head_dim: 64, causal: true, window: None, cap: None, cache_type: Bf16 },
    Shape { heads: 4, kv_heads: 4, head_dim: 17, causal: true, window: Some(5), cap: None, cache_type: F32 },
    Shape { heads: 6, kv_heads: 1, head_dim: 80, causal: true, window: Some(64), cap: None, cache_type: Bf16 },
    Shape { heads: 2, kv_heads: 1, head_dim: 3, causal: true, window: Some(1), cap: None, cache_type: Bf16 },
    Shape { heads: 2, kv_heads: 2, head_dim: 128, causal: true, window: Some(70), cap: None, cache_type: F32 },
    Shape { heads: 130, kv_heads: 1, head_dim: 8, causal: true, window: None, cap: None, cache_type: F32 },
    Shape { heads: 12, kv_heads: 12, head_dim: 32, causal: false, window: None, cap: None, cache_type: F32 },
    Shape { heads: 4, kv_heads: 2, head_dim: 33, causal: false, window: None, cap: None, cache_type: Bf16 },
    Shape { heads: 9, kv_heads: 3, head_dim: 64, causal: true, window: None, cap: None, cache_type: Fp8E4m3 },
    Shape { heads: 9, kv_heads: 3, head_dim: 64, causal: true, window: None, cap: None, cache_type: Fp8E5m2 },
    Shape { heads: 9, kv_heads: 3, head_dim: 64, causal: true, window: None, cap: None, cache_type: Int8 },
    Shape { heads: 6, kv_heads: 1, head_dim: 80, causal: true, window: Some(64), cap: None, cache_type: Fp8E4m3 },
    Shape { heads: 4, kv_heads: 2, head_dim: 33, causal: false, window: None, cap: None, cache_type: Fp8E5m2 },
    Shape { heads: 130, kv_heads: 1, head_dim: 1, causal: true, window: None, cap: None, cache_type: Int8 },
    Shape { heads: 2, kv_heads: 1, head_dim: 131, causal: true, window: Some(70), cap: None, cache_type: Int8 },
    Shape { heads: 8, kv_heads: 2, head_dim: 8, causal: true, window: None, cap: None, cache_type: Bf16 },
    Shape { heads: 10, kv_heads: 10, head_dim: 40, causal: true, window: None, cap: None, cache_type: Bf16 },
    Shape { heads: 16, kv_heads: 8, head_dim: 32, causal: true, window: Some(90), cap: None, cache_type: F32 },
    Shape { cache_type: Int8, ..CAPPED },
    CAPPED,
    Shape { heads: 9, window: None, cap: Some(3.0), kv_heads: 1, cache_type: Bf16, ..CAPPED },
];

/// An item of single tokens has all heads of its sequence then, and walks over a tile in several parts.
#[test]
fn single_tokens_with_many_heads_have_the_bits_of_whole_prompts() {
    for_each_setup(|kernels, pool| {
        for shape in SHAPES.into_iter().filter(|shape| shape.kv_heads > 4 && shape.causal) {
            let sequences: Vec<Sequence> =
                [70, 150, 64, 33].iter().zip(1..).map(|(&len, seed)| Sequence::new(shape, len, seed)).collect();
            let whole = attend(kernels, pool, shape, &sequences, 16, 1000, 0.3);
            let single = attend(kernels, pool, shape, &sequences, 16, 1, 0.3);
            for (single, whole) in single.iter().zip(&whole) {
                assert_same_bits(single, whole, &format!("{} {shape:?}", kernels.isa()));
            }
        }
    });
}

#[test]
fn attention_matches_its_formula() {
    for_each_setup(|kernels, pool| {
        for shape in SHAPES {
            let scale = 1.0 / (shape.head_dim as f32).sqrt();
            let sequences: Vec<Sequence> =
                [1, 150, 17, 64].iter().zip(1..).map(|(&len, seed)| Sequence::new(shape, len, seed)).collect();
            let actual = attend(kernels, pool, shape, &sequences, 16, 1000, scale);
            for (sequence, actual) in sequences.iter().zip(actual) {
                let what = format!("{} {shape:?} {} tokens", kernels.isa(), sequence.len);
                assert_close(&actual, &sequence.reference(shape, scale), 5e-6, &what);
            }
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_query_depends_on_nothing_but_its_keys(
        shape_index in 0..SHAPES.len(),
        lens in prop::collection::vec(1_usize..200, 1..5),
        chunk in prop::sample::select(vec![1_usize, 7, 64, 1000]),
        block_size in prop::sample::select(vec![1_usize, 3, 8, 16, 32, 100]),
        threads in 1_usize..4,
    ) {
        let shape = SHAPES[shape_index];
        // A query that sees its whole sequence needs the whole sequence in one step.
        let chunk = if shape.causal { chunk } else { 1000 };
        let sequences: Vec<Sequence> =
            lens.iter().zip(1..).map(|(&len, seed)| Sequence::new(shape, len, seed)).collect();
        for isa in Isa::available() {
            let kernels = Kernels::new(isa).expect("available");
            let one_thread = ThreadPool::new(1).expect("threads");
            let alone = attend(&kernels, &one_thread, shape, &sequences[..1], 16, 1000, 0.3);
            let pool = ThreadPool::new(threads).expect("threads");
            let together = attend(&kernels, &pool, shape, &sequences, block_size, chunk, 0.3);
            assert_same_bits(&together[0], &alone[0], &format!("{isa} {shape:?}"));
        }
    }
}

#[test]
fn every_set_scales_to_the_bits_of_plain_products_and_no_others() {
    for len in [0, 1, 8, 15, 16, 17, 40] {
        let mut source = numbers(len, 1);
        if let Some(first) = source.first_mut() {
            *first = -0.0;
        }
        let before = numbers(len + 3, 2);
        let mut expected = before.clone();
        for (target, value) in expected.iter_mut().zip(&source) {
            *target = value * 0.3 + 0.0;
        }
        for isa in Isa::available() {
            let mut target = before.clone();
            let scale_to = super::AttentionKernels::new(isa).scale_to;
            // SAFETY: the lengths agree, and the instruction set is there.
            unsafe { scale_to(&source, 0.3, &mut target[..len]) };
            assert_same_bits(&target, &expected, &format!("{isa}, {len}"));
        }
    }
}
