//! Where one tensor lies in its file, and what it is stored as.

use std::ops::Range;

use quire_gguf::{RowOrder, TensorInfo};

use crate::StoredFormat;

/// A tensor of a file's header.
#[derive(Clone, Debug)]
pub(crate) struct TensorEntry {
    /// The format, if weights are read from it.
    pub(crate) format: Option<StoredFormat>,
    /// The format's name in the file.
    pub(crate) format_name: String,
    /// Sizes, outermost first.
    pub(crate) shape: Vec<usize>,
    /// Byte range in the file.
    pub(crate) bytes: Range<usize>,
    /// Order of its rows.
    pub(crate) rows: RowOrder,
}

impl TensorEntry {
    /// Of a GGUF file whose bytes can all be addressed.
    pub(crate) fn of_gguf(tensor: &TensorInfo) -> TensorEntry {
        TensorEntry {
            format: StoredFormat::of_gguf(tensor.format),
            format_name: tensor.format.name().to_string(),
            shape: tensor.shape.clone(),
            bytes: tensor.bytes.start as usize..tensor.bytes.end as usize,
            rows: RowOrder::Same,
        }
    }
}
