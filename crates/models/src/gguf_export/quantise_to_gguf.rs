//! One file out of another, or out of a checkpoint.

use std::path::Path;

use quire_gguf::{GgufParts, QuantiseError, QuantiseJob, quantise_model, write_whole_file};

use super::texts::add_texts;
use super::{CheckpointSource, ExportError};

/// Writes the model at `source`, a GGUF file (of a split one any part) or a folder in Hugging Face's layout, to the GGUF file
/// `output`, which has its name only when it is complete; gives its size.
///
/// # Errors
/// The model can't be read or has no form in the format, or `output` can't be written.
pub fn quantise_to_gguf(
    source: &Path,
    output: &Path,
    job: &QuantiseJob<'_>,
) -> Result<u64, QuantiseError<ExportError>> {
    if source.is_file() {
        let invalid = |problem| ExportError::Gguf { path: source.to_path_buf(), problem };
        let mut parts = GgufParts::open(source).map_err(|problem| QuantiseError::Source(invalid(problem)))?;
        return write_whole_file(output, |out| {
            quantise_model(&mut parts, job, out).map_err(|error| error.map_source(invalid))
        });
    }
    let mut checkpoint = CheckpointSource::open(source).map_err(QuantiseError::Source)?;
    add_texts(&mut checkpoint).map_err(QuantiseError::Source)?;
    write_whole_file(output, |out| quantise_model(&mut checkpoint, job, out))
}
