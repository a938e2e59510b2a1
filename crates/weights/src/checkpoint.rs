//! The tensors of a checkpoint by name: one safetensors file, shards with an index, or the parts of a GGUF file. Hands out
//! bytes; must not know which tensor is for what.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use crate::quantised::{Part, QuantisationScheme, QuantisedTensor, Tensors, assemble, convert};
use crate::row_order::in_order;
use crate::shard_index::read_shard_index;
use crate::stored_tensor::StoredBytes;
use crate::tensor_entry::TensorEntry;
use crate::weight_file::WeightBytes;
use crate::{FileSystem, ModelFiles, StoredFormat, StoredTensor, WeightFile, WeightForm, WeightsError};

const SINGLE_FILE: &str = "model.safetensors";
const INDEX_FILE: &str = "model.safetensors.index.json";

/// The tensors of one checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    files: Vec<WeightBytes>,
    tensors: Tensors,
    /// Weights that several tensors make; these are not in `tensors`.
    quantised: BTreeMap<String, QuantisedTensor>,
    is_gguf: bool,
}

impl Checkpoint {
    /// Opens `model.safetensors` in `directory` of `files`, or else the shards that `model.safetensors.index.json` lists.
    ///
    /// # Errors
    /// [`WeightsError::MissingFile`] when neither is there; otherwise what is wrong with the file, its header or the index.
    pub fn open(files: &dyn ModelFiles, directory: &Path) -> Result<Checkpoint, WeightsError> {
        let single = directory.join(SINGLE_FILE);
        if files.exists(&single) {
            return files.open_weights(&single).map(Checkpoint::of_one);
        }
        let index = directory.join(INDEX_FILE);
        if files.exists(&index) {
            return Checkpoint::open_shards(files, directory, &index);
        }
        Err(WeightsError::MissingFile {
            directory: directory.to_path_buf(),
            file: "model.safetensors or model.safetensors.index.json",
        })
    }

    /// Opens one safetensors file of the file system.
    ///
    /// # Errors
    /// What is wrong with the file or its header.
    pub fn open_file(path: &Path) -> Result<Checkpoint, WeightsError> {
        FileSystem.open_weights(path).map(Checkpoint::of_one)
    }

    /// Takes the bytes of one safetensors file that are already in memory.
    ///
    /// # Errors
    /// [`WeightsError::InvalidHeader`]; the path in it is empty.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Checkpoint, WeightsError> {
        WeightFile::whole(bytes).map(Checkpoint::of_one)
    }

    /// The tensors of a file that is the whole checkpoint.
    pub fn of_one(file: WeightFile) -> Checkpoint {
        let tensors = file.entries.into_iter().map(|(name, entry)| (name, (0, entry))).collect();
        Checkpoint { files: vec![file.bytes], tensors, quantised: BTreeMap::new(), is_gguf: false }
    }

    /// The parts of a GGUF file, with their tensors by the names that the checkpoint had.
    pub(crate) fn of_gguf_parts(files: Vec<WeightBytes>, tensors: Tensors) -> Checkpoint {
        Checkpoint { files, tensors, quantised: BTreeMap::new(), is_gguf: true }
    }

    /// The checkpoint with the weights that its tensors make by `scheme` in place of these tensors.
    pub(crate) fn with_scheme(mut self, scheme: &QuantisationScheme) -> Result<Checkpoint, WeightsError> {
        let mut tensors = std::mem::take(&mut self.tensors);
        let read = |part: &Part| self.bytes_of(&part.name, part.file, &part.entry, false);
        let quantised = assemble(scheme, &mut tensors, &read)?;
        Ok(Checkpoint { tensors, quantised, ..self })
    }

    fn open_shards(source: &dyn ModelFiles, directory: &Path, index: &Path) -> Result<Checkpoint, WeightsError> {
        let weight_map = read_shard_index(source, index)?;
        let mut shards: HashMap<String, (usize, HashMap<String, TensorEntry>)> = HashMap::new();
        let mut files = Vec::new();
        let mut tensors = BTreeMap::new();
        for (name, file_name) in weight_map {
            if !shards.contains_key(&file_name) {
                let file = source.open_weights(&directory.join(&file_name))?;
                shards.insert(file_name.clone(), (files.len(), file.entries));
                files.push(file.bytes);
            }
            let entry = shards.get_mut(&file_name).and_then(|(index, header)| Some((*index, header.remove(&name)?)));
            let Some(entry) = entry else {
                let num_tensors = shards.get(&file_name).map_or(0, |(_, header)| header.len());
                return Err(WeightsError::MissingTensor { name, num_tensors });
            };
            tensors.insert(name, entry);
        }
        Ok(Checkpoint { files, tensors, quantised: BTreeMap::new(), is_gguf: false })
    }

    /// The tensor called `name`.
    ///
    /// # Errors
    /// [`WeightsError::MissingTensor`], also for one that was taken; [`WeightsError::UnsupportedDType`] when it holds no
    /// floats that weights are read from, [`WeightsError::InvalidQuantised`] when what it is made of does not fit together,
    /// [`WeightsError::FileChanged`] when the file has another length than when it was opened.
    pub fn get(&self, name: &str) -> Result<StoredTensor<'_>, WeightsError> {
        self.find(name, WeightForm::Blocks, false)
    }

    /// The tensor called `name`, for the last time: where it has memory of its own, that is free when the caller has done
    /// with it, so that a model that is built from a stream never needs twice its size. A weight that several tensors make
    /// comes in the wanted form.
    ///
    /// # Errors
    /// As [`Checkpoint::get`].
    pub fn take(&self, name: &str, form: WeightForm) -> Result<StoredTensor<'_>, WeightsError> {
        self.find(name, form, true)
    }

    fn find(&self, name: &str, form: WeightForm, takes: bool) -> Result<StoredTensor<'_>, WeightsError> {
        if let Some(tensor) = self.quantised.get(name) {
            let read = |part: &Part| self.bytes_of(&part.name, part.file, &part.entry, takes);
            let (format, bytes) = convert(tensor, form, &read)?;
            return Ok(StoredTensor { format, shape: &tensor.shape, bytes: StoredBytes::Shared(Arc::new(bytes)) });
        }
        let (file, entry) = self.tensors.get(name).ok_or_else(|| self.missing(name))?;
        let unsupported =
            || WeightsError::UnsupportedDType { name: name.to_string(), found: entry.format_name.clone() };
        let format = entry.format.ok_or_else(unsupported)?;
        let bytes = self.bytes_of(name, *file, entry, takes)?;
        let ordered = in_order(entry.rows, entry.shape.first().copied().unwrap_or(1), bytes.as_slice());
        let bytes = ordered.map_or(bytes, |ordered| StoredBytes::Shared(Arc::new(ordered)));
        Ok(StoredTensor { format, shape: &entry.shape, bytes })
    }

    fn bytes_of(
        &self,
        name: &str,
        file: usize,
        entry: &TensorEntry,
        takes: bool,
    ) -> Result<StoredBytes<'_>, WeightsError> {
        self.files[file].of(entry, takes)?.ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> WeightsError {
        let num_tensors = self.tensors.len() + self.quantised.len();
        WeightsError::MissingTensor { name: name.to_string(), num_tensors }
    }

    /// Whether a tensor of this name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name) || self.quantised.contains_key(name)
    }

    /// The names of all tensors, sorted; behind them those of weights that several tensors make.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().chain(self.quantised.keys()).map(String::as_str)
    }

    /// Whether the matrix `name` comes outputs first also where the checkpoint's own format stores it inputs first.
    pub fn outputs_first(&self, name: &str) -> bool {
        self.is_gguf || self.quantised.contains_key(name)
    }

    /// Whether gains that the checkpoint's own format stores as their distance from 1 are stored whole.
    pub fn gains_are_whole(&self) -> bool {
        self.is_gguf
    }

    /// The format that most bytes are stored in, of those that weights are read from.
    pub fn main_format(&self) -> Option<StoredFormat> {
        let mut totals: Vec<(StoredFormat, usize)> = Vec::new();
        let stored = self.tensors.values().filter_map(|(_, entry)| Some((entry.format?, entry.bytes.len())));
        let made = self.quantised.values().map(|tensor| (tensor.main_format(), part_bytes(tensor)));
        for (format, bytes) in stored.chain(made) {
            match totals.iter_mut().find(|(known, _)| *known == format) {
                Some((_, total)) => *total += bytes,
                None => totals.push((format, bytes)),
            }
        }
        totals.into_iter().max_by_key(|&(_, bytes)| bytes).map(|(format, _)| format)
    }

    /// Whether any weight is made of several tensors.
    pub fn is_quantised(&self) -> bool {
        !self.quantised.is_empty()
    }

    /// Bytes of all tensors as they are stored.
    pub fn total_bytes(&self) -> u64 {
        let stored = self.tensors.values().map(|(_, entry)| entry.bytes.len());
        stored.chain(self.quantised.values().map(part_bytes)).map(|bytes| bytes as u64).sum()
    }
}

fn part_bytes(tensor: &QuantisedTensor) -> usize {
    tensor.parts().map(|part| part.entry.bytes.len()).sum()
}
