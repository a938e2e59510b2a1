//! Runs a model over chunks of tokens and gives the sums of squares of its matrices' inputs, by the names that GGUF files have.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use quire_gguf::{Architecture, InputSums};
use quire_kernels::{CacheType, ElementType, Isa, Kernels, KernelsError, SharedBuffer, ThreadPool};
use quire_weights::{DType, FileSystem, ModelConfig, ModelDirectory, StoredFormat, WeightsError};

use super::InputRecorder;
use crate::{
    CausalModel, CpuBackend, ForwardInput, KvCache, Model, ModelError, Quantization, load, max_sequence_tokens,
    read_config,
};

/// What the model is run over, and by whom.
pub struct CollectJob<'a> {
    /// Chunks of tokens one after another; what is behind the last whole one is left out.
    pub token_ids: &'a [i32],
    /// Tokens of a chunk, each of which is a sequence.
    pub chunk_tokens: usize,
    /// Threads that compute.
    pub threads: usize,
    /// Hears the share that is done, from 0 to 1; false stops.
    pub progress: &'a dyn Fn(f64) -> bool,
}

/// Why nothing was collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The model can't be read or run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// No file has names for its matrices.
    #[error("GGUF files have no names for the matrices of {architecture}")]
    NoNames {
        /// The class.
        architecture: String,
    },
    /// The texts are shorter than a chunk.
    #[error("the texts have {found} tokens, fewer than a chunk of {expected}")]
    TooFewTokens {
        /// Tokens of the texts.
        found: usize,
        /// Tokens of a chunk.
        expected: usize,
    },
    /// The model takes no sequences as long as a chunk, or of nothing.
    #[error("a chunk of {found} tokens is none that the model takes: from 1 to {most}")]
    ChunkSize {
        /// Tokens of a chunk.
        found: usize,
        /// The most that the model takes.
        most: usize,
    },
    /// A token that the model does not have.
    #[error("token {found} is not below the vocabulary's {vocab_size}")]
    Token {
        /// The token.
        found: i32,
        /// Tokens that there are.
        vocab_size: usize,
    },
    /// Whoever hears the progress said so.
    #[error("it was stopped")]
    Stopped,
}

impl From<WeightsError> for CollectError {
    fn from(error: WeightsError) -> CollectError {
        ModelError::from(error).into()
    }
}

impl From<KernelsError> for CollectError {
    fn from(error: KernelsError) -> CollectError {
        ModelError::from(error).into()
    }
}

/// Runs the model at `path`, a folder or a GGUF file, whose weights are widened, over the chunks of `job`.
///
/// # Errors
/// The model can't be read or is of an architecture that GGUF files have no names for, the tokens don't go with it, or it was
/// stopped.
pub fn collect_importance(path: &Path, job: &CollectJob<'_>) -> Result<Vec<InputSums>, CollectError> {
    let directory = ModelDirectory::open(&FileSystem, path)?;
    let config = read_config(&directory.config)?;
    let no_names = || CollectError::NoNames { architecture: config.architecture.clone() };
    let architecture = Architecture::of_class(&config.architecture).ok_or_else(no_names)?;
    check(job, &config)?;
    // The numbers themselves: rounded activations would be those of another model.
    let weights = match directory.tensors.main_format() {
        Some(StoredFormat::Elements(DType::F32 | DType::F16)) => ElementType::F32,
        _ => ElementType::Bf16,
    };
    let recorder = Arc::new(InputRecorder::default());
    let kernels = Arc::new(Kernels::new(Isa::detect())?);
    let backend = CpuBackend::new(kernels, Arc::new(ThreadPool::new(job.threads)?), weights)
        .with_quantization(Quantization::None)
        .with_recorder(Arc::clone(&recorder));
    let Model::Causal(mut model) = load(&backend, &config, &directory.tensors, &|_| {})?.model else {
        return Err(no_names());
    };
    model.limit_sequences(job.chunk_tokens);
    run(&backend, model.as_ref(), &config, job)?;
    Ok(named(&recorder, architecture))
}

fn check(job: &CollectJob<'_>, config: &ModelConfig) -> Result<(), CollectError> {
    let most = max_sequence_tokens(config);
    if job.chunk_tokens == 0 || job.chunk_tokens > most {
        return Err(CollectError::ChunkSize { found: job.chunk_tokens, most });
    }
    if job.token_ids.len() < job.chunk_tokens {
        return Err(CollectError::TooFewTokens { found: job.token_ids.len(), expected: job.chunk_tokens });
    }
    let vocab_size = config.vocab_size;
    let is_unknown = |&token: &i32| usize::try_from(token).map_or(true, |token| token >= vocab_size);
    match job.token_ids.iter().copied().find(is_unknown) {
        Some(found) => Err(CollectError::Token { found, vocab_size }),
        None => Ok(()),
    }
}

/// Computes each chunk as a sequence of its own, in one block of the cache.
fn run(
    backend: &CpuBackend,
    model: &dyn CausalModel<CpuBackend>,
    config: &ModelConfig,
    job: &CollectJob<'_>,
) -> Result<(), CollectError> {
    let block_size = job.chunk_tokens;
    let caches = (0..config.num_hidden_layers).map(|_| cache(config, block_size)).collect::<Result<Vec<_>, _>>()?;
    let positions: Vec<i32> = (0..block_size as i32).collect();
    let slots: Vec<i32> = positions.iter().map(|position| block_size as i32 + position).collect();
    let chunks = job.token_ids.chunks_exact(job.chunk_tokens);
    let num_chunks = chunks.len();
    for (index, input_ids) in chunks.enumerate() {
        if !(job.progress)(index as f64 / num_chunks as f64) {
            return Err(CollectError::Stopped);
        }
        let input = ForwardInput {
            input_ids,
            positions: &positions,
            slot_mapping: &slots,
            query_start_loc: &[0, block_size as i32],
            seq_lens: &[block_size as i32],
            block_tables: &[1],
            block_table_stride: 1,
            logits_indices: &positions,
        };
        model.hidden_states(backend, &input, &caches)?;
    }
    (job.progress)(1.0);
    Ok(())
}

fn cache(config: &ModelConfig, block_size: usize) -> Result<KvCache, KernelsError> {
    let (cache_type, num_blocks, num_kv_heads, head_dim) =
        (CacheType::from(ElementType::F32), 2, config.num_key_value_heads, config.head_dim);
    let slot_stride = cache_type.slot_elements(head_dim);
    let bytes = KvCache::size_bytes(cache_type, num_blocks, num_kv_heads, block_size, head_dim)
        .ok_or(KernelsError::SizeOverflow { count: usize::MAX, element_bytes: size_of::<f32>() })?;
    let buffer = SharedBuffer::zeroed(bytes)?;
    Ok(KvCache { buffer, cache_type, num_blocks, block_size, num_kv_heads, head_dim, slot_stride })
}

/// What was recorded, by tensor, experts in order. Matrices that nothing came by, such as embeddings, are left out.
fn named(recorder: &InputRecorder, architecture: Architecture) -> Vec<InputSums> {
    let mut tensors: BTreeMap<String, BTreeMap<usize, (Vec<f64>, u64)>> = BTreeMap::new();
    for matrix in recorder.matrices() {
        for name in &matrix.names {
            if let Some((tensor, expert)) = architecture.ggml_name(name) {
                tensors.entry(tensor).or_default().insert(expert.unwrap_or(0), matrix.sums());
            }
        }
    }
    tensors
        .into_iter()
        .map(|(name, parts)| InputSums { name, parts: parts.into_values().collect() })
        .filter(|sums| sums.parts.iter().any(|&(_, count)| count > 0))
        .collect()
}
