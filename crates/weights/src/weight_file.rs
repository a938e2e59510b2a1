//! One file of weights, safetensors or GGUF: its header, and its bytes wherever they lie. Must not know how many files a
//! checkpoint has.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use quire_gguf::{GgufHeader, GgufProblem, MAGIC};

use crate::mapped_file::MappedFile;
use crate::stored_tensor::StoredBytes;
use crate::tensor_entry::TensorEntry;
use crate::tensor_header::read_header;
use crate::{HeaderProblem, WeightsError};

/// An opened file.
#[derive(Debug)]
pub struct WeightFile {
    pub(crate) entries: HashMap<String, TensorEntry>,
    pub(crate) bytes: WeightBytes,
    /// What else a GGUF file says.
    pub(crate) gguf: Option<GgufHeader>,
}

/// Where the bytes of a file are.
#[derive(Debug)]
pub(crate) enum WeightBytes {
    Mapped(MappedFile),
    Whole(Vec<u8>),
    /// The bytes of each tensor by where they begin in the file, until they are taken; none for an empty one.
    Tensors(Mutex<HashMap<usize, Arc<Vec<u8>>>>),
}

impl WeightFile {
    pub(crate) fn mapped(file: MappedFile, path: &Path) -> Result<WeightFile, WeightsError> {
        let (entries, gguf) = checked_header(path, file.bytes()?)?;
        Ok(WeightFile { entries, bytes: WeightBytes::Mapped(file), gguf })
    }

    pub(crate) fn whole(bytes: Vec<u8>) -> Result<WeightFile, WeightsError> {
        let (entries, gguf) = checked_header(Path::new(""), &bytes)?;
        Ok(WeightFile { entries, bytes: WeightBytes::Whole(bytes), gguf })
    }
}

impl WeightBytes {
    /// The bytes of a tensor of this file, `None` if they have been taken. With `takes` those that are memory of their own
    /// are given up, to be free as soon as the caller has done with them.
    pub(crate) fn of(&self, entry: &TensorEntry, takes: bool) -> Result<Option<StoredBytes<'_>>, WeightsError> {
        let range = entry.bytes.clone();
        Ok(match self {
            WeightBytes::Mapped(file) => Some(StoredBytes::Lent(&file.bytes()?[range])),
            WeightBytes::Whole(bytes) => Some(StoredBytes::Lent(&bytes[range])),
            WeightBytes::Tensors(_) if range.is_empty() => Some(StoredBytes::Lent(&[])),
            WeightBytes::Tensors(tensors) => {
                let mut tensors = tensors.lock().unwrap_or_else(PoisonError::into_inner);
                let found = if takes { tensors.remove(&range.start) } else { tensors.get(&range.start).cloned() };
                found.map(StoredBytes::Shared)
            }
        })
    }
}

/// The tensors that the header lists by name, and the header where it is a GGUF file's.
type Checked = (HashMap<String, TensorEntry>, Option<GgufHeader>);

fn checked_header(path: &Path, bytes: &[u8]) -> Result<Checked, WeightsError> {
    let file_bytes = bytes.len() as u64;
    if bytes.starts_with(&MAGIC) {
        let header = quire_gguf::read_header(bytes, file_bytes)
            .and_then(|header| header.ok_or(GgufProblem::Truncated { file_bytes, part: "its header" }))
            .map_err(|problem| WeightsError::InvalidGguf { path: path.to_path_buf(), problem })?;
        let entries = header.tensors.iter().map(|tensor| (tensor.name.clone(), TensorEntry::of_gguf(tensor))).collect();
        return Ok((entries, Some(header)));
    }
    let invalid = |problem: HeaderProblem| WeightsError::InvalidHeader { path: path.to_path_buf(), problem };
    Ok((read_header(bytes, file_bytes).map_err(invalid)?, None))
}
