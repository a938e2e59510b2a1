//! The header of a safetensors file: parsed from untrusted bytes, every field checked against the size of the file before
//! it is used. Format: <https://github.com/huggingface/safetensors#format>.

use std::collections::HashMap;
use std::fmt;

use quire_gguf::RowOrder;
use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::dtype::{from_stored_name, stored_bits};
use crate::tensor_entry::TensorEntry;
use crate::{HeaderProblem, StoredFormat};

/// The reference implementation reads no longer header; neither does this one.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// More dimensions than any weight has; keeps a hostile shape from growing a vector.
const MAX_DIMENSIONS: usize = 16;
/// Bytes of the little-endian length in front of the header.
pub(crate) const LENGTH_BYTES: u64 = 8;

/// Where the header of a file of `file_bytes` bytes ends that begins with `start`; as long as `start` is too short to say
/// so, where the length in front of it ends.
pub(crate) fn header_end(start: &[u8], file_bytes: u64) -> Result<usize, HeaderProblem> {
    let Some(length) = start.first_chunk::<{ LENGTH_BYTES as usize }>() else { return Ok(LENGTH_BYTES as usize) };
    let header_bytes = u64::from_le_bytes(*length);
    let allowed = (file_bytes - LENGTH_BYTES).min(MAX_HEADER_BYTES);
    if header_bytes > allowed {
        return Err(HeaderProblem::HeaderLength { header_bytes, allowed });
    }
    Ok((LENGTH_BYTES + header_bytes) as usize)
}

/// Reads the header of a file of `file_bytes` bytes that begins with `start`, which has all of the header.
pub(crate) fn read_header(start: &[u8], file_bytes: u64) -> Result<HashMap<String, TensorEntry>, HeaderProblem> {
    if file_bytes < LENGTH_BYTES {
        return Err(HeaderProblem::TooShort { file_bytes });
    }
    let data_start = header_end(start, file_bytes)?;
    let mut raw = parse(&start[LENGTH_BYTES as usize..data_start])?;
    // Tensors of zero bytes share their offset with the next one and come first.
    raw.sort_by_key(|(_, tensor)| (tensor.begin, tensor.end));
    let data_bytes = file_bytes - data_start as u64;
    let mut tensors = HashMap::with_capacity(raw.len());
    let mut expected_begin = 0;
    for (name, tensor) in raw {
        let RawTensor { begin, end, .. } = tensor;
        if begin != expected_begin || end < begin || end > data_bytes {
            return Err(HeaderProblem::Offsets { name, begin, end, expected_begin, data_bytes });
        }
        let shape = checked_shape(&name, &tensor)?;
        expected_begin = end;
        let entry = TensorEntry {
            format: from_stored_name(&tensor.dtype).map(StoredFormat::Elements),
            format_name: tensor.dtype,
            shape,
            bytes: data_start + begin as usize..data_start + end as usize,
            rows: RowOrder::Same,
        };
        if tensors.insert(name.clone(), entry).is_some() {
            return Err(HeaderProblem::DuplicateTensor { name });
        }
    }
    if expected_begin != data_bytes {
        return Err(HeaderProblem::TrailingBytes { expected: expected_begin, found: data_bytes });
    }
    Ok(tensors)
}

/// The shape as sizes in memory, when shape x element size is exactly the span of the offsets.
fn checked_shape(name: &str, tensor: &RawTensor) -> Result<Vec<usize>, HeaderProblem> {
    let bits = stored_bits(&tensor.dtype)
        .ok_or_else(|| HeaderProblem::UnknownDType { name: name.to_string(), dtype: tensor.dtype.clone() })?;
    let found = tensor.end - tensor.begin;
    let wanted = tensor.shape.iter().try_fold(bits as u64, |product, &size| product.checked_mul(size));
    let sizes: Option<Vec<usize>> = tensor.shape.iter().map(|&size| usize::try_from(size).ok()).collect();
    match (wanted, sizes) {
        (Some(bits), Some(sizes)) if found.checked_mul(8) == Some(bits) => Ok(sizes),
        _ => Err(HeaderProblem::SizeMismatch {
            name: name.to_string(),
            shape: tensor.shape.clone(),
            dtype: tensor.dtype.clone(),
            found,
        }),
    }
}

/// One entry as it stands in the JSON, unchecked.
#[derive(Debug)]
struct RawTensor {
    dtype: String,
    shape: Vec<u64>,
    begin: u64,
    end: u64,
}

fn parse(header: &[u8]) -> Result<Vec<(String, RawTensor)>, HeaderProblem> {
    let json = |reason: String| HeaderProblem::Json { reason };
    let text = std::str::from_utf8(header).map_err(|error| json(error.to_string()))?;
    if !text.starts_with('{') {
        return Err(json("a header starts with `{`".to_string()));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let entries = HeaderSeed.deserialize(&mut deserializer).map_err(|error| json(error.to_string()))?;
    deserializer.end().map_err(|error| json(error.to_string()))?;
    Ok(entries)
}

/// Reads the header's object into a list, so that a repeated name is seen rather than overwritten.
struct HeaderSeed;

impl<'de> DeserializeSeed<'de> for HeaderSeed {
    type Value = Vec<(String, RawTensor)>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderSeed {
    type Value = Vec<(String, RawTensor)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut tensors = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let tensor = map.next_value::<JsonTensor>()?;
            let [begin, end] = tensor.data_offsets;
            tensors.push((name, RawTensor { dtype: tensor.dtype, shape: tensor.shape.0, begin, end }));
        }
        Ok(tensors)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonTensor {
    dtype: String,
    shape: Shape,
    data_offsets: [u64; 2],
}

/// A list of at most [`MAX_DIMENSIONS`] sizes.
struct Shape(Vec<u64>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_seq(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "at most {MAX_DIMENSIONS} sizes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Shape, A::Error> {
        let mut sizes = Vec::new();
        while let Some(size) = sequence.next_element::<u64>()? {
            if sizes.len() == MAX_DIMENSIONS {
                return Err(serde::de::Error::invalid_length(sizes.len() + 1, &self));
            }
            sizes.push(size);
        }
        Ok(Shape(sizes))
    }
}
