//! GGUF files: the container, checked before use, and what it says in the words of Hugging Face's files: a configuration,
//! names of tensors, a tokenizer. Knows bytes; must not know where they come from, nor what a layer computes.
#![forbid(unsafe_code)]

mod architecture;
mod architecture_fields;
mod byte_reader;
mod config_fields;
mod end_tokens;
mod file_type;
mod gguf_parts;
mod header;
mod hf_config;
mod hf_tokenizer;
mod importance;
mod latent_fields;
mod metadata;
mod pre_tokenizers;
mod problem;
mod quantise_model;
mod raw_values;
mod rotary_fields;
mod sentence_pieces;
mod split_name;
mod summary;
mod tensor_names;
mod tensor_type;
mod token_kinds;
mod tokenizer_values;
mod vocabulary;
mod whole_file;
mod writer;

pub use architecture::{Architecture, RowOrder, TensorName};
pub use file_type::{FileType, is_quantisable};
pub use gguf_parts::{GgufParts, GgufPartsError};
pub use header::{ALIGNMENT_KEY, GgufHeader, MAX_HEADER_BYTES, TensorInfo, read_header};
pub use hf_config::{ConfigSource, RopeFactors, config, generation_config};
pub use hf_tokenizer::{tokenizer, tokenizer_config};
pub use importance::{ImportanceError, ImportanceMatrix, InputSums, write_importance};
pub use metadata::{Metadata, MetadataValue, read_metadata};
pub use problem::GgufProblem;
pub use quantise_model::{QuantiseError, QuantiseJob, QuantiseSource, quantise_model};
pub use split_name::SplitName;
pub use summary::GgufSummary;
pub use tensor_type::{ElementType, TensorType};
pub use tokenizer_values::{TokenizerFiles, write_tokenizer};
pub use whole_file::write_whole_file;
pub use writer::GgufWriter;

/// What a GGUF file begins with.
pub const MAGIC: [u8; 4] = *b"GGUF";
