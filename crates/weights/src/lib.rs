//! Model files: safetensors, GGUF, config.json and generation_config.json, checked before use.
//! Knows bytes, names and shapes; must not know what a layer computes.

mod checkpoint;
mod config_class;
mod config_document;
mod dtype;
mod error;
mod generation_config;
mod gguf_model;
mod json;
mod mapped_file;
mod memory_files;
mod model_config;
mod model_directory;
mod model_files;
#[cfg(not(target_family = "wasm"))]
mod packed_file;
#[cfg(not(target_family = "wasm"))]
mod packed_origin;
mod pooling_config;
mod quantised;
mod rope_config;
mod row_order;
mod shard_index;
mod stored_format;
mod stored_tensor;
mod tensor_entry;
mod tensor_header;
mod weight_file;
mod weight_stream;

pub use checkpoint::Checkpoint;
pub use config_class::{ConfigClass, FieldNames, LatentFields, RotaryFields, SlidingWindowRule};
pub use config_document::ConfigDocument;
pub use dtype::DType;
pub use error::{HeaderProblem, WeightsError};
pub use generation_config::GenerationConfig;
pub use memory_files::MemoryFiles;
pub use model_config::ModelConfig;
pub use model_directory::ModelDirectory;
pub use model_files::{FileSystem, ModelFiles};
#[cfg(not(target_family = "wasm"))]
pub use packed_file::{PackedFile, PackedMatrixEntry, PackedPieces, SharedBytes};
#[cfg(not(target_family = "wasm"))]
pub use packed_origin::{NotedFiles, PackedOrigin};
pub use pooling_config::{PoolingConfig, PoolingKind};
pub use quantised::{QuantisedProblem, WeightForm, check_quantisation};
pub use rope_config::{RopeConfig, RopeScaling};
pub use stored_format::StoredFormat;
pub use stored_tensor::{StoredTensor, TensorView};
pub use weight_file::WeightFile;
pub use weight_stream::WeightStream;
