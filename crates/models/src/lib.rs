//! Transformer architectures over a small [`Backend`] trait. An architecture sees tensors, weights and attention metadata;
//! it must not know requests, schedules or sampling.
#![forbid(unsafe_code)]

mod arch;
mod backend;
mod causal_model;
mod cpu;
mod encoder_model;
mod error;
mod forward_input;
#[cfg(not(target_family = "wasm"))]
mod gguf_export;
#[cfg(not(target_family = "wasm"))]
mod importance;
mod kv_cache;
mod layers;
mod quantization;
#[cfg(not(target_family = "wasm"))]
mod reference;
mod registry;
mod reordered_weights;
mod sequence_limit;
mod stored_values;
mod weight_loader;

pub use backend::{AttentionSpec, Backend, MatrixPart, StoredOrder};
pub use causal_model::CausalModel;
pub use cpu::{Activations, CpuBackend, CpuMatrix, RopeTable};
#[cfg(not(target_family = "wasm"))]
pub use cpu::{KeptPanels, LoadedPanels};
pub use encoder_model::EncoderModel;
pub use error::ModelError;
pub use forward_input::ForwardInput;
#[cfg(not(target_family = "wasm"))]
pub use gguf_export::{CheckpointSource, ExportError, quantise_to_gguf};
#[cfg(not(target_family = "wasm"))]
pub use importance::{CollectError, CollectJob, ErrorWeights, collect_importance};
pub use kv_cache::KvCache;
pub use layers::{Activation, HeadNorms, Linear, LogitsRule, Norm, NormSpan, OutputHead, RopeAngles};
pub use quantization::Quantization;
#[cfg(not(target_family = "wasm"))]
pub use quire_gguf::{
    FileType, ImportanceError, ImportanceMatrix, InputSums, QuantiseError, QuantiseJob, write_importance,
    write_whole_file,
};
#[cfg(not(target_family = "wasm"))]
pub use reference::ReferenceBackend;
pub use registry::{LoadedModel, Model, ModelUse, StepWork, architectures, check_config, load, model_use, read_config};
pub use sequence_limit::max_sequence_tokens;
pub use weight_loader::WeightLoader;
