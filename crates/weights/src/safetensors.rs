//! The tensors of a checkpoint by name: one safetensors file, or shards with an index. Hands out bytes; must not know
//! which tensor is for what.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::dtype::from_stored_name;
use crate::mapped_file::MappedFile;
use crate::shard_index::read_shard_index;
use crate::tensor_header::{TensorEntry, read_header};
use crate::{DType, WeightsError};

const SINGLE_FILE: &str = "model.safetensors";
const INDEX_FILE: &str = "model.safetensors.index.json";

/// One tensor of a checkpoint, as it lies in the file: row-major, little-endian, of any alignment.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    /// The format of each element.
    pub dtype: DType,
    /// Sizes, outermost first.
    pub shape: &'a [usize],
    /// `shape.product() * dtype.size_bytes()` bytes.
    pub bytes: &'a [u8],
}

/// The tensors of one checkpoint, memory-mapped.
#[derive(Debug)]
pub struct SafeTensors {
    files: Vec<Source>,
    tensors: BTreeMap<String, (usize, TensorEntry)>,
}

#[derive(Debug)]
enum Source {
    Mapped(MappedFile),
    Memory(Vec<u8>),
}

impl Source {
    fn bytes(&self) -> Result<&[u8], WeightsError> {
        match self {
            Source::Mapped(file) => file.bytes(),
            Source::Memory(bytes) => Ok(bytes),
        }
    }
}

impl SafeTensors {
    /// Opens `model.safetensors` in `directory`, or else the shards that `model.safetensors.index.json` lists.
    ///
    /// # Errors
    /// [`WeightsError::MissingFile`] when neither is there; otherwise what is wrong with the file, its header or the index.
    pub fn open(directory: &Path) -> Result<SafeTensors, WeightsError> {
        let single = directory.join(SINGLE_FILE);
        if single.exists() {
            return SafeTensors::open_file(&single);
        }
        let index = directory.join(INDEX_FILE);
        if index.exists() {
            return SafeTensors::open_shards(directory, &index);
        }
        Err(WeightsError::MissingFile {
            directory: directory.to_path_buf(),
            file: "model.safetensors or model.safetensors.index.json",
        })
    }

    /// Opens one safetensors file.
    ///
    /// # Errors
    /// What is wrong with the file or its header.
    pub fn open_file(path: &Path) -> Result<SafeTensors, WeightsError> {
        let file = MappedFile::open(path)?;
        let header = checked_header(path, file.bytes()?)?;
        let tensors = header.into_iter().map(|(name, entry)| (name, (0, entry))).collect();
        Ok(SafeTensors { files: vec![Source::Mapped(file)], tensors })
    }

    /// Takes the bytes of one safetensors file that are already in memory.
    ///
    /// # Errors
    /// [`WeightsError::InvalidHeader`]; the path in it is empty.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<SafeTensors, WeightsError> {
        let header = checked_header(Path::new(""), &bytes)?;
        let tensors = header.into_iter().map(|(name, entry)| (name, (0, entry))).collect();
        Ok(SafeTensors { files: vec![Source::Memory(bytes)], tensors })
    }

    fn open_shards(directory: &Path, index: &Path) -> Result<SafeTensors, WeightsError> {
        let weight_map = read_shard_index(index)?;
        let mut shards: HashMap<String, (usize, HashMap<String, TensorEntry>)> = HashMap::new();
        let mut files = Vec::new();
        let mut tensors = BTreeMap::new();
        for (name, file_name) in weight_map {
            if !shards.contains_key(&file_name) {
                let path = directory.join(&file_name);
                let file = MappedFile::open(&path)?;
                let header = checked_header(&path, file.bytes()?)?;
                shards.insert(file_name.clone(), (files.len(), header));
                files.push(Source::Mapped(file));
            }
            let entry = shards.get_mut(&file_name).and_then(|(index, header)| Some((*index, header.remove(&name)?)));
            let Some(entry) = entry else {
                let num_tensors = shards.get(&file_name).map_or(0, |(_, header)| header.len());
                return Err(WeightsError::MissingTensor { name, num_tensors });
            };
            tensors.insert(name, entry);
        }
        Ok(SafeTensors { files, tensors })
    }

    /// The tensor called `name`.
    ///
    /// # Errors
    /// [`WeightsError::MissingTensor`], [`WeightsError::UnsupportedDType`] when it holds no floats that weights are read
    /// from, [`WeightsError::FileChanged`] when the file has another length than when it was opened.
    pub fn get(&self, name: &str) -> Result<TensorView<'_>, WeightsError> {
        let Some((file, entry)) = self.tensors.get(name) else {
            return Err(WeightsError::MissingTensor { name: name.to_string(), num_tensors: self.tensors.len() });
        };
        let dtype = from_stored_name(&entry.dtype)
            .ok_or_else(|| WeightsError::UnsupportedDType { name: name.to_string(), found: entry.dtype.clone() })?;
        let bytes = &self.files[*file].bytes()?[entry.bytes.clone()];
        Ok(TensorView { dtype, shape: &entry.shape, bytes })
    }

    /// Whether a tensor of this name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Bytes of all tensors as they are stored.
    pub fn total_bytes(&self) -> u64 {
        self.tensors.values().map(|(_, entry)| entry.bytes.len() as u64).sum()
    }
}

fn checked_header(path: &Path, bytes: &[u8]) -> Result<HashMap<String, TensorEntry>, WeightsError> {
    read_header(bytes).map_err(|problem| WeightsError::InvalidHeader { path: path.to_path_buf(), problem })
}
