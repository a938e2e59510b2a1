//! Importance matrices: how large the inputs of each matrix are, column by column, over texts that a model was run on. In
//! llama.cpp's two forms: a GGUF file of the type `imatrix`, and the older one without a name. Rounding that knows them errs
//! where it matters least.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::byte_reader::{ByteReader, Stop};
use crate::header::read_header;
use crate::{ElementType, GgufHeader, GgufProblem, GgufWriter, MAGIC, MetadataValue, TensorInfo, TensorType};

/// What a file's `general.type` says.
const TYPE: &str = "imatrix";
const SUMS: &str = ".in_sum2";
const COUNTS: &str = ".counts";
/// Most bytes of a file: a model of 400 billion parameters has 100 MB.
const MAX_BYTES: u64 = 4 << 30;
/// Most matrices of the older form, and most bytes of a name in it.
const MAX_ENTRIES: i32 = 1 << 20;
const MAX_NAME: i32 = 1 << 16;

/// Why a file is no importance matrix, or is not that of a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportanceError {
    /// It can't be read.
    #[error("{path}: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// It breaks the format.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        problem: GgufProblem,
    },
    /// A matrix of the model has another width than the file says.
    #[error("the importance matrix has {found} columns for `{tensor}`, which has {expected}: it is of another model")]
    Columns {
        /// The tensor.
        tensor: String,
        /// Columns of the file's.
        found: usize,
        /// Columns of the model's.
        expected: usize,
    },
    /// The file has other numbers of experts than the model.
    #[error("the importance matrix has {found} parts for `{tensor}`, which has {expected}: it is of another model")]
    Parts {
        /// The tensor.
        tensor: String,
        /// Parts of the file's.
        found: usize,
        /// Parts of the model's.
        expected: usize,
    },
    /// Files have no names for the model's matrices.
    #[error("GGUF files have no names for the matrices of {architecture}, so no importance matrix is of it")]
    NoNames {
        /// The class.
        architecture: String,
    },
    /// No matrix of the model is in it.
    #[error("the importance matrix has none of the model's matrices, but `{example}`")]
    OtherModel {
        /// A name that it has.
        example: String,
    },
}

/// How much columns count, by the names of tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportanceMatrix {
    entries: BTreeMap<String, Entry>,
}

/// What is known of one tensor.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    columns: usize,
    /// Of each of its matrices (experts): means of squares over their own mean; none where no token came by.
    parts: Vec<Option<Vec<f32>>>,
}

/// Sums of squares of the inputs of the matrices of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSums {
    /// The tensor's name in GGUF files.
    pub name: String,
    /// For each matrix the sums by column, and how many tokens were added.
    pub parts: Vec<(Vec<f64>, u64)>,
}

impl ImportanceMatrix {
    /// Reads the file at `path`, in either form.
    ///
    /// # Errors
    /// [`ImportanceError::Read`], [`ImportanceError::File`].
    pub fn open(path: &Path) -> Result<ImportanceMatrix, ImportanceError> {
        let file = |problem| ImportanceError::File { path: path.to_path_buf(), problem };
        let unread = |reason| ImportanceError::Read { path: path.to_path_buf(), reason };
        let found = std::fs::metadata(path).map_err(unread)?.len();
        if found > MAX_BYTES {
            return Err(file(GgufProblem::TooMany {
                what: "the bytes of an importance matrix",
                found,
                allowed: MAX_BYTES,
            }));
        }
        ImportanceMatrix::read(&std::fs::read(path).map_err(unread)?).map_err(file)
    }

    /// Reads the bytes of a file, in either form.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn read(bytes: &[u8]) -> Result<ImportanceMatrix, GgufProblem> {
        if bytes.starts_with(&MAGIC) {
            let file_bytes = bytes.len() as u64;
            let truncated = GgufProblem::Truncated { file_bytes, part: "its header" };
            return read_gguf(bytes, &read_header(bytes, file_bytes)?.ok_or(truncated)?);
        }
        read_older(bytes).map_err(|stop| match stop {
            Stop::Problem(problem) => problem,
            Stop::More(part) => GgufProblem::Truncated { file_bytes: bytes.len() as u64, part },
        })
    }

    /// Checks that it is of a model with `tensors`: widths are the same where it has them, and it has some.
    ///
    /// # Errors
    /// [`ImportanceError::Columns`], [`ImportanceError::Parts`], [`ImportanceError::OtherModel`].
    pub fn check(&self, tensors: &[TensorInfo]) -> Result<(), ImportanceError> {
        let mut has_any = false;
        for info in tensors {
            let Some(entry) = self.entries.get(&info.name) else { continue };
            has_any = true;
            let tensor = info.name.clone();
            let expected = info.shape.last().copied().unwrap_or(1);
            if entry.columns != expected {
                return Err(ImportanceError::Columns { tensor, found: entry.columns, expected });
            }
            let expected = if info.shape.len() > 2 { info.shape[0] } else { 1 };
            if entry.parts.len() != expected {
                return Err(ImportanceError::Parts { tensor, found: entry.parts.len(), expected });
            }
        }
        match self.entries.keys().next() {
            Some(example) if !has_any => Err(ImportanceError::OtherModel { example: example.clone() }),
            _ => Ok(()),
        }
    }

    /// As `columns` of a matrix with `num_columns` of them.
    ///
    /// # Errors
    /// [`ImportanceError::Columns`], [`ImportanceError::Parts`].
    pub fn checked_columns(
        &self,
        name: &str,
        part: usize,
        num_columns: usize,
    ) -> Result<Option<&[f32]>, ImportanceError> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        let tensor = || name.to_string();
        if entry.columns != num_columns {
            return Err(ImportanceError::Columns { tensor: tensor(), found: entry.columns, expected: num_columns });
        }
        match entry.parts.get(part) {
            Some(columns) => Ok(columns.as_deref()),
            None => Err(ImportanceError::Parts { tensor: tensor(), found: entry.parts.len(), expected: part + 1 }),
        }
    }

    /// Whether it has anything of the tensor `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// How much the columns of a matrix of the tensor `name` count, about 1 each; `None` where nothing is known.
    pub fn columns(&self, name: &str, part: usize) -> Option<&[f32]> {
        self.entries.get(name)?.parts.get(part)?.as_deref()
    }

    /// How many tensors it has.
    pub fn num_tensors(&self) -> usize {
        self.entries.len()
    }

    fn add(&mut self, name: String, columns: usize, parts: Vec<Option<Vec<f32>>>) -> Result<(), GgufProblem> {
        if self.entries.contains_key(&name) {
            return Err(GgufProblem::Duplicate { what: "tensor", name });
        }
        self.entries.insert(name, Entry { columns, parts });
        Ok(())
    }
}

/// The file that has `sums`, as llama.cpp writes it now; `dataset` is what the texts are called.
pub fn write_importance(sums: &[InputSums], dataset: &str, num_chunks: usize, chunk_tokens: usize) -> Vec<u8> {
    let mut writer = GgufWriter::default();
    writer
        .value("general.type", &MetadataValue::Text(TYPE.into()))
        .value("imatrix.datasets", &MetadataValue::Texts(vec![dataset.into()]))
        .value("imatrix.chunk_count", &MetadataValue::Integer(num_chunks as i128))
        .value("imatrix.chunk_size", &MetadataValue::Integer(chunk_tokens as i128));
    for InputSums { name, parts } in sums {
        let columns = parts.first().map_or(0, |(sums, _)| sums.len());
        let numbers = parts.iter().flat_map(|(sums, _)| sums).flat_map(|&sum| (sum as f32).to_le_bytes());
        let counts = parts.iter().flat_map(|&(_, count)| (count as f32).to_le_bytes());
        writer.tensor(&format!("{name}{SUMS}"), &[parts.len(), columns], F32, &numbers.collect::<Vec<u8>>()).tensor(
            &format!("{name}{COUNTS}"),
            &[parts.len(), 1],
            F32,
            &counts.collect::<Vec<u8>>(),
        );
    }
    writer.finish()
}

const F32: TensorType = TensorType::Elements(ElementType::F32);

fn read_gguf(bytes: &[u8], header: &GgufHeader) -> Result<ImportanceMatrix, GgufProblem> {
    match header.metadata.text("general.type")? {
        Some(TYPE) => {}
        Some(other) => return Err(invalid("general.type", other, "`imatrix`")),
        None => return Err(GgufProblem::MissingValue { key: "general.type".into() }),
    }
    let mut matrix = ImportanceMatrix::default();
    for tensor in &header.tensors {
        let Some(name) = tensor.name.strip_suffix(SUMS) else { continue };
        let sums = floats(bytes, tensor)?;
        let key = format!("{name}{COUNTS}");
        let counts = header.tensor(&key).ok_or_else(|| GgufProblem::MissingValue { key: key.clone() })?;
        let counts = floats(bytes, counts)?;
        let columns = tensor.shape.last().copied().unwrap_or(1);
        if columns == 0 || counts.len() != sums.len() / columns {
            let found = format!("{} counts for {} x {columns} sums", counts.len(), sums.len() / columns.max(1));
            return Err(invalid(&key, &found, "one count for each matrix"));
        }
        let parts = sums.chunks_exact(columns).zip(&counts).map(|(sums, &count)| {
            let means = sums.iter().map(|sum| sum / count).collect();
            if count > 0.0 { relative(name, means) } else { Ok(None) }
        });
        matrix.add(name.to_string(), columns, parts.collect::<Result<_, _>>()?)?;
    }
    match matrix.entries.is_empty() {
        true => Err(GgufProblem::MissingValue { key: format!("...{SUMS}") }),
        false => Ok(matrix),
    }
}

fn floats(bytes: &[u8], tensor: &TensorInfo) -> Result<Vec<f32>, GgufProblem> {
    if tensor.format != F32 {
        return Err(invalid(&tensor.name, tensor.format.name(), "a tensor of F32"));
    }
    // The header was checked against the length of the file.
    let stored = &bytes[tensor.bytes.start as usize..tensor.bytes.end as usize];
    Ok(stored.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
}

/// `[i32 number] { [i32 length] name, i32 calls, [i32 number] f32 mean squares times calls }`, and what is not needed.
fn read_older(bytes: &[u8]) -> Result<ImportanceMatrix, Stop> {
    let mut reader = ByteReader::new(bytes);
    let number = |reader: &mut ByteReader<'_>| reader.array().map(i32::from_le_bytes);
    let num_entries = number(&mut reader)?;
    if !(1..=MAX_ENTRIES).contains(&num_entries) {
        // Most likely a file of another kind.
        return Err(GgufProblem::Magic.into());
    }
    let mut matrix = ImportanceMatrix::default();
    reader.part = "the importance of a matrix";
    for _ in 0..num_entries {
        let length = number(&mut reader)?;
        if !(1..=MAX_NAME).contains(&length) {
            return Err(GgufProblem::Magic.into());
        }
        let name = String::from_utf8(reader.take(length as usize)?.to_vec());
        let name = name.map_err(|_| GgufProblem::NotText { what: "the name of a matrix".into() })?;
        let calls = number(&mut reader)?.max(1) as f32;
        let columns = number(&mut reader)?;
        let count = usize::try_from(columns).ok().filter(|&count| count > 0);
        let count = count.ok_or_else(|| invalid(&name, &columns.to_string(), "a number of columns above 0"))?;
        let stored = reader.take(count.saturating_mul(4))?;
        let means = stored.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes) / calls).collect();
        let part = relative(&name, means)?;
        matrix.add(name, count, vec![part])?;
    }
    Ok(matrix)
}

/// Means of squares over their mean; `None` where all of them are 0.
fn relative(name: &str, mut means: Vec<f32>) -> Result<Option<Vec<f32>>, GgufProblem> {
    if let Some(wrong) = means.iter().find(|mean| !mean.is_finite() || **mean < 0.0) {
        return Err(invalid(name, &wrong.to_string(), "finite means of squares"));
    }
    let mean = means.iter().map(|&mean| f64::from(mean)).sum::<f64>() / means.len() as f64;
    if mean == 0.0 {
        return Ok(None);
    }
    means.iter_mut().for_each(|value| *value = (f64::from(*value) / mean) as f32);
    Ok(Some(means))
}

fn invalid(key: &str, found: &str, expected: &'static str) -> GgufProblem {
    GgufProblem::InvalidValue { key: key.to_string(), found: found.to_string(), expected }
}
