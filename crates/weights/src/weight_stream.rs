//! A file of weights that arrives in pieces: the header first, then tensor by tensor into memory of its own, so that the file
//! as a whole is never held. Must not know where the pieces come from.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use quire_gguf::{GgufHeader, GgufProblem, MAGIC};

use crate::tensor_entry::TensorEntry;
use crate::tensor_header::{LENGTH_BYTES, header_end, read_header};
use crate::weight_file::WeightBytes;
use crate::{HeaderProblem, WeightFile, WeightsError};

/// How much of a GGUF file is gathered before its header is looked for; twice as much each time that it is not enough.
const FIRST_GGUF_BYTES: usize = 1 << 20;

/// A file of which some bytes have come.
#[derive(Debug)]
pub struct WeightStream {
    path: PathBuf,
    file_bytes: u64,
    /// Bytes that came and have their place.
    position: u64,
    /// The beginning of the file, until the header is complete; then the header.
    header: Vec<u8>,
    /// Bytes of the beginning with which the header is looked for again; `None` when it is complete.
    wanted: Option<usize>,
    gguf: Option<GgufHeader>,
    entries: HashMap<String, TensorEntry>,
    /// Where each tensor begins and ends, in the order of the file.
    order: Vec<(usize, usize)>,
    tensors: HashMap<usize, Vec<u8>>,
    /// Index into `order` of the tensor that is being filled.
    current: usize,
}

impl WeightStream {
    /// A file of `file_bytes` bytes of which nothing has come yet; errors call it `path`.
    ///
    /// # Errors
    /// [`WeightsError::OutOfMemory`] for more than can be addressed; [`WeightsError::InvalidHeader`] for too few.
    pub fn new(path: &Path, file_bytes: u64) -> Result<WeightStream, WeightsError> {
        if usize::try_from(file_bytes).is_err() {
            return Err(WeightsError::OutOfMemory { path: path.to_path_buf(), bytes: file_bytes });
        }
        let stream = WeightStream {
            path: path.to_path_buf(),
            file_bytes,
            position: 0,
            header: Vec::new(),
            wanted: Some(LENGTH_BYTES as usize),
            gguf: None,
            entries: HashMap::new(),
            order: Vec::new(),
            tensors: HashMap::new(),
            current: 0,
        };
        if file_bytes < LENGTH_BYTES {
            return Err(stream.invalid(HeaderProblem::TooShort { file_bytes }));
        }
        Ok(stream)
    }

    /// Takes the next bytes of the file. When the header is complete, memory for all tensors is taken at once, so that a
    /// model that does not fit is refused before it has been read.
    ///
    /// # Errors
    /// [`WeightsError::InvalidHeader`], [`WeightsError::InvalidGguf`], [`WeightsError::OutOfMemory`];
    /// [`WeightsError::FileChanged`] for more bytes than the file has. The stream is then of no use any more.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), WeightsError> {
        while let Some(wanted) = self.wanted {
            let (now, later) = piece.split_at(piece.len().min(wanted - self.header.len()));
            self.header.extend_from_slice(now);
            self.position = self.header.len() as u64;
            piece = later;
            if self.header.len() < wanted {
                return Ok(());
            }
            self.look_for_header()?;
        }
        self.fill(piece)
    }

    /// The header of a GGUF file, in which its tokenizer is; `None` for another file, or before it is complete.
    pub fn gguf_header(&self) -> Option<&[u8]> {
        self.gguf.as_ref().map(|_| self.header.as_slice())
    }

    /// The file, once all of it has come.
    ///
    /// # Errors
    /// [`WeightsError::FileChanged`] when bytes are missing.
    pub fn finish(self) -> Result<WeightFile, WeightsError> {
        if self.position < self.file_bytes || self.wanted.is_some() {
            return Err(WeightsError::FileChanged { path: self.path, expected: self.file_bytes, found: self.position });
        }
        let tensors = self.tensors.into_iter().map(|(begin, bytes)| (begin, Arc::new(bytes))).collect();
        Ok(WeightFile { entries: self.entries, bytes: WeightBytes::Tensors(Mutex::new(tensors)), gguf: self.gguf })
    }

    /// Reads the header if enough of the file is there, and fills the tensors with what lies behind it.
    fn look_for_header(&mut self) -> Result<(), WeightsError> {
        let header_bytes = if self.header.starts_with(&MAGIC) {
            let header = quire_gguf::read_header(&self.header, self.file_bytes)
                .map_err(|problem: GgufProblem| WeightsError::InvalidGguf { path: self.path.clone(), problem })?;
            let Some(header) = header else {
                let more = (2 * self.header.len()).max(FIRST_GGUF_BYTES);
                self.wanted = Some(more.min(self.file_bytes as usize));
                return Ok(());
            };
            let entry = |tensor| TensorEntry::of_gguf(tensor);
            self.entries = header.tensors.iter().map(|tensor| (tensor.name.clone(), entry(tensor))).collect();
            let header_bytes = header.header_bytes;
            self.gguf = Some(header);
            header_bytes
        } else {
            let end = header_end(&self.header, self.file_bytes).map_err(|problem| self.invalid(problem))?;
            if self.header.len() < end {
                self.wanted = Some(end);
                return Ok(());
            }
            self.entries = read_header(&self.header, self.file_bytes).map_err(|problem| self.invalid(problem))?;
            end
        };
        self.wanted = None;
        self.reserve()?;
        let behind = self.header.split_off(header_bytes);
        self.position = header_bytes as u64;
        self.fill(&behind)
    }

    /// Takes memory for all tensors.
    fn reserve(&mut self) -> Result<(), WeightsError> {
        self.order = self.entries.values().map(|entry| (entry.bytes.start, entry.bytes.end)).collect();
        self.order.retain(|(begin, end)| end > begin);
        self.order.sort_unstable();
        for &(begin, end) in &self.order {
            let mut tensor = Vec::new();
            let bytes = self.file_bytes;
            tensor
                .try_reserve_exact(end - begin)
                .map_err(|_| WeightsError::OutOfMemory { path: self.path.clone(), bytes })?;
            self.tensors.insert(begin, tensor);
        }
        Ok(())
    }

    /// Gives bytes behind the header to the tensors that they belong to; those between tensors to none.
    fn fill(&mut self, mut piece: &[u8]) -> Result<(), WeightsError> {
        let found = self.position + piece.len() as u64;
        if found > self.file_bytes {
            return Err(WeightsError::FileChanged { path: self.path.clone(), expected: self.file_bytes, found });
        }
        while !piece.is_empty() {
            let at = self.position as usize;
            let (taken, tensor) = match self.order.get(self.current) {
                None => (piece.len(), None),
                Some(&(begin, _)) if at < begin => (piece.len().min(begin - at), None),
                Some(&(begin, end)) => (piece.len().min(end - at), Some((begin, end))),
            };
            let (now, later) = piece.split_at(taken);
            self.position += taken as u64;
            piece = later;
            let Some((begin, end)) = tensor else { continue };
            self.tensors.entry(begin).or_default().extend_from_slice(now);
            if self.position as usize == end {
                self.current += 1;
            }
        }
        Ok(())
    }

    fn invalid(&self, problem: HeaderProblem) -> WeightsError {
        WeightsError::InvalidHeader { path: self.path.clone(), problem }
    }
}
