//! What an engine must know of a loaded model.

use quire_kernels::Isa;
use quire_models::{ModelUse, StepWork, max_sequence_tokens};
use quire_weights::{GenerationConfig, ModelConfig, PoolingConfig, PoolingKind, StoredFormat};

use crate::{BackendKind, HostDType};

/// How a model makes vectors or scores of sequences.
#[derive(Clone, Debug)]
pub struct PoolingInfo {
    /// What the checkpoint asks for; else the last token of a decoder, the mean of an encoder.
    pub kind: PoolingKind,
    /// Whether vectors are normalised unless asked otherwise: as the checkpoint says, else true.
    pub normalizes: bool,
    /// Numbers of a vector.
    pub embedding_size: usize,
    /// Most tokens of a sequence.
    pub max_tokens: usize,
    /// Whether texts are lowercased before they are tokenized.
    pub lowercases: bool,
    /// Whether the model gives scores instead of vectors.
    pub scores: bool,
    /// Whether sequences may come in parts.
    pub takes_parts: bool,
    /// Shorter vectors that the model was trained for; empty when the checkpoint names none.
    pub dimensions: Vec<usize>,
}

/// Facts of a loaded model.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Such as `LlamaForCausalLM`.
    pub architecture: String,
    /// Such as `llama`.
    pub model_type: String,
    /// Logits per row.
    pub vocab_size: usize,
    /// Most tokens of one sequence, rotary scaling included.
    pub max_position_embeddings: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Layers.
    pub num_layers: usize,
    /// Query heads.
    pub num_heads: usize,
    /// Key and value heads.
    pub num_kv_heads: usize,
    /// Size of a head.
    pub head_dim: usize,
    /// The type that weights and cache are held in.
    pub dtype: HostDType,
    /// What most of the checkpoint is stored in.
    pub checkpoint_format: StoredFormat,
    /// Bytes that the weights take in memory.
    pub weights_bytes: u64,
    /// Numbers in the weights.
    pub num_parameters: u64,
    /// What the products of a step cost, where kernels compute them and the model generates.
    pub work: Option<StepWork>,
    /// Tokens that end an answer: those of generation_config.json, else of config.json. The first is the primary one.
    pub eos_token_ids: Vec<i32>,
    /// First token of a sequence.
    pub bos_token_id: Option<i32>,
    /// Token that fills up.
    pub pad_token_id: Option<i32>,
    /// The window, if every layer has the same one.
    pub sliding_window: Option<usize>,
    /// Recommended sampling.
    pub generation: GenerationConfig,
    /// Whether it generates text. A model that does not has no KV cache.
    pub generates: bool,
    /// How it makes vectors or scores.
    pub pooling: PoolingInfo,
    /// Which implementation computes.
    pub backend: BackendKind,
    /// Instruction set of the kernels.
    pub isa: Isa,
    /// Threads that compute.
    pub threads: usize,
}

/// What is known only once the weights are in memory.
pub(crate) struct LoadedFacts {
    pub(crate) dtype: HostDType,
    pub(crate) checkpoint_format: StoredFormat,
    pub(crate) weights_bytes: u64,
    pub(crate) num_parameters: u64,
    pub(crate) work: Option<StepWork>,
    pub(crate) backend: BackendKind,
    pub(crate) isa: Isa,
    pub(crate) threads: usize,
    pub(crate) model_use: ModelUse,
    pub(crate) is_causal: bool,
    pub(crate) width: usize,
    pub(crate) dimensions: Vec<usize>,
}

impl ModelInfo {
    pub(crate) fn new(
        config: &ModelConfig,
        generation: GenerationConfig,
        pooling: &PoolingConfig,
        facts: LoadedFacts,
    ) -> ModelInfo {
        let most = max_sequence_tokens(config);
        let default_kind = if facts.is_causal { PoolingKind::Last } else { PoolingKind::Mean };
        let pooling = PoolingInfo {
            kind: pooling.kind.unwrap_or(default_kind),
            normalizes: pooling.normalizes.unwrap_or(true),
            embedding_size: facts.width,
            max_tokens: pooling.max_tokens.map_or(most, |tokens| tokens.min(most)),
            lowercases: pooling.lowercases,
            scores: facts.model_use == ModelUse::Score,
            takes_parts: facts.is_causal,
            dimensions: facts.dimensions,
        };
        let first_window = config.sliding_windows.first().copied().flatten();
        let same = config.sliding_windows.iter().all(|&window| window == first_window);
        ModelInfo {
            architecture: config.architecture.clone(),
            model_type: config.model_type.clone(),
            vocab_size: config.vocab_size,
            max_position_embeddings: max_sequence_tokens(config),
            hidden_size: config.hidden_size,
            intermediate_size: config.intermediate_size,
            num_layers: config.num_hidden_layers,
            num_heads: config.num_attention_heads,
            num_kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
            dtype: facts.dtype,
            checkpoint_format: facts.checkpoint_format,
            weights_bytes: facts.weights_bytes,
            num_parameters: facts.num_parameters,
            work: facts.work.filter(|_| facts.model_use == ModelUse::Generate),
            eos_token_ids: generation.eos_token_ids.clone().unwrap_or_else(|| config.eos_token_ids.clone()),
            bos_token_id: generation.bos_token_id.or(config.bos_token_id),
            pad_token_id: generation.pad_token_id.or(config.pad_token_id),
            sliding_window: first_window.filter(|_| same),
            generation,
            generates: facts.model_use == ModelUse::Generate,
            pooling,
            backend: facts.backend,
            isa: facts.isa,
            threads: facts.threads,
        }
    }
}
