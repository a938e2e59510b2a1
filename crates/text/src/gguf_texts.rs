//! The tokenizer and the chat templates of a GGUF file, as the files beside a checkpoint would have them.

use std::io::{Error, ErrorKind};
use std::path::Path;

use quire_gguf::{GgufProblem, MAX_HEADER_BYTES, Metadata, read_metadata};

use crate::error::TextError;
use crate::text_files::TextFiles;

/// Bytes that are read at first: more than the metadata of files without a vocabulary, less than that of most.
const FIRST_BYTES: u64 = 4 << 20;

/// The metadata of the file at `path`; `None` for a path that is not called `.gguf`. Of a split file the first part has it.
pub(crate) fn read(files: &dyn TextFiles, path: &Path) -> Result<Option<Metadata>, TextError> {
    if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("gguf")) {
        return Ok(None);
    }
    let first_part = path.file_name().and_then(|name| name.to_str()).and_then(quire_gguf::SplitName::parse);
    let path = &first_part.map_or_else(|| path.to_path_buf(), |name| path.with_file_name(name.of_part(0)));
    let failed = |problem| TextError::InvalidGguf { path: path.clone(), problem };
    let mut most_bytes = FIRST_BYTES;
    loop {
        let start = files.read_start(path, most_bytes).map_err(|reason| match reason.kind() {
            // A folder that is called like a file.
            ErrorKind::IsADirectory => TextError::Read {
                path: path.clone(),
                reason: Error::new(ErrorKind::InvalidInput, "it is a folder that is called like a GGUF file"),
            },
            _ => TextError::Read { path: path.clone(), reason },
        })?;
        if let Some(metadata) = read_metadata(&start).map_err(failed)? {
            return Ok(Some(metadata));
        }
        if (start.len() as u64) < most_bytes || most_bytes > MAX_HEADER_BYTES as u64 {
            return Err(failed(GgufProblem::Truncated { file_bytes: start.len() as u64, part: "its metadata" }));
        }
        most_bytes *= 2;
    }
}

/// The text of `tokenizer.json`.
pub(crate) fn tokenizer(metadata: &Metadata, path: &Path) -> Result<String, TextError> {
    quire_gguf::tokenizer(metadata).map_err(|problem| TextError::InvalidGguf { path: path.to_path_buf(), problem })
}

/// The text of `tokenizer_config.json`.
pub(crate) fn tokenizer_config(metadata: &Metadata, path: &Path) -> Result<String, TextError> {
    quire_gguf::tokenizer_config(metadata)
        .map_err(|problem| TextError::InvalidGguf { path: path.to_path_buf(), problem })
}
