//! Facts of a loaded model, its cache and its memory, as plain objects.

use napi_derive::napi;
use quire_runner::{GenerationConfig, KvCacheSpec, MemoryProfile, ModelInfo, PoolingInfo, ProductWork};

/// Sampling defaults of generation_config.json.
#[napi(object)]
pub struct NativeGenerationDefaults {
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<f64>,
    pub min_p: Option<f64>,
    pub repetition_penalty: Option<f64>,
    pub max_new_tokens: Option<f64>,
}

/// See `PoolingInfo` in the plugin contract.
#[napi(object)]
pub struct NativePoolingInfo {
    pub kind: String,
    pub normalizes: bool,
    pub embedding_size: f64,
    pub max_tokens: f64,
    pub lowercases: bool,
    pub scores: bool,
    pub takes_parts: bool,
    pub dimensions: Vec<f64>,
}

/// See `Operations` in the plugin contract.
#[napi(object)]
pub struct NativeOperations {
    pub float32: f64,
    pub bfloat16: f64,
    pub int8: f64,
}

/// See `ProductWork` in the plugin contract.
#[napi(object)]
pub struct NativeProductWork {
    pub weight_bytes: f64,
    pub token_operations: NativeOperations,
    pub logits_operations: NativeOperations,
    pub kernels: String,
    pub threads: f64,
}

/// See `ModelInfo` in the plugin contract.
#[napi(object)]
pub struct NativeModelInfo {
    pub architecture: String,
    pub model_type: String,
    pub vocab_size: f64,
    pub max_position_embeddings: f64,
    pub hidden_size: f64,
    pub num_layers: f64,
    pub num_heads: f64,
    pub num_kv_heads: f64,
    pub head_dim: f64,
    pub dtype: String,
    pub weights_bytes: f64,
    pub num_parameters: f64,
    pub eos_token_ids: Vec<i32>,
    pub sliding_window: Option<f64>,
    pub generation_defaults: NativeGenerationDefaults,
    pub generates: bool,
    pub pooling: NativePoolingInfo,
    pub product_work: Option<NativeProductWork>,
}

/// The KV cache of every layer: `[2, blocks, numKvHeads, blockSize, entryElements]`.
#[napi(object)]
pub struct NativeKvCacheSpec {
    pub num_layers: f64,
    pub num_kv_heads: f64,
    /// Elements of a key or a value, a scale included.
    pub entry_elements: f64,
    pub dtype: String,
    /// Bytes of one block of one layer, K and V together.
    pub bytes_per_block: f64,
}

/// Bytes beside the KV cache.
#[napi(object)]
pub struct NativeMemoryProfile {
    pub weights_bytes: f64,
    pub activation_bytes: f64,
}

impl From<&GenerationConfig> for NativeGenerationDefaults {
    fn from(generation: &GenerationConfig) -> Self {
        Self {
            temperature: generation.temperature,
            top_p: generation.top_p,
            top_k: generation.top_k.map(|value| value as f64),
            min_p: generation.min_p,
            repetition_penalty: generation.repetition_penalty,
            max_new_tokens: generation.max_new_tokens.map(|value| value as f64),
        }
    }
}

impl From<&PoolingInfo> for NativePoolingInfo {
    fn from(pooling: &PoolingInfo) -> Self {
        Self {
            kind: pooling.kind.name().to_owned(),
            normalizes: pooling.normalizes,
            embedding_size: pooling.embedding_size as f64,
            max_tokens: pooling.max_tokens as f64,
            lowercases: pooling.lowercases,
            scores: pooling.scores,
            takes_parts: pooling.takes_parts,
            dimensions: pooling.dimensions.iter().map(|&size| size as f64).collect(),
        }
    }
}

impl From<&ModelInfo> for NativeModelInfo {
    fn from(info: &ModelInfo) -> Self {
        Self {
            architecture: info.architecture.clone(),
            model_type: info.model_type.clone(),
            vocab_size: info.vocab_size as f64,
            max_position_embeddings: info.max_position_embeddings as f64,
            hidden_size: info.hidden_size as f64,
            num_layers: info.num_layers as f64,
            num_heads: info.num_heads as f64,
            num_kv_heads: info.num_kv_heads as f64,
            head_dim: info.head_dim as f64,
            dtype: info.dtype.name().to_owned(),
            weights_bytes: info.weights_bytes as f64,
            num_parameters: info.num_parameters as f64,
            eos_token_ids: info.eos_token_ids.clone(),
            sliding_window: info.sliding_window.map(|window| window as f64),
            generation_defaults: (&info.generation).into(),
            generates: info.generates,
            pooling: (&info.pooling).into(),
            product_work: info.work.map(|work| NativeProductWork {
                weight_bytes: (work.token.weight_bytes + work.logits.weight_bytes) as f64,
                token_operations: work.token.into(),
                logits_operations: work.logits.into(),
                kernels: info.isa.name().to_owned(),
                threads: info.threads as f64,
            }),
        }
    }
}

impl From<ProductWork> for NativeOperations {
    fn from(work: ProductWork) -> Self {
        Self {
            float32: work.f32_operations as f64,
            bfloat16: work.bf16_operations as f64,
            int8: work.int8_operations as f64,
        }
    }
}

impl From<KvCacheSpec> for NativeKvCacheSpec {
    fn from(spec: KvCacheSpec) -> Self {
        Self {
            num_layers: spec.num_layers as f64,
            num_kv_heads: spec.num_kv_heads as f64,
            entry_elements: spec.entry_elements as f64,
            dtype: spec.dtype.name().to_owned(),
            bytes_per_block: spec.bytes_per_block as f64,
        }
    }
}

impl From<MemoryProfile> for NativeMemoryProfile {
    fn from(profile: MemoryProfile) -> Self {
        Self { weights_bytes: profile.weights_bytes as f64, activation_bytes: profile.activation_bytes as f64 }
    }
}
