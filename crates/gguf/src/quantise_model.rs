//! Writes a model as one GGUF file with quantised matrices. Tensor by tensor, so that one of them is in memory at a time; where
//! the model comes from is its [`QuantiseSource`]'s matter.

use std::io::{self, Write};

use half::{bf16, f16};
use quire_blocks::{dequantise, quantise, quantise_weighted};

use crate::header::DEFAULT_ALIGNMENT;
use crate::{ElementType, FileType, ImportanceError, ImportanceMatrix, MAGIC, TensorInfo, TensorType};

/// The version of ggml's block formats.
const QUANTIZATION_VERSION: u32 = 2;
const QUANTIZATION_VERSION_KEY: &str = "general.quantization_version";
pub(crate) const FILE_TYPE_KEY: &str = "general.file_type";
/// Keys that are written anew whatever the source says.
pub(crate) const WRITTEN_ANEW: [&str; 2] = [FILE_TYPE_KEY, QUANTIZATION_VERSION_KEY];

/// A model that can be written.
pub trait QuantiseSource {
    /// Why it can't be read.
    type Error;

    /// Keys with their values, as a file has them, without those of the file type; and how many.
    ///
    /// # Errors
    /// They can't be read.
    fn values(&self) -> Result<(usize, Vec<u8>), Self::Error>;

    /// Names, shapes and formats of all tensors, in the order in which they will be read.
    fn tensors(&self) -> Vec<TensorInfo>;

    /// The bytes of a tensor, as its format and shape say.
    ///
    /// # Errors
    /// It can't be read.
    fn read(&mut self, index: usize) -> Result<Vec<u8>, Self::Error>;
}

/// Why no file was written.
#[derive(Debug, thiserror::Error)]
pub enum QuantiseError<E> {
    /// The model can't be read.
    #[error("{0}")]
    Source(E),
    /// The new file can't be written.
    #[error("the new file cannot be written: {0}")]
    Write(io::Error),
    /// The importance matrix is of another model, or none.
    #[error(transparent)]
    Importance(#[from] ImportanceError),
    /// Whoever hears the progress said so.
    #[error("it was stopped")]
    Stopped,
}

impl<E> QuantiseError<E> {
    /// The same with another reason of the source's.
    pub fn map_source<F>(self, change: impl FnOnce(E) -> F) -> QuantiseError<F> {
        match self {
            QuantiseError::Source(error) => QuantiseError::Source(change(error)),
            QuantiseError::Write(error) => QuantiseError::Write(error),
            QuantiseError::Importance(error) => QuantiseError::Importance(error),
            QuantiseError::Stopped => QuantiseError::Stopped,
        }
    }
}

/// What tensors become, and by whom.
pub struct QuantiseJob<'a> {
    /// The formats.
    pub file_type: FileType,
    /// How much columns count, where it is known.
    pub importance: Option<&'a ImportanceMatrix>,
    /// Threads that compute.
    pub threads: usize,
    /// Hears the share that is written, from 0 to 1; false stops.
    pub progress: &'a dyn Fn(f64) -> bool,
}

/// Writes the tensors of `source` to `out`.
///
/// # Errors
/// `source` can't be read, `out` can't be written, the importance matrix is of another model, or it was stopped.
pub fn quantise_model<S: QuantiseSource>(
    source: &mut S,
    job: &QuantiseJob<'_>,
    out: &mut dyn Write,
) -> Result<(), QuantiseError<S::Error>> {
    let tensors = source.tensors();
    if let Some(importance) = job.importance {
        importance.check(&tensors)?;
    }
    let formats = job.file_type.formats(&tensors);
    let (num_values, values) = source.values().map_err(QuantiseError::Source)?;
    let header = new_header((num_values, &values), job.file_type, &tensors, &formats);
    out.write_all(&header).map_err(QuantiseError::Write)?;
    let total: usize = tensors.iter().map(num_values_of).sum();
    let mut done = 0;
    for (index, (tensor, &format)) in tensors.iter().zip(&formats).enumerate() {
        if !(job.progress)(done as f64 / total.max(1) as f64) {
            return Err(QuantiseError::Stopped);
        }
        let stored = source.read(index).map_err(QuantiseError::Source)?;
        let mut written = convert(tensor, format, stored, job);
        written.resize(written.len().next_multiple_of(DEFAULT_ALIGNMENT as usize), 0);
        out.write_all(&written).map_err(QuantiseError::Write)?;
        done += num_values_of(tensor);
    }
    (job.progress)(1.0);
    out.flush().map_err(QuantiseError::Write)
}

fn num_values_of(tensor: &TensorInfo) -> usize {
    tensor.shape.iter().product()
}

/// Bytes of a tensor in another format; its values can be counted, as the source has them.
fn bytes_in(tensor: &TensorInfo, format: TensorType) -> usize {
    let (block_len, block_bytes) = format.block();
    num_values_of(tensor) / block_len * block_bytes
}

/// Magic, values, list of tensors and padding.
fn new_header(
    (num_values, values): (usize, &[u8]),
    file_type: FileType,
    tensors: &[TensorInfo],
    formats: &[TensorType],
) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(3u32.to_le_bytes());
    header.extend((tensors.len() as u64).to_le_bytes());
    header.extend((num_values as u64 + 2).to_le_bytes());
    header.extend(values);
    for (key, number) in [(FILE_TYPE_KEY, file_type.number()), (QUANTIZATION_VERSION_KEY, QUANTIZATION_VERSION)] {
        put_text(&mut header, key);
        // A u32.
        header.extend(4u32.to_le_bytes());
        header.extend(number.to_le_bytes());
    }
    let mut offset = 0;
    for (tensor, &format) in tensors.iter().zip(formats) {
        put_text(&mut header, &tensor.name);
        header.extend((tensor.shape.len() as u32).to_le_bytes());
        for &size in tensor.shape.iter().rev() {
            header.extend((size as u64).to_le_bytes());
        }
        header.extend(format.ggml_type().to_le_bytes());
        header.extend((offset as u64).to_le_bytes());
        offset += bytes_in(tensor, format).next_multiple_of(DEFAULT_ALIGNMENT as usize);
    }
    header.resize(header.len().next_multiple_of(DEFAULT_ALIGNMENT as usize), 0);
    header
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// The bytes of a tensor in `format`; its own where that is what it is in already.
fn convert(tensor: &TensorInfo, format: TensorType, stored: Vec<u8>, job: &QuantiseJob<'_>) -> Vec<u8> {
    let row = tensor.shape.last().copied().unwrap_or(1);
    if tensor.format == format || row == 0 || stored.is_empty() {
        return stored;
    }
    let mut written = vec![0; bytes_in(tensor, format)];
    let num_rows = num_values_of(tensor) / row;
    let (stored_row, written_row) = (stored.len() / num_rows, written.len() / num_rows);
    let rows_each = num_rows.div_ceil(job.threads.max(1));
    // Of experts each has columns of its own.
    let rows_of_part = if tensor.shape.len() > 2 { num_rows / tensor.shape[0].max(1) } else { num_rows };
    let importance = job.importance;
    let importance_of = |row: usize| importance?.columns(&tensor.name, row / rows_of_part.max(1));
    std::thread::scope(|scope| {
        let shares = stored.chunks(stored_row * rows_each).zip(written.chunks_mut(written_row * rows_each));
        for (share, (stored, written)) in shares.enumerate() {
            scope.spawn(move || {
                let mut values = vec![0.0; row];
                let rows = stored.chunks_exact(stored_row).zip(written.chunks_exact_mut(written_row));
                for (index, (stored, written)) in rows.enumerate() {
                    widen(tensor.format, stored, &mut values);
                    narrow(format, &values, importance_of(share * rows_each + index), written);
                }
            });
        }
    });
    written
}

fn widen(format: TensorType, stored: &[u8], values: &mut [f32]) {
    let halves = stored.as_chunks::<2>().0;
    match format {
        TensorType::Elements(ElementType::F32) => {
            values.iter_mut().zip(stored.as_chunks::<4>().0).for_each(|(value, &b)| *value = f32::from_le_bytes(b));
        }
        TensorType::Elements(ElementType::F16) => {
            values.iter_mut().zip(halves).for_each(|(value, &b)| *value = f16::from_le_bytes(b).to_f32());
        }
        TensorType::Elements(ElementType::Bf16) => {
            values.iter_mut().zip(halves).for_each(|(value, &b)| *value = bf16::from_le_bytes(b).to_f32());
        }
        TensorType::Blocks(format) => dequantise(format, stored, values),
        TensorType::Other(name) => panic!("{name} can't be widened: this is a bug"),
    }
}

fn narrow(format: TensorType, values: &[f32], importance: Option<&[f32]>, written: &mut [u8]) {
    let halves = written.as_chunks_mut::<2>().0;
    match format {
        TensorType::Elements(ElementType::F32) => {
            written.as_chunks_mut::<4>().0.iter_mut().zip(values).for_each(|(b, value)| *b = value.to_le_bytes());
        }
        TensorType::Elements(ElementType::F16) => {
            halves.iter_mut().zip(values).for_each(|(b, &value)| *b = f16::from_f32(value).to_le_bytes());
        }
        TensorType::Elements(ElementType::Bf16) => {
            halves.iter_mut().zip(values).for_each(|(b, &value)| *b = bf16::from_f32(value).to_le_bytes());
        }
        TensorType::Blocks(format) => match importance {
            Some(importance) => quantise_weighted(format, values, importance, written),
            None => quantise(format, values, written),
        },
        TensorType::Other(name) => panic!("{name} can't be written: this is a bug"),
    }
}
