//! How near the kernels come to what the machine can do: every figure is taken between two probes of the same run
//! (a plain read loop for memory, a loop of nothing but multiply-adds for arithmetic) and told as a fraction of them.
//!
//! `cargo bench -p quire-kernels --bench kernels -- [--isa avx2] [--threads 2] [--only decode]` prints a table and one JSON line per
//! row; `--only` also takes the name of a block format. Other programs on the machine make both probe and kernel slower, so read the fractions, not the rates.
#![expect(clippy::print_stdout, reason = "a bench reports on standard output")]

use std::{error::Error, hint::black_box, time::Instant};

use quire_blocks::BlockFormat;
use quire_kernels::{
    AlignedBuffer, CacheType, ElementType, Epilogue, HeadLayout, Isa, Kernels, KvLayout, Matmul, MatrixOrder,
    MatrixSource, PackedMatrix, PagedAttention, SharedBuffer, ThreadPool, WeightFormat,
    probes::{STREAM_BYTES, block_multiply_rate, multiply_rate, read_rate, stream_memory, widest_byte_multiply_rate},
};

/// Formats that are measured unless one is named.
const USUAL_FORMATS: [BlockFormat; 5] =
    [BlockFormat::Q8_0, BlockFormat::Q4_0, BlockFormat::Q4_1, BlockFormat::Q4_K, BlockFormat::Q6_K];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let isa = option("--isa").map_or(Ok(Isa::detect()), |name| Isa::parse(name))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = option("--threads").map_or(Ok(cores), |count| count.parse())?;
    let bench = Bench { kernels: Kernels::new(isa)?, pool: ThreadPool::new(threads)?, memory: stream_memory()? };
    println!("{isa}, {threads} threads");
    println!("{:<44} {:>10} {:>10} {:>9}", "", "rate", "probe", "fraction");
    let only = option("--only");
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    for dtype in [ElementType::Bf16, ElementType::F32] {
        if wanted("decode") {
            bench.decode(dtype)?;
        }
        if wanted("prefill") {
            bench.prefill(dtype)?;
        }
        if wanted("prefill-attention") {
            bench.prefill_attention(dtype)?;
        }
    }
    for cache_type in CacheType::ALL {
        if wanted("decode-attention") {
            bench.decode_attention(cache_type)?;
        }
    }
    if wanted("cache-types") {
        bench.cache_types()?;
    }
    for format in BlockFormat::all() {
        // The others have the same panels as one of these, or nearly; they are measured by their names.
        let is_usual = USUAL_FORMATS.contains(&format);
        let is_named = only.is_some_and(|only| only == format.name());
        if is_named || is_usual && (wanted("decode") || wanted("decode-blocks")) {
            bench.decode_blocks(format)?;
        }
        if is_named || is_usual && (wanted("prefill") || wanted("prefill-blocks")) {
            bench.prefill_blocks(format)?;
        }
    }
    if wanted("decode") || wanted("int8") {
        bench.decode_int8()?;
    }
    if wanted("prefill") || wanted("int8") {
        bench.prefill_int8()?;
    }
    if wanted("fork-join") {
        bench.fork_join();
    }
    Ok(())
}

struct Bench {
    kernels: Kernels,
    pool: ThreadPool,
    memory: AlignedBuffer,
}

impl Bench {
    /// One token against weights that stream from memory.
    fn decode(&self, dtype: ElementType) -> Result<(), Box<dyn Error>> {
        let num_inputs = 2048;
        let weights = self.weights(STREAM_BYTES / num_inputs / dtype.size_bytes(), num_inputs, dtype)?;
        for num_rows in [1, 4, 8] {
            let rate = self.between(
                weights.size_bytes() as f64,
                || read_rate(&self.pool, &self.memory),
                self.product(&weights, num_rows),
            )?;
            rate.report(&format!("product {dtype}, {num_rows} rows, weights from memory"), "GB/s");
        }
        Ok(())
    }

    /// A chunk of a prompt, and a token each of many sequences, against weights that the outermost cache may hold.
    fn prefill(&self, dtype: ElementType) -> Result<(), Box<dyn Error>> {
        let large = [(512, 8192, 2048), (512, 2048, 8192), (64, 8192, 2048), (32, 8192, 2048), (17, 8192, 2048)];
        let small = [(64, 1536, 576), (17, 1536, 576)];
        for (num_rows, num_outputs, num_inputs) in large.into_iter().chain(small) {
            let weights = self.weights(num_outputs, num_inputs, dtype)?;
            let operations = 2.0 * (num_rows * num_outputs * num_inputs) as f64;
            let rate = self.between(
                operations,
                || multiply_rate(self.kernels.isa(), &self.pool, dtype),
                self.product(&weights, num_rows),
            )?;
            rate.report(&format!("product {dtype}, {num_rows} rows, {num_outputs} x {num_inputs}"), "Gop/s");
        }
        Ok(())
    }

    /// One token and a few of several sequences against blocks that stream from memory.
    fn decode_blocks(&self, format: BlockFormat) -> Result<(), Box<dyn Error>> {
        let num_inputs = 2048;
        let row_bytes = format.bytes_of(num_inputs).ok_or("rows are whole blocks")?;
        let weights = self.blocks(STREAM_BYTES / 2 / row_bytes, num_inputs, format)?;
        for num_rows in [1, 4, 16] {
            let rate = self.between(
                weights.size_bytes() as f64,
                || read_rate(&self.pool, &self.memory),
                self.product(&weights, num_rows),
            )?;
            rate.report(&format!("product {format}, {num_rows} rows, weights from memory"), "GB/s");
        }
        Ok(())
    }

    /// A chunk of a prompt against blocks that stay in cache.
    fn prefill_blocks(&self, format: BlockFormat) -> Result<(), Box<dyn Error>> {
        for (num_rows, num_outputs, num_inputs) in [(512, 8192, 2048), (512, 2048, 8192), (64, 8192, 2048)] {
            let weights = self.blocks(num_outputs, num_inputs, format)?;
            let operations = 2.0 * (num_rows * num_outputs * num_inputs) as f64;
            let peak = || block_multiply_rate(self.kernels.isa(), &self.pool, format);
            let rate = self.between(operations, peak, self.product(&weights, num_rows))?;
            rate.report(&format!("product {format}, {num_rows} rows, {num_outputs} x {num_inputs}"), "Gop/s");
        }
        Ok(())
    }

    /// One token and a few of several sequences against bytes with a scale for each output, which stream from memory.
    fn decode_int8(&self) -> Result<(), Box<dyn Error>> {
        let num_inputs = 2048;
        let weights = self.int8(STREAM_BYTES / 2 / (num_inputs + 4), num_inputs)?;
        for num_rows in [1, 4, 16] {
            let rate = self.between(
                weights.size_bytes() as f64,
                || read_rate(&self.pool, &self.memory),
                self.product(&weights, num_rows),
            )?;
            rate.report(&format!("product int8, {num_rows} rows, weights from memory"), "GB/s");
        }
        Ok(())
    }

    /// A chunk of a prompt against bytes that stay in cache.
    fn prefill_int8(&self) -> Result<(), Box<dyn Error>> {
        for (num_rows, num_outputs, num_inputs) in [(512, 8192, 2048), (512, 2048, 8192), (64, 8192, 2048)] {
            let weights = self.int8(num_outputs, num_inputs)?;
            let operations = 2.0 * (num_rows * num_outputs * num_inputs) as f64;
            let peak = || widest_byte_multiply_rate(self.kernels.isa(), &self.pool);
            let rate = self.between(operations, peak, self.product(&weights, num_rows))?;
            rate.report(&format!("product int8, {num_rows} rows, {num_outputs} x {num_inputs}"), "Gop/s");
        }
        Ok(())
    }

    fn int8(&self, num_outputs: usize, num_inputs: usize) -> Result<PackedMatrix, Box<dyn Error>> {
        let bytes = &self.memory.bytes()[..num_outputs * (size_of::<f32>() + num_inputs)];
        let (stored, order) = (WeightFormat::Int8, MatrixOrder::OutputsFirst);
        let source = MatrixSource { bytes, stored, packed: stored, order, num_outputs, num_inputs, importance: None };
        Ok(PackedMatrix::pack(&self.pool, &[source])?)
    }

    fn blocks(
        &self,
        num_outputs: usize,
        num_inputs: usize,
        format: BlockFormat,
    ) -> Result<PackedMatrix, Box<dyn Error>> {
        let len_bytes = format.bytes_of(num_outputs * num_inputs).ok_or("rows are whole blocks")?;
        let (stored, order) = (WeightFormat::Blocks(format), MatrixOrder::OutputsFirst);
        let bytes = &self.memory.bytes()[..len_bytes];
        let source = MatrixSource { bytes, stored, packed: stored, order, num_outputs, num_inputs, importance: None };
        Ok(PackedMatrix::pack(&self.pool, &[source])?)
    }

    /// One new token each of several long sequences: keys and values stream from memory.
    fn decode_attention(&self, cache_type: CacheType) -> Result<(), Box<dyn Error>> {
        for (heads, kv_heads) in [(32, 8), (16, 16)] {
            let setup = Attention::new(cache_type, heads, kv_heads, 128, &[(1, 4096); 4])?;
            let rate = self.between(
                setup.cache_bytes_read(),
                || read_rate(&self.pool, &self.memory),
                || setup.run(&self.kernels, &self.pool),
            )?;
            rate.report(&format!("attention {cache_type}, 4 x 1 of 4096, {heads} heads over {kv_heads}"), "GB/s");
        }
        Ok(())
    }

    /// One new token each over long contexts, by what the cache stores, beside a cache of bfloat16: all of them in turn, medians.
    fn cache_types(&self) -> Result<(), Box<dyn Error>> {
        for (heads, kv_heads, head_dim) in [(32, 8, 64), (32, 8, 128)] {
            for context in [8192, 32768] {
                let sequences = vec![(1, context); (1 << 17) / context];
                let types = [CacheType::Bf16, CacheType::Fp8E4m3, CacheType::Fp8E5m2, CacheType::Int8];
                let setups = types
                    .iter()
                    .map(|&kind| Attention::new(kind, heads, kv_heads, head_dim, &sequences))
                    .collect::<Result<Vec<_>, _>>()?;
                let mut seconds = vec![Vec::new(); types.len()];
                for _ in 0..9 {
                    for (setup, seconds) in setups.iter().zip(&mut seconds) {
                        let start = Instant::now();
                        setup.run(&self.kernels, &self.pool)?;
                        seconds.push(start.elapsed().as_secs_f64());
                    }
                }
                let medians = seconds.iter_mut().map(|seconds| {
                    seconds.sort_by(f64::total_cmp);
                    seconds[seconds.len() / 2]
                });
                let medians: Vec<f64> = medians.collect();
                for (kind, median) in types.iter().zip(&medians) {
                    let name = format!("attention {kind}, {context} tokens, heads of {head_dim}");
                    let (milliseconds, speedup) = (median * 1e3, medians[0] / median);
                    println!("{name:<50} {milliseconds:>10.2} ms {speedup:>8.2} of bfloat16's speed");
                    println!("{{\"name\":\"{name}\",\"milliseconds\":{milliseconds:.3},\"of_bfloat16\":{speedup:.3}}}");
                }
            }
        }
        Ok(())
    }

    /// A whole prompt at once. Attention works in f32, so that is its probe.
    fn prefill_attention(&self, dtype: ElementType) -> Result<(), Box<dyn Error>> {
        for (heads, kv_heads, head_dim) in [(32, 8, 64), (9, 3, 64)] {
            let setup = Attention::new(dtype.into(), heads, kv_heads, head_dim, &[(2048, 2048)])?;
            let operations = 4.0 * (heads * head_dim) as f64 * (2048.0 * 2049.0 / 2.0);
            let peak = || multiply_rate(self.kernels.isa(), &self.pool, ElementType::F32);
            let rate = self.between(operations, peak, || setup.run(&self.kernels, &self.pool))?;
            rate.report(&format!("attention {dtype}, 2048 of 2048, {heads} heads over {kv_heads}"), "Gop/s");
        }
        Ok(())
    }

    /// What it costs to share work out at all.
    fn fork_join(&self) {
        let regions = 10_000;
        let start = Instant::now();
        for _ in 0..regions {
            self.pool.run(self.pool.threads(), 1, &|range| {
                black_box(range);
            });
        }
        let microseconds = start.elapsed().as_secs_f64() * 1e6 / f64::from(regions);
        println!("{:<44} {microseconds:>10.2} us", "empty region of the pool");
        println!("{{\"name\":\"empty region of the pool\",\"microseconds\":{microseconds:.3}}}");
    }

    /// A product whose activations and results have their memory already, as an engine's have.
    fn product<'a>(
        &'a self,
        weights: &'a PackedMatrix,
        num_rows: usize,
    ) -> impl FnMut() -> Result<(), Box<dyn Error>> + 'a {
        let x = vec![0.5; num_rows * weights.num_inputs()];
        let mut out = vec![0.0; num_rows * weights.num_outputs()];
        move || {
            let (out_stride, epilogue) = (weights.num_outputs(), Epilogue::Store);
            let product = Matmul { x: &x, num_rows, weights, bias: None, out: &mut out, out_stride, epilogue };
            Ok(self.kernels.matmul(&self.pool, product)?)
        }
    }

    fn weights(
        &self,
        num_outputs: usize,
        num_inputs: usize,
        dtype: ElementType,
    ) -> Result<PackedMatrix, Box<dyn Error>> {
        let bytes = &self.memory.bytes()[..num_outputs * num_inputs * dtype.size_bytes()];
        let (stored, order) = (WeightFormat::Elements(dtype), MatrixOrder::OutputsFirst);
        let source = MatrixSource { bytes, stored, packed: stored, order, num_outputs, num_inputs, importance: None };
        Ok(PackedMatrix::pack(&self.pool, &[source])?)
    }

    /// The best of several runs of `kernel`, each between two runs of `probe`.
    fn between(
        &self,
        work: f64,
        probe: impl Fn() -> f64,
        mut kernel: impl FnMut() -> Result<(), Box<dyn Error>>,
    ) -> Result<Rate, Box<dyn Error>> {
        kernel()?;
        let mut best = Rate { rate: 0.0, probe: probe() };
        for _ in 0..7 {
            let start = Instant::now();
            kernel()?;
            best.rate = best.rate.max(work / start.elapsed().as_secs_f64());
            best.probe = best.probe.max(probe());
        }
        Ok(best)
    }
}

/// What a kernel and the probe beside it reached, in units per second.
struct Rate {
    rate: f64,
    probe: f64,
}

impl Rate {
    fn report(&self, name: &str, unit: &str) {
        let (rate, probe, fraction) = (self.rate / 1e9, self.probe / 1e9, self.rate / self.probe);
        println!("{name:<44} {rate:>10.1} {probe:>10.1} {fraction:>9.2}  {unit}");
        println!(
            "{{\"name\":\"{name}\",\"unit\":\"{unit}\",\"rate\":{rate:.2},\"probe\":{probe:.2},\"fraction\":{fraction:.3}}}"
        );
    }
}

/// A batch of sequences, given as (new tokens, all tokens), over a filled cache.
struct Attention {
    layout: KvLayout,
    heads: usize,
    cache: SharedBuffer,
    queries: Vec<f32>,
    query_start_loc: Vec<i32>,
    seq_lens: Vec<i32>,
    block_tables: Vec<i32>,
    stride: usize,
}

impl Attention {
    fn new(
        cache_type: CacheType,
        heads: usize,
        kv_heads: usize,
        head_dim: usize,
        sequences: &[(usize, usize)],
    ) -> Result<Attention, Box<dyn Error>> {
        let block_size = 16;
        let stride = sequences.iter().map(|(_, len)| len.div_ceil(block_size)).max().unwrap_or(0);
        let num_blocks = stride * sequences.len() + 1;
        let slot_stride = cache_type.slot_elements(head_dim);
        let layout = KvLayout { cache_type, num_blocks, num_kv_heads: kv_heads, block_size, head_dim, slot_stride };
        let cache = SharedBuffer::zeroed(layout.size_bytes()?)?;
        fill_slots(cache.write().bytes_mut(), layout);
        let mut query_start_loc = vec![0];
        for (new, _) in sequences {
            query_start_loc.push(query_start_loc.last().copied().unwrap_or(0) + i32::try_from(*new)?);
        }
        let num_tokens: usize = sequences.iter().map(|(new, _)| new).sum();
        Ok(Attention {
            layout,
            heads,
            cache,
            queries: vec![0.25; num_tokens * heads * head_dim],
            query_start_loc,
            seq_lens: sequences.iter().map(|(_, len)| i32::try_from(*len)).collect::<Result<_, _>>()?,
            block_tables: (1..=i32::try_from(stride * sequences.len())?).collect(),
            stride,
        })
    }

    fn cache_bytes_read(&self) -> f64 {
        let tokens: i32 = self.seq_lens.iter().sum();
        let token_bytes = 2 * self.layout.num_kv_heads * self.layout.slot_stride * self.layout.cache_type.size_bytes();
        f64::from(tokens) * token_bytes as f64
    }

    fn run(&self, kernels: &Kernels, pool: &ThreadPool) -> Result<(), Box<dyn Error>> {
        let mut out = vec![0.0; self.queries.len()];
        Ok(kernels.paged_attention(
            pool,
            PagedAttention {
                queries: &self.queries,
                query_layout: HeadLayout::contiguous(self.heads, self.layout.head_dim),
                cache: &self.cache,
                layout: self.layout,
                scale: 0.125,
                soft_cap: None,
                causal: true,
                sliding_window: None,
                query_start_loc: &self.query_start_loc,
                seq_lens: &self.seq_lens,
                block_tables: &self.block_tables,
                block_table_stride: self.stride,
                out: &mut out,
            },
        )?)
    }
}

/// Slots of ordinary numbers, the same ones over and over.
fn fill_slots(bytes: &mut [u8], KvLayout { cache_type, head_dim, slot_stride, .. }: KvLayout) {
    let numbers: Vec<f32> = (0..head_dim).map(|index| (index * 37 % 251) as f32 / 125.0 - 1.0).collect();
    let mut slot = vec![0; slot_stride * cache_type.size_bytes()];
    cache_type.store(&numbers, &mut slot);
    bytes.chunks_exact_mut(slot.len()).for_each(|target| target.copy_from_slice(&slot));
}
