//! Checkpoints as GGUF files: names, orders of rows, metadata and texts as llama.cpp's converter writes them.

mod checkpoint_source;
mod error;
mod latent_metadata;
mod metadata;
mod quantise_to_gguf;
mod read_back;
mod texts;

pub use checkpoint_source::CheckpointSource;
pub use error::ExportError;
pub use quantise_to_gguf::quantise_to_gguf;
