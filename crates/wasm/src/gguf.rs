//! The header of a GGUF file of which only the beginning has come: a page needs it before the weights.

use std::path::PathBuf;

use napi_derive::napi;
use quire_gguf::{GgufHeader, TensorType};
use quire_runner::{RunnerError, WeightsError, packed_bytes};

use crate::bindgen_prelude::BufferSlice;
use crate::failure::{Failure, Outcome, outcome};

/// What a page wants to know of a header.
#[napi(object, object_from_js = false)]
pub struct NativeGgufHeader {
    /// Bytes of it.
    pub header_bytes: f64,
    /// Bytes that the weights take in memory: in blocks as they are packed, everything else as numbers.
    pub packed_bytes: f64,
    /// Numbers in all tensors.
    pub num_parameters: f64,
}

/// Reads the header of the file called `path` of `file_bytes` bytes from its `start`; nothing if more of the file is needed.
/// Numbers that are not in blocks take `element_bytes` each.
#[napi]
pub fn gguf_header(
    path: String,
    start: BufferSlice<'_>,
    file_bytes: f64,
    element_bytes: u32,
) -> Outcome<Option<NativeGgufHeader>> {
    outcome(|| {
        let header = quire_gguf::read_header(&start, file_bytes as u64)
            .map_err(|problem| RunnerError::from(WeightsError::InvalidGguf { path: PathBuf::from(path), problem }))?;
        Ok::<_, Failure>(header.map(|header| describe(&header, f64::from(element_bytes))))
    })
}

fn describe(header: &GgufHeader, element_bytes: f64) -> NativeGgufHeader {
    let (mut packed, mut num_parameters) = (0.0, 0.0);
    for tensor in &header.tensors {
        // As numbers: each size is one of a file that can be addressed, their product need not be.
        let num_values: f64 = tensor.shape.iter().map(|&size| size as f64).product();
        num_parameters += num_values;
        let num_inputs = tensor.shape.last().copied().unwrap_or(1);
        let in_blocks = match tensor.format {
            TensorType::Blocks(format) => {
                packed_bytes(format, (num_values / num_inputs.max(1) as f64) as usize, num_inputs)
            }
            _ => None,
        };
        packed += in_blocks.map_or(num_values * element_bytes, |bytes| bytes as f64);
    }
    NativeGgufHeader { header_bytes: header.header_bytes as f64, packed_bytes: packed, num_parameters }
}
