//! What an engine must know of a loaded model.

use quire_kernels::Isa;
use quire_models::max_sequence_tokens;
use quire_weights::{DType, GenerationConfig, ModelConfig};

use crate::{BackendKind, HostDType};

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
    /// The type that the checkpoint is stored in.
    pub checkpoint_dtype: DType,
    /// Bytes that the weights take in memory.
    pub weights_bytes: u64,
    /// Numbers in the weights.
    pub num_parameters: u64,
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
    pub(crate) checkpoint_dtype: DType,
    pub(crate) weights_bytes: u64,
    pub(crate) num_parameters: u64,
    pub(crate) backend: BackendKind,
    pub(crate) isa: Isa,
    pub(crate) threads: usize,
}

impl ModelInfo {
    pub(crate) fn new(config: &ModelConfig, generation: GenerationConfig, facts: &LoadedFacts) -> ModelInfo {
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
            checkpoint_dtype: facts.checkpoint_dtype,
            weights_bytes: facts.weights_bytes,
            num_parameters: facts.num_parameters,
            eos_token_ids: generation.eos_token_ids.clone().unwrap_or_else(|| config.eos_token_ids.clone()),
            bos_token_id: generation.bos_token_id.or(config.bos_token_id),
            pad_token_id: generation.pad_token_id.or(config.pad_token_id),
            sliding_window: first_window.filter(|_| same),
            generation,
            backend: facts.backend,
            isa: facts.isa,
            threads: facts.threads,
        }
    }
}
