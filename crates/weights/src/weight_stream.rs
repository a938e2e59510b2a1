//! A safetensors file that arrives in pieces: the header first, then tensor by tensor into memory of its own, so that the
//! file as a whole is never held. Must not know where the pieces come from.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::tensor_header::{LENGTH_BYTES, TensorEntry, header_end, read_header};
use crate::weight_file::WeightBytes;
use crate::{HeaderProblem, WeightFile, WeightsError};

/// A file of which some bytes have come.
#[derive(Debug)]
pub struct WeightStream {
    path: PathBuf,
    file_bytes: u64,
    /// Length and header, until they are complete.
    header: Vec<u8>,
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
            header: Vec::new(),
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
    /// [`WeightsError::InvalidHeader`], [`WeightsError::OutOfMemory`]; [`WeightsError::FileChanged`] for more bytes than
    /// the file has. The stream is then of no use any more.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), WeightsError> {
        if self.order.is_empty() && !self.header_is_complete() {
            piece = self.push_header(piece)?;
        }
        while !piece.is_empty() {
            let Some(&(begin, end)) = self.order.get(self.current) else {
                let found = self.file_bytes + piece.len() as u64;
                return Err(WeightsError::FileChanged { path: self.path.clone(), expected: self.file_bytes, found });
            };
            let tensor = self.tensors.entry(begin).or_default();
            let (now, later) = piece.split_at(piece.len().min(end - begin - tensor.len()));
            tensor.extend_from_slice(now);
            if tensor.len() == end - begin {
                self.current += 1;
            }
            piece = later;
        }
        Ok(())
    }

    /// The file, once all of it has come.
    ///
    /// # Errors
    /// [`WeightsError::FileChanged`] when bytes are missing.
    pub fn finish(self) -> Result<WeightFile, WeightsError> {
        let found = match self.order.get(self.current) {
            None if self.header_is_complete() => self.file_bytes,
            None => self.header.len() as u64,
            Some(&(begin, _)) => (begin + self.tensors.get(&begin).map_or(0, Vec::len)) as u64,
        };
        if found < self.file_bytes {
            return Err(WeightsError::FileChanged { path: self.path, expected: self.file_bytes, found });
        }
        let tensors = self.tensors.into_iter().map(|(begin, bytes)| (begin, Arc::new(bytes))).collect();
        Ok(WeightFile { entries: self.entries, bytes: WeightBytes::Tensors(Mutex::new(tensors)) })
    }

    /// Adds to the header; gives what of `piece` lies behind it.
    fn push_header<'p>(&mut self, piece: &'p [u8]) -> Result<&'p [u8], WeightsError> {
        let mut rest = piece;
        while let Some(end) = self.header_wanted()? {
            let (now, later) = rest.split_at(rest.len().min(end - self.header.len()));
            self.header.extend_from_slice(now);
            rest = later;
            if self.header.len() < end {
                return Ok(rest);
            }
        }
        self.entries = read_header(&self.header, self.file_bytes).map_err(|problem| self.invalid(problem))?;
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
        Ok(rest)
    }

    /// How many bytes length and header have, as far as is known; `None` when they are complete.
    fn header_wanted(&self) -> Result<Option<usize>, WeightsError> {
        let end = header_end(&self.header, self.file_bytes).map_err(|problem| self.invalid(problem))?;
        Ok(Some(end).filter(|&end| self.header.len() < end))
    }

    fn header_is_complete(&self) -> bool {
        self.header_wanted().is_ok_and(|wanted| wanted.is_none())
    }

    fn invalid(&self, problem: HeaderProblem) -> WeightsError {
        WeightsError::InvalidHeader { path: self.path.clone(), problem }
    }
}
