//! Sequences to vectors or scores: one forward over whole sequences, outside of any schedule and of the bound KV cache.
//!
//! Layers take turns with one scratch cache, since nobody reads a layer's keys and values after the layer. A sequence that
//! comes in parts has a cache for each layer, until its last part.

use quire_kernels::{CacheType, SharedBuffer};
use quire_models::{ForwardInput, KvCache};
use quire_weights::{ModelConfig, PoolingKind};

use crate::embed_batch::{EmbedBatch, EmbedOutput, EmbedPart};
use crate::pooling::{Pool, needs_all_tokens};
use crate::running_model::RunningModel;
use crate::{RunnerError, ScoreActivation};

/// Tokens per block of the scratch cache.
const BLOCK_TOKENS: usize = 16;

/// What a model needs between calls.
#[derive(Debug, Default)]
pub(crate) struct Embedder {
    scratch: Option<KvCache>,
    long: Option<LongSequence>,
    /// Hidden states of a forward.
    hidden: Vec<f32>,
}

/// A sequence of which some parts have come.
#[derive(Debug)]
struct LongSequence {
    caches: Vec<KvCache>,
    num_computed: usize,
    num_tokens: usize,
    pool: Pool,
}

/// What stays the same from call to call.
pub(crate) struct EmbedModel<'a> {
    pub(crate) model: &'a RunningModel,
    pub(crate) config: &'a ModelConfig,
    /// Width of the last hidden states.
    pub(crate) width: usize,
    /// Whether it has a classifier, which is then what it is for.
    pub(crate) scores: bool,
    /// Of a decoder's keys and values. Encoders keep them as they are.
    pub(crate) cache_type: CacheType,
    pub(crate) activation: ScoreActivation,
}

/// The metadata of a forward over sequences, each in blocks of its own.
struct Layout {
    positions: Vec<i32>,
    slot_mapping: Vec<i32>,
    seq_lens: Vec<i32>,
    block_tables: Vec<i32>,
    block_table_stride: usize,
    num_blocks: usize,
}

impl Layout {
    /// For sequences that begin at `start_loc`, the first of them after `num_computed` tokens that are in the cache.
    fn new(start_loc: &[i32], num_computed: usize) -> Layout {
        let lengths = || start_loc.windows(2).map(|bounds| (bounds[1] - bounds[0]) as usize);
        let stride = lengths().map(|length| (num_computed + length).div_ceil(BLOCK_TOKENS)).max().unwrap_or(0);
        let num_tokens = lengths().sum();
        let mut layout = Layout {
            positions: Vec::with_capacity(num_tokens),
            slot_mapping: Vec::with_capacity(num_tokens),
            seq_lens: Vec::with_capacity(start_loc.len()),
            block_tables: Vec::with_capacity(start_loc.len() * stride),
            block_table_stride: stride,
            num_blocks: 0,
        };
        for length in lengths() {
            let (first_block, end) = (layout.num_blocks, num_computed + length);
            let first_slot = first_block * BLOCK_TOKENS;
            layout.positions.extend((num_computed..end).map(|position| position as i32));
            layout.slot_mapping.extend((num_computed..end).map(|position| (first_slot + position) as i32));
            layout.seq_lens.push(end as i32);
            let used = end.div_ceil(BLOCK_TOKENS);
            layout
                .block_tables
                .extend((0..stride).map(|block| if block < used { (first_block + block) as i32 } else { 0 }));
            layout.num_blocks += used;
        }
        layout
    }

    fn input<'a>(&'a self, token_ids: &'a [i32], start_loc: &'a [i32], wanted: &'a [i32]) -> ForwardInput<'a> {
        ForwardInput {
            input_ids: token_ids,
            positions: &self.positions,
            slot_mapping: &self.slot_mapping,
            query_start_loc: start_loc,
            seq_lens: &self.seq_lens,
            block_tables: &self.block_tables,
            block_table_stride: self.block_table_stride,
            logits_indices: wanted,
        }
    }
}

impl Embedder {
    /// Computes a batch that was checked. `out` is `[sequences, width]`, or `[sequences]` for scores; it is left alone where
    /// more parts are to come.
    pub(crate) fn run(
        &mut self,
        embed: &EmbedModel<'_>,
        batch: &EmbedBatch<'_>,
        out: &mut [f32],
    ) -> Result<(), RunnerError> {
        match (batch.output, batch.part) {
            (EmbedOutput::Score, None) if embed.scores => self.score(embed, batch, out),
            (EmbedOutput::Vector(kind), None) if !embed.scores => self.pool(embed, batch, kind, out),
            (EmbedOutput::Vector(kind), Some(part)) if embed.model.is_causal() => {
                // What an interrupted part left is of no use to anybody.
                let result = self.pool_part(embed, batch, kind, part, out);
                if result.is_err() {
                    self.long = None;
                }
                result
            }
            (output, part) => Err(RunnerError::UnsupportedEmbed {
                architecture: embed.config.architecture.clone(),
                asked: match output {
                    EmbedOutput::Score => "scores",
                    EmbedOutput::Vector(_) if part.is_some() => "embeddings of sequences in parts",
                    EmbedOutput::Vector(_) => "embeddings",
                },
            }),
        }
    }

    fn pool(
        &mut self,
        embed: &EmbedModel<'_>,
        batch: &EmbedBatch<'_>,
        kind: PoolingKind,
        out: &mut [f32],
    ) -> Result<(), RunnerError> {
        let wanted = wanted_rows(batch.start_loc, kind, batch.token_ids.len());
        let caches = self.caches(embed, batch)?;
        let layout = Layout::new(batch.start_loc, 0);
        let input = layout.input(batch.token_ids, batch.start_loc, &wanted);
        self.hidden.resize(wanted.len() * embed.width, 0.0);
        embed.model.hidden_states(&input, batch.token_types, &caches, &mut self.hidden)?;
        let mut rest = self.hidden.as_slice();
        for (bounds, out) in batch.start_loc.windows(2).zip(out.chunks_exact_mut(embed.width)) {
            let rows = if needs_all_tokens(kind) { (bounds[1] - bounds[0]) as usize } else { 1 };
            let (own, others) = rest.split_at(rows * embed.width);
            rest = others;
            let mut pool = Pool::new(kind, embed.width);
            pool.add(own);
            pool.finish(out);
        }
        Ok(())
    }

    fn score(&mut self, embed: &EmbedModel<'_>, batch: &EmbedBatch<'_>, out: &mut [f32]) -> Result<(), RunnerError> {
        let wanted = wanted_rows(batch.start_loc, PoolingKind::Cls, batch.token_ids.len());
        let caches = self.caches(embed, batch)?;
        let layout = Layout::new(batch.start_loc, 0);
        let input = layout.input(batch.token_ids, batch.start_loc, &wanted);
        embed.model.classify(&input, batch.token_types, &caches, &mut out[..batch.num_sequences()])?;
        out.iter_mut().for_each(|score| *score = embed.activation.apply(*score));
        Ok(())
    }

    fn pool_part(
        &mut self,
        embed: &EmbedModel<'_>,
        batch: &EmbedBatch<'_>,
        kind: PoolingKind,
        part: EmbedPart,
        out: &mut [f32],
    ) -> Result<(), RunnerError> {
        let mut long = match self.long.take() {
            _ if part.num_computed == 0 => LongSequence::new(embed, kind, part.num_tokens)?,
            Some(long) if long.num_computed == part.num_computed && long.num_tokens == part.num_tokens => long,
            other => {
                return Err(RunnerError::BadEmbedBatch {
                    field: "part",
                    expected: format!("{} tokens computed", other.map_or(0, |long| long.num_computed)),
                    given: part.num_computed.to_string(),
                });
            }
        };
        let num_tokens = batch.token_ids.len();
        let is_last = part.num_computed + num_tokens == part.num_tokens;
        let wanted = match kind {
            PoolingKind::Cls if part.num_computed > 0 => Vec::new(),
            PoolingKind::Last if !is_last => Vec::new(),
            _ => wanted_rows(batch.start_loc, kind, num_tokens),
        };
        let layout = Layout::new(batch.start_loc, part.num_computed);
        let input = layout.input(batch.token_ids, batch.start_loc, &wanted);
        self.hidden.resize(wanted.len() * embed.width, 0.0);
        embed.model.hidden_states(&input, batch.token_types, &long.caches, &mut self.hidden)?;
        long.pool.add(&self.hidden);
        if is_last {
            long.pool.finish(&mut out[..embed.width]);
        } else {
            long.num_computed += num_tokens;
            self.long = Some(long);
        }
        Ok(())
    }

    /// The scratch cache for every layer, with room for the batch.
    fn caches(&mut self, embed: &EmbedModel<'_>, batch: &EmbedBatch<'_>) -> Result<Vec<KvCache>, RunnerError> {
        let lengths = batch.start_loc.windows(2).map(|bounds| (bounds[1] - bounds[0]) as usize);
        let num_blocks: usize = lengths.map(|length| length.div_ceil(BLOCK_TOKENS)).sum();
        let scratch = match self.scratch.take() {
            Some(scratch) if scratch.num_blocks >= num_blocks => scratch,
            _ => new_cache(embed, num_blocks)?,
        };
        let num_layers = embed.config.num_hidden_layers;
        let caches = vec![scratch.clone(); num_layers];
        self.scratch = Some(scratch);
        Ok(caches)
    }
}

impl LongSequence {
    fn new(embed: &EmbedModel<'_>, kind: PoolingKind, num_tokens: usize) -> Result<LongSequence, RunnerError> {
        let num_blocks = num_tokens.div_ceil(BLOCK_TOKENS);
        let caches = (0..embed.config.num_hidden_layers).map(|_| new_cache(embed, num_blocks));
        let caches = caches.collect::<Result<_, RunnerError>>()?;
        Ok(LongSequence { caches, num_computed: 0, num_tokens, pool: Pool::new(kind, embed.width) })
    }
}

fn new_cache(embed: &EmbedModel<'_>, num_blocks: usize) -> Result<KvCache, RunnerError> {
    let (num_kv_heads, head_dim) = (embed.config.num_key_value_heads, embed.config.head_dim);
    let cache_type = if embed.model.is_causal() { embed.cache_type } else { CacheType::F32 };
    let bytes = KvCache::size_bytes(cache_type, num_blocks, num_kv_heads, BLOCK_TOKENS, head_dim).unwrap_or(usize::MAX);
    let buffer = SharedBuffer::zeroed(bytes)?;
    let (block_size, slot_stride) = (BLOCK_TOKENS, cache_type.slot_elements(head_dim));
    Ok(KvCache { buffer, cache_type, num_blocks, block_size, num_kv_heads, head_dim, slot_stride })
}

/// The tokens whose hidden states a kind of pooling reads.
fn wanted_rows(start_loc: &[i32], kind: PoolingKind, num_tokens: usize) -> Vec<i32> {
    match kind {
        PoolingKind::Cls => start_loc[..start_loc.len() - 1].to_vec(),
        PoolingKind::Last => start_loc[1..].iter().map(|end| end - 1).collect(),
        _ => (0..num_tokens as i32).collect(),
    }
}
