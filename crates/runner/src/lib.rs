//! The model runner for candle and the CPU: loads a model, owns its device and runs steps of it.
//!
//! It takes input batches as they come from the core and hands back logits or sampled tokens. It must not know requests,
//! text or schedules; an [`InputBatchView`](quire_core::InputBatchView) is all that it hears of them.
#![forbid(unsafe_code)]

mod batch_check;
mod candle_runner;
mod cpu_features;
mod embed_batch;
mod embedder;
mod error;
mod host_dtype;
mod host_tensor;
#[cfg(not(target_family = "wasm"))]
mod kernel_measurement;
mod kv_cache_spec;
mod memory_profile;
mod model_info;
mod options;
mod packed_bytes;
#[cfg(not(target_family = "wasm"))]
mod packed_weights;
mod pooling;
mod running_model;
mod score_activation;

pub use candle_runner::{CandleRunner, ModelOutput};
pub use cpu_features::cpu_features;
pub use embed_batch::{EmbedBatch, EmbedOutput, EmbedPart};
pub use error::RunnerError;
pub use host_dtype::HostDType;
pub use host_tensor::HostTensor;
#[cfg(not(target_family = "wasm"))]
pub use kernel_measurement::{KernelMeasurement, measure_kernels};
pub use kv_cache_spec::KvCacheSpec;
pub use memory_profile::{BatchLimits, MemoryProfile};
pub use model_info::{ModelInfo, PoolingInfo};
pub use options::{BackendKind, DTypeChoice, KvCacheDTypeChoice, RunnerOptions};
pub use packed_bytes::packed_bytes;
#[cfg(not(target_family = "wasm"))]
pub use packed_weights::{PackedWeights, UnwrittenWeights};
#[cfg(not(target_family = "wasm"))]
pub use quire_kernels::probes::ProductShares;
pub use quire_kernels::{Isa, ProductWork};
#[cfg(target_family = "wasm")]
pub use quire_kernels::{lend_thread, thread_failed};
#[cfg(not(target_family = "wasm"))]
pub use quire_models::{
    CollectError, CollectJob, FileType, ImportanceError, ImportanceMatrix, QuantiseError, QuantiseJob,
    collect_importance, quantise_to_gguf, write_importance, write_whole_file,
};
pub use quire_models::{Quantization, StepWork, architectures, check_config};
pub use quire_weights::{
    FileSystem, GenerationConfig, MemoryFiles, ModelFiles, PoolingKind, WeightStream, WeightsError,
};
pub use score_activation::ScoreActivation;
