//! A model in one GGUF file or in the parts of a split one: configuration, recommended sampling and weights, as a directory in
//! Hugging Face's layout would have them.

use std::collections::BTreeMap;
use std::path::Path;

use quire_gguf::{Architecture, ConfigSource, GgufHeader, GgufProblem, RopeFactors, SplitName};

use crate::tensor_entry::TensorEntry;
use crate::weight_file::WeightBytes;
use crate::{
    Checkpoint, ConfigDocument, DType, GenerationConfig, ModelDirectory, ModelFiles, StoredFormat, WeightsError,
};

/// The parts of one file, opened.
struct Parts {
    headers: Vec<GgufHeader>,
    files: Vec<WeightBytes>,
    /// By ggml's names: the part, and where it lies in it.
    tensors: BTreeMap<String, (usize, TensorEntry)>,
}

/// Opens the model in the file at `path` of `files`: of a split one, any of its parts.
pub(crate) fn open(files: &dyn ModelFiles, path: &Path) -> Result<ModelDirectory, WeightsError> {
    let invalid = |problem: GgufProblem| WeightsError::InvalidGguf { path: path.to_path_buf(), problem };
    let parts = open_parts(files, path)?;
    let metadata = &parts.headers[0].metadata;
    let architecture = Architecture::of(metadata).map_err(invalid)?;
    let shape_of = |name: &str| parts.tensors.get(name).map(|(_, entry)| entry.shape.clone());
    let source = ConfigSource { metadata, shape_of: &shape_of, rope_factors: rope_factors(&parts)? };
    let config = quire_gguf::config(&source).map_err(invalid)?;
    let generation = quire_gguf::generation_config(metadata).map_err(invalid)?;
    let mut tensors = BTreeMap::new();
    for (name, (part, entry)) in parts.tensors {
        let renamed = architecture.tensor_name(&name, metadata).map_err(invalid)?;
        // Before anything of the others is read. What no layer asks for may be stored as it likes.
        if entry.format.is_none() && renamed.name != name {
            return Err(WeightsError::UnsupportedDType { name, found: entry.format_name });
        }
        tensors.insert(renamed.name, (part, TensorEntry { rows: renamed.rows, ..entry }));
    }
    Ok(ModelDirectory {
        path: path.to_path_buf(),
        config: ConfigDocument::of_object(path, config),
        generation: GenerationConfig::from_document(&ConfigDocument::of_object(path, generation))?,
        tensors: Checkpoint::of_gguf_parts(parts.files, tensors),
    })
}

fn open_parts(files: &dyn ModelFiles, path: &Path) -> Result<Parts, WeightsError> {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(SplitName::parse);
    let mut parts = Parts { headers: Vec::new(), files: Vec::new(), tensors: BTreeMap::new() };
    let Some(name) = name else {
        parts.add(files, path, None)?;
        return Ok(parts);
    };
    let path_of = |part: usize| path.with_file_name(name.of_part(part));
    parts.add(files, &path_of(0), Some((0, &name)))?;
    if parts.headers[0].split().is_ok_and(|split| split.is_none()) {
        // A whole file that is only called like a part.
        return Ok(parts);
    }
    for part in 1..name.count {
        parts.add(files, &path_of(part), Some((part, &name)))?;
    }
    Ok(parts)
}

impl Parts {
    /// Opens one file and adds its tensors.
    fn add(
        &mut self,
        files: &dyn ModelFiles,
        path: &Path,
        expected: Option<(usize, &SplitName)>,
    ) -> Result<(), WeightsError> {
        let invalid = |problem: GgufProblem| WeightsError::InvalidGguf { path: path.to_path_buf(), problem };
        let file = files.open_weights(path).map_err(|error| match error {
            WeightsError::InvalidHeader { .. } => invalid(GgufProblem::Magic),
            error => error,
        })?;
        let header = file.gguf.ok_or_else(|| invalid(GgufProblem::Magic))?;
        check_split(&header, expected).map_err(invalid)?;
        let part = self.files.len();
        for (name, entry) in file.entries {
            if self.tensors.contains_key(&name) {
                return Err(invalid(GgufProblem::Duplicate { what: "tensor", name }));
            }
            self.tensors.insert(name, (part, entry));
        }
        self.files.push(file.bytes);
        self.headers.push(header);
        Ok(())
    }
}

/// Whether a file says of itself what its name does.
fn check_split(header: &GgufHeader, expected: Option<(usize, &SplitName)>) -> Result<(), GgufProblem> {
    let split = header.split()?;
    let problem = |(part, count): (usize, usize), reason: String| {
        Err(GgufProblem::Split { part: part as u64 + 1, count: count as u64, reason })
    };
    match (split, expected) {
        (Some(split), None) => problem(split, "the name of a part ends like `-00001-of-00002.gguf`".to_string()),
        (None, Some((part, name))) if part > 0 => problem((part, name.count), "the file is no part".to_string()),
        (Some(split), Some((part, name))) if split != (part, name.count) => {
            let reason = format!("the file calls itself part {} of {}", split.0 + 1, split.1);
            problem((part, name.count), reason)
        }
        _ => Ok(()),
    }
}

/// The factors of rotary frequencies that are there.
fn rope_factors(parts: &Parts) -> Result<RopeFactors, WeightsError> {
    Ok(RopeFactors {
        all: numbers(parts, "rope_freqs.weight")?,
        short: numbers(parts, "rope_factors_short.weight")?,
        long: numbers(parts, "rope_factors_long.weight")?,
    })
}

/// The numbers of a tensor of float32, if it is there.
fn numbers(parts: &Parts, name: &str) -> Result<Option<Vec<f32>>, WeightsError> {
    let Some((part, entry)) = parts.tensors.get(name) else { return Ok(None) };
    if entry.format != Some(StoredFormat::Elements(DType::F32)) {
        return Err(WeightsError::UnsupportedDType { name: name.to_string(), found: entry.format_name.clone() });
    }
    let bytes = parts.files[*part].of(entry, false)?;
    Ok(bytes.map(|bytes| bytes.as_slice().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()))
}
