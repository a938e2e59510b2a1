//! All that stands in front of the tensors' bytes, and where those lie, checked against the length of the file.

use std::collections::HashSet;
use std::ops::Range;

use crate::byte_reader::{ByteReader, Stop};
use crate::metadata::prologue;
use crate::{GgufProblem, Metadata, MetadataValue, TensorType};

/// The key of the number that tensors' offsets are multiples of.
pub const ALIGNMENT_KEY: &str = "general.alignment";
/// What they are multiples of without it.
pub(crate) const DEFAULT_ALIGNMENT: u64 = 32;
const MAX_ALIGNMENT: u64 = 1 << 20;
/// As ggml has it.
const MAX_DIMENSIONS: u32 = 4;
/// Most bytes of a header: no real one comes near; the largest have a vocabulary of some megabytes.
pub const MAX_HEADER_BYTES: usize = 128 << 20;

/// Where one tensor lies.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Its name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Sizes, outermost first: the last is that of a row.
    pub shape: Vec<usize>,
    /// What it is stored as. Rows are whole blocks.
    pub format: TensorType,
    /// Byte range in the file.
    pub bytes: Range<u64>,
}

/// The header of one file.
#[derive(Clone, Debug)]
pub struct GgufHeader {
    /// 2 or 3.
    pub version: u32,
    /// The values by their keys.
    pub metadata: Metadata,
    /// The tensors, in the order of the file's list.
    pub tensors: Vec<TensorInfo>,
    /// Bytes of the header; the tensors' begin at the next multiple of the alignment.
    pub header_bytes: usize,
}

/// The header of a file of `file_bytes` bytes that begins with `start`; `None` if more of the file is needed.
///
/// # Errors
/// The file is not GGUF, breaks a rule of the format, or is shorter than its tensors.
pub fn read_header(start: &[u8], file_bytes: u64) -> Result<Option<GgufHeader>, GgufProblem> {
    let known = start.len().min(MAX_HEADER_BYTES).min(usize::try_from(file_bytes).unwrap_or(usize::MAX));
    let start = &start[..known];
    match read(start, file_bytes) {
        Ok(header) => Ok(Some(header)),
        Err(Stop::Problem(problem)) => Err(problem),
        Err(Stop::More(_)) if start.len() >= MAX_HEADER_BYTES => Err(GgufProblem::TooMany {
            what: "the bytes of its header",
            found: start.len() as u64,
            allowed: MAX_HEADER_BYTES as u64,
        }),
        Err(Stop::More(_)) if (start.len() as u64) < file_bytes => Ok(None),
        Err(Stop::More(part)) => Err(GgufProblem::Truncated { file_bytes, part }),
    }
}

fn read(start: &[u8], file_bytes: u64) -> Result<GgufHeader, Stop> {
    let mut reader = ByteReader::new(start);
    let prologue = prologue(&mut reader)?;
    let metadata = Metadata::read(&mut reader, &prologue)?;
    let alignment = alignment(&metadata)?;
    reader.part = "its list of tensors";
    let mut names = HashSet::new();
    let mut tensors = Vec::new();
    for _ in 0..prologue.num_tensors {
        let tensor = read_tensor(&mut reader)?;
        if !names.insert(tensor.name.clone()) {
            return Err(GgufProblem::Duplicate { what: "tensor", name: tensor.name }.into());
        }
        tensors.push(tensor);
    }
    let header_bytes = reader.position();
    // No tensors, no padding behind the header.
    let data_start = (header_bytes as u64).next_multiple_of(alignment).min(file_bytes);
    let tensors = placed(tensors, data_start, file_bytes - data_start, alignment)?;
    Ok(GgufHeader { version: prologue.version, metadata, tensors, header_bytes })
}

fn alignment(metadata: &Metadata) -> Result<u64, GgufProblem> {
    match metadata.get(ALIGNMENT_KEY) {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(value) => match metadata.count(ALIGNMENT_KEY)? {
            Some(number) if (number as u64).is_power_of_two() && number as u64 <= MAX_ALIGNMENT => Ok(number as u64),
            _ => Err(value.invalid(ALIGNMENT_KEY, "a power of two up to 1048576")),
        },
    }
}

/// A tensor as it is listed: its offset counts from where the tensors begin.
struct ListedTensor {
    name: String,
    shape: Vec<usize>,
    format: TensorType,
    offset: u64,
    bytes: u64,
}

fn read_tensor(reader: &mut ByteReader<'_>) -> Result<ListedTensor, Stop> {
    let name = reader.name("the name of a tensor")?;
    let num_dimensions = reader.u32()?;
    if num_dimensions > MAX_DIMENSIONS {
        let (found, allowed) = (u64::from(num_dimensions), u64::from(MAX_DIMENSIONS));
        return Err(GgufProblem::TooMany { what: "the dimensions of a tensor", found, allowed }.into());
    }
    let mut sizes = Vec::new();
    for _ in 0..num_dimensions {
        sizes.push(reader.u64()?);
    }
    sizes.reverse();
    let number = reader.u32()?;
    let offset = reader.u64()?;
    let Some(format) = TensorType::from_ggml_type(number) else {
        return Err(GgufProblem::UnknownType { tensor: name, number, supported: TensorType::supported() }.into());
    };
    let shape_problem =
        |reason| GgufProblem::Shape { tensor: name.clone(), shape: sizes.clone(), format: format.name(), reason };
    let (block_len, block_bytes) = format.block();
    let row = sizes.last().copied().unwrap_or(1);
    if row % block_len as u64 != 0 {
        return Err(shape_problem("a row is not whole blocks").into());
    }
    let num_values = sizes.iter().try_fold(1, |product: u64, &size| product.checked_mul(size));
    let bytes = num_values.and_then(|values| (values / block_len as u64).checked_mul(block_bytes as u64));
    let shape: Option<Vec<usize>> = sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
    match (bytes, shape) {
        (Some(bytes), Some(shape)) => Ok(ListedTensor { name, shape, format, offset, bytes }),
        _ => Err(shape_problem("it has more bytes than can be counted").into()),
    }
}

/// Tensors with their bytes in the file, none outside of it, none over another.
fn placed(
    listed: Vec<ListedTensor>,
    data_start: u64,
    data_bytes: u64,
    alignment: u64,
) -> Result<Vec<TensorInfo>, GgufProblem> {
    let mut order: Vec<&ListedTensor> = listed.iter().filter(|tensor| tensor.bytes > 0).collect();
    order.sort_by_key(|tensor| tensor.offset);
    let mut free = 0;
    for tensor in order {
        let end = tensor.offset.checked_add(tensor.bytes).filter(|&end| end <= data_bytes);
        let reason = match end {
            None => Some("that is more than the file has"),
            _ if tensor.offset % alignment != 0 => Some("that is not a multiple of the alignment"),
            _ if tensor.offset < free => Some("that is inside of another tensor"),
            _ => None,
        };
        if let Some(reason) = reason {
            return Err(GgufProblem::Offset {
                tensor: tensor.name.clone(),
                offset: tensor.offset,
                bytes: tensor.bytes,
                data_bytes,
                reason,
            });
        }
        free = end.unwrap_or(data_bytes);
    }
    let place = |ListedTensor { name, shape, format, offset, bytes }| {
        // An empty tensor lies nowhere, whatever its offset says.
        let begin = if bytes == 0 { data_start } else { data_start + offset };
        TensorInfo { name, shape, format, bytes: begin..begin + bytes }
    };
    Ok(listed.into_iter().map(place).collect())
}

impl GgufHeader {
    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// Which part of how many this file is, from 0; `None` where it is the whole.
    ///
    /// # Errors
    /// The numbers are none, or the part is beyond the count.
    pub fn split(&self) -> Result<Option<(usize, usize)>, GgufProblem> {
        let Some(count) = self.metadata.count("split.count")?.filter(|&count| count > 1) else { return Ok(None) };
        let part = self.metadata.count("split.no")?.unwrap_or(0);
        if part < count {
            return Ok(Some((part, count)));
        }
        let value = MetadataValue::Integer(part as i128);
        Err(value.invalid("split.no", "a number below `split.count`"))
    }
}
