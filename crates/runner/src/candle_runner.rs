//! [`CandleRunner`]: one model on the CPU, from its directory to the tokens of a step.

use std::path::Path;
use std::sync::Arc;

use quire_core::{BatchRow, InputBatchBuffer, InputBatchView, SamplingColumns, SequenceId, layout};
use quire_kernels::{CacheType, ElementType, Isa, Kernels, ThreadPool};
#[cfg(not(target_family = "wasm"))]
use quire_models::{ErrorWeights, ImportanceMatrix};
use quire_models::{ForwardInput, KvCache, ModelUse, max_sequence_tokens, model_use, read_config};
use quire_sampler::draw_rows;
#[cfg(not(target_family = "wasm"))]
use quire_weights::NotedFiles;
use quire_weights::{
    ConfigDocument, DType, ModelConfig, ModelDirectory, ModelFiles, PoolingConfig, StoredFormat, WeightsError,
};

use crate::batch_check::{StepBounds, check_batch};
use crate::embed_batch::{EmbedBatch, EmbedBounds, EmbedOutput, EmbedPart};
use crate::embedder::{EmbedModel, Embedder};
use crate::memory_profile::activation_bytes;
use crate::model_info::LoadedFacts;
#[cfg(not(target_family = "wasm"))]
use crate::packed_weights::{PackedWeights, PackedWeightsFile, UnwrittenWeights};
use crate::running_model::{RunningModel, Weights};
use crate::{
    BatchLimits, HostTensor, KvCacheSpec, MemoryProfile, ModelInfo, RunnerError, RunnerOptions, ScoreActivation,
};

/// What a step gave.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelOutput {
    /// The caller's buffer holds `[num_logits, vocab_size]` logits.
    Logits,
    /// One token for each row that samples, in the order of rows; -1 where the model returned NaN.
    TokenIds(Vec<i32>),
}

/// A model that is loaded and runs steps.
pub struct CandleRunner {
    model: RunningModel,
    config: ModelConfig,
    info: ModelInfo,
    dtype: ElementType,
    cache_type: CacheType,
    pool: Arc<ThreadPool>,
    caches: Vec<KvCache>,
    /// The token that each stable row drew in the step before, -1 = none.
    drawn: Vec<i32>,
    /// Ids of the step with tokens of the step before filled in.
    input_ids: Vec<i32>,
    /// Logits of steps that are sampled here.
    logits: Vec<f32>,
    embedder: Embedder,
    activation: ScoreActivation,
    num_token_types: usize,
    #[cfg(not(target_family = "wasm"))]
    packed_weights: Option<PackedWeights>,
}

impl CandleRunner {
    /// Loads the model in the directory at `path` of `files`. `progress` hears shares from 0 to 1. Files are closed again on return.
    ///
    /// # Errors
    /// The files, the model or the options: see [`RunnerError::code`].
    pub fn load(
        files: &dyn ModelFiles,
        path: &Path,
        options: &RunnerOptions,
        progress: &dyn Fn(f64),
    ) -> Result<CandleRunner, RunnerError> {
        let isa = options.isa.unwrap_or_else(Isa::detect);
        let kernels = Arc::new(Kernels::new(isa)?);
        let pool = Arc::new(ThreadPool::new(options.threads)?);
        #[cfg(not(target_family = "wasm"))]
        let noted = NotedFiles::new(files);
        #[cfg(not(target_family = "wasm"))]
        let files: &dyn ModelFiles = if options.packed_weights_cache.is_some() { &noted } else { files };
        let directory = ModelDirectory::open(files, path).map_err(quire_models::ModelError::from)?;
        let config = read_config(&directory.config)?;
        let model_use = model_use(&config)?;
        let pooling = match model_use {
            ModelUse::Score => PoolingConfig::read_inputs(files, path),
            ModelUse::Generate | ModelUse::Embed => PoolingConfig::read(files, path),
        }
        .map_err(quire_models::ModelError::from)?;
        let stated = config.dtype.map(StoredFormat::Elements);
        // What is stated of a quantised checkpoint is what its weights were before.
        let stated = stated.filter(|_| !directory.tensors.is_quantised());
        let checkpoint_format =
            stated.or_else(|| directory.tensors.main_format()).unwrap_or(StoredFormat::Elements(DType::F32));
        let dtype = match options.backend {
            crate::BackendKind::Cpu => options.dtype.resolve(checkpoint_format),
            #[cfg(not(target_family = "wasm"))]
            crate::BackendKind::Reference => ElementType::F32,
        };
        let checkpoint = (&config, &directory.tensors);
        #[cfg(not(target_family = "wasm"))]
        let packed_file = PackedWeightsFile::wanted(options, &noted, dtype)?;
        let weights = Weights {
            dtype,
            quantization: options.quantization,
            #[cfg(not(target_family = "wasm"))]
            error_weights: error_weights(options, &config)?,
            #[cfg(not(target_family = "wasm"))]
            kept: packed_file.as_ref().map(|file| Arc::clone(file.panels())),
        };
        let loaded = RunningModel::load(options.backend, (&kernels, &pool), weights, checkpoint, progress)?;
        let facts = LoadedFacts {
            dtype: dtype.into(),
            checkpoint_format,
            weights_bytes: loaded.weights_bytes,
            num_parameters: loaded.num_parameters,
            work: loaded.work,
            backend: options.backend,
            isa,
            threads: options.threads,
            model_use,
            is_causal: loaded.model.is_causal(),
            width: loaded.model.width(&config),
            dimensions: matryoshka_dimensions(&config.document).map_err(quire_models::ModelError::from)?,
        };
        let activation = ScoreActivation::read(&config.document).map_err(quire_models::ModelError::from)?;
        let num_token_types = config.document.count("type_vocab_size").map_err(quire_models::ModelError::from)?;
        let info = ModelInfo::new(&config, directory.generation, &pooling, facts);
        Ok(CandleRunner {
            model: loaded.model,
            config,
            info,
            dtype,
            cache_type: options.kv_cache_dtype.resolve(dtype),
            pool,
            caches: Vec::new(),
            drawn: Vec::new(),
            input_ids: Vec::new(),
            logits: Vec::new(),
            embedder: Embedder::default(),
            activation,
            num_token_types: num_token_types.unwrap_or(2),
            #[cfg(not(target_family = "wasm"))]
            packed_weights: packed_file.map(PackedWeightsFile::finish),
        })
    }

    /// Facts of the model.
    pub fn model_info(&self) -> &ModelInfo {
        &self.info
    }

    /// What came of looking for packed weights; `None` where no folder was given.
    #[cfg(not(target_family = "wasm"))]
    pub fn packed_weights(&self) -> Option<&PackedWeights> {
        self.packed_weights.as_ref()
    }

    /// The packed weights that should be written for the next start, once.
    #[cfg(not(target_family = "wasm"))]
    pub fn take_unwritten_weights(&mut self) -> Option<UnwrittenWeights> {
        self.packed_weights.as_mut()?.unwritten.take()
    }

    /// The threads that compute; a sampler may use them between steps.
    pub fn thread_pool(&self) -> &Arc<ThreadPool> {
        &self.pool
    }

    /// What a KV cache with blocks of `block_size` tokens looks like.
    pub fn kv_cache_spec(&self, block_size: usize) -> KvCacheSpec {
        KvCacheSpec::new(&self.config, self.cache_type, block_size, self.num_cached_layers())
    }

    /// Memory that steps within `limits` take beside the KV cache. The limits hold from here on: a model whose rotary
    /// positions depend on how long sequences may be takes those for `limits.max_model_len`.
    pub fn profile(&mut self, limits: &BatchLimits) -> MemoryProfile {
        self.model.limit_sequences(limits.max_model_len);
        let activation_bytes = activation_bytes(&self.config, limits);
        // Weights that are mapped take memory yet: what they leave is for the cache.
        #[cfg(not(target_family = "wasm"))]
        let activation_bytes =
            activation_bytes + self.packed_weights.as_ref().map_or(0, |found| found.mapped_bytes as u64);
        MemoryProfile { weights_bytes: self.info.weights_bytes, activation_bytes }
    }

    /// Takes the KV cache, one tensor per layer; the memory stays shared with the caller.
    ///
    /// # Errors
    /// [`RunnerError::BadKvCache`]: number of layers, dtype, shape or strides.
    pub fn bind_kv_cache(&mut self, layers: &[HostTensor]) -> Result<(), RunnerError> {
        let num_layers = self.num_cached_layers();
        if layers.len() != num_layers {
            return Err(RunnerError::BadKvCache {
                what: "layers",
                expected: num_layers.to_string(),
                given: layers.len().to_string(),
            });
        }
        let spec = self.kv_cache_spec(1);
        let caches = layers.iter().map(|tensor| spec.accept(tensor)).collect::<Result<Vec<KvCache>, _>>()?;
        if let Some(other) = caches.iter().find(|cache| (cache.num_blocks, cache.block_size) != first_size(&caches)) {
            return Err(RunnerError::BadKvCache {
                what: "blocks",
                expected: format!("{:?} as in the first layer", first_size(&caches)),
                given: format!("{:?}", (other.num_blocks, other.block_size)),
            });
        }
        self.caches = caches;
        Ok(())
    }

    /// A model that does not generate has no KV cache.
    fn num_cached_layers(&self) -> usize {
        if self.info.generates { self.config.num_hidden_layers } else { 0 }
    }

    /// Runs a step of one token, or embeds one, which leaves nothing behind but touched pages and buffers.
    ///
    /// # Errors
    /// As [`CandleRunner::execute`] and [`CandleRunner::embed`].
    pub fn warmup(&mut self) -> Result<(), RunnerError> {
        if !self.info.generates {
            let pooling = &self.info.pooling;
            let output = if pooling.scores { EmbedOutput::Score } else { EmbedOutput::Vector(pooling.kind) };
            let mut out = vec![0.0; pooling.embedding_size];
            let batch = EmbedBatch { token_ids: &[0], token_types: &[], start_loc: &[0, 1], output, part: None };
            return self.embed(&batch, &mut out);
        }
        let block_size = self.caches.first().ok_or(RunnerError::NoKvCache)?.block_size as u32;
        let row = BatchRow {
            sequence_id: SequenceId(0),
            row: 0,
            token_ids: &[0],
            num_unknown_tokens: 0,
            draft_token_ids: &[],
            num_computed: 0,
            // The null block: nobody reads what is written there.
            block_table: &[quire_core::BlockId(0)],
            samples: true,
            prompt_logits: (0, 0),
            host_sampling: false,
            sampling: SamplingColumns::GREEDY,
        };
        let mut buffer = InputBatchBuffer::new();
        buffer.write(0, block_size, std::iter::once(row));
        let batch = InputBatchView::new(buffer.words()).expect("a batch made here is valid; otherwise this is a bug");
        self.execute(&batch, &mut [])?;
        self.drawn.clear();
        Ok(())
    }

    /// Runs one step. If the batch samples and nothing in it needs the stateful sampler, the tokens are drawn here and
    /// `logits` may be empty; else `logits`, of at least `num_logits * vocab_size` numbers, is filled.
    ///
    /// # Errors
    /// The batch does not fit model and cache, `logits` is too small, or memory gave out. The cache then holds whatever it
    /// held, or keys and values of this step's tokens; no other token's.
    pub fn execute(&mut self, batch: &InputBatchView<'_>, logits: &mut [f32]) -> Result<ModelOutput, RunnerError> {
        if !self.info.generates {
            return Err(RunnerError::NotGenerative { architecture: self.info.architecture.clone() });
        }
        let cache = self.caches.first().ok_or(RunnerError::NoKvCache)?;
        let bounds = StepBounds {
            vocab_size: self.info.vocab_size,
            max_sequence_tokens: max_sequence_tokens(&self.config),
            num_blocks: cache.num_blocks,
            block_size: cache.block_size,
        };
        check_batch(batch, &bounds)?;
        let samples_here = batch.samples() && !batch.host_sampling() && batch.num_draft_tokens().is_none();
        let expected = batch.num_logits() * bounds.vocab_size;
        if logits.len() < expected && !samples_here {
            return Err(RunnerError::LogitsBufferTooSmall { expected, given: logits.len() });
        }
        self.fill_input_ids(batch)?;
        if batch.num_tokens() == 0 {
            return Ok(ModelOutput::Logits);
        }
        let logits = if logits.len() < expected {
            self.logits.resize(expected.max(self.logits.len()), 0.0);
            &mut self.logits[..expected]
        } else {
            &mut logits[..expected]
        };
        let input = ForwardInput {
            input_ids: &self.input_ids,
            positions: batch.positions(),
            slot_mapping: batch.slot_mapping(),
            query_start_loc: batch.query_start_loc(),
            seq_lens: batch.seq_lens(),
            block_tables: batch.block_tables(),
            block_table_stride: batch.block_table_stride(),
            logits_indices: batch.logits_indices(),
        };
        self.model.forward(&input, &self.caches, logits)?;
        if !samples_here {
            // Somebody else draws for these rows: what was drawn for them before is not their last token any more.
            remember(&mut self.drawn, batch, &vec![-1; batch.num_rows()]);
            return Ok(ModelOutput::Logits);
        }
        let mut token_ids = Vec::with_capacity(batch.num_rows());
        draw_rows(&self.pool, batch, logits, bounds.vocab_size, &mut token_ids)?;
        remember(&mut self.drawn, batch, &token_ids);
        Ok(ModelOutput::TokenIds(token_ids))
    }

    /// Makes a vector or a score of each sequence of `batch`, into the front of `out`: `[sequences, embedding_size]`, or
    /// `[sequences]` for scores. The bound KV cache is not touched. A vector depends on nothing but its sequence. Of a
    /// sequence in parts, every part has to follow the one before; the last one writes the vector.
    ///
    /// # Errors
    /// The batch does not fit the model, the model does not give what is asked for, `out` is too small, or memory gave out.
    pub fn embed(&mut self, batch: &EmbedBatch<'_>, out: &mut [f32]) -> Result<(), RunnerError> {
        batch.check(&EmbedBounds {
            vocab_size: self.info.vocab_size,
            num_token_types: self.num_token_types,
            max_tokens: self.info.max_position_embeddings,
        })?;
        let width = if batch.output == EmbedOutput::Score { 1 } else { self.info.pooling.embedding_size };
        let comes_now = |part: EmbedPart| part.num_computed + batch.token_ids.len() == part.num_tokens;
        let expected = if batch.part.is_none_or(comes_now) { batch.num_sequences() * width } else { 0 };
        if out.len() < expected {
            return Err(RunnerError::EmbeddingsBufferTooSmall { expected, given: out.len() });
        }
        let model = EmbedModel {
            model: &self.model,
            config: &self.config,
            width: self.info.pooling.embedding_size,
            scores: self.info.pooling.scores,
            // Nothing stays of it after the call, so there is nothing to gain from fewer bits.
            cache_type: self.dtype.into(),
            activation: self.activation,
        };
        self.embedder.run(&model, batch, &mut out[..expected])
    }

    /// The step's ids, with those that the step before drew put in their places.
    fn fill_input_ids(&mut self, batch: &InputBatchView<'_>) -> Result<(), RunnerError> {
        self.input_ids.clear();
        self.input_ids.extend_from_slice(batch.input_ids());
        for (row, &stable_row) in batch.rows().iter().enumerate() {
            let (first, last) = batch.token_range(row);
            for id in &mut self.input_ids[first..last] {
                if *id == layout::TOKEN_OF_PREVIOUS_STEP {
                    let drawn = usize::try_from(stable_row).ok().and_then(|row| self.drawn.get(row)).copied();
                    *id = drawn
                        .filter(|&drawn| drawn >= 0)
                        .ok_or(RunnerError::UnknownPreviousToken { row: stable_row })?;
                }
            }
        }
        Ok(())
    }
}

/// The importance matrix that the options name, for this model.
#[cfg(not(target_family = "wasm"))]
fn error_weights(options: &RunnerOptions, config: &ModelConfig) -> Result<Option<Arc<ErrorWeights>>, RunnerError> {
    let Some(path) = &options.imatrix else { return Ok(None) };
    if options.backend != crate::BackendKind::Cpu || !options.quantization.weighs_errors() {
        return Err(RunnerError::UnusedImportance);
    }
    let matrix = ImportanceMatrix::open(path).map_err(quire_models::ModelError::from)?;
    let weights = ErrorWeights::new(matrix, &config.architecture).map_err(quire_models::ModelError::from)?;
    Ok(Some(Arc::new(weights)))
}

fn first_size(caches: &[KvCache]) -> (usize, usize) {
    caches.first().map_or((0, 0), |cache| (cache.num_blocks, cache.block_size))
}

/// Keeps what each sampling row drew, for a step that was scheduled before the result of this one was known.
fn remember(drawn: &mut Vec<i32>, batch: &InputBatchView<'_>, token_ids: &[i32]) {
    let sampling = batch.sample_index().iter().zip(batch.rows()).filter(|(sample, _)| **sample >= 0);
    for ((_, &row), &token) in sampling.zip(token_ids) {
        let Ok(row) = usize::try_from(row) else { continue };
        if drawn.len() <= row {
            drawn.resize(row + 1, -1);
        }
        drawn[row] = token;
    }
}

/// `matryoshka_dimensions`: the lengths to which vectors may be cut.
fn matryoshka_dimensions(config: &ConfigDocument) -> Result<Vec<usize>, WeightsError> {
    let Some(value) = config.get("matryoshka_dimensions") else { return Ok(Vec::new()) };
    let numbers = value.as_array().map(|list| list.iter().map(|number| number.as_u64()).collect::<Option<Vec<u64>>>());
    match numbers.flatten() {
        Some(numbers) => Ok(numbers.into_iter().map(|number| number as usize).collect()),
        None => Err(config.invalid("matryoshka_dimensions", value, "a list of lengths")),
    }
}
