//! What a file says of itself, for people.

use std::collections::BTreeMap;
use std::io::{Error, Read};

use crate::{Architecture, GgufHeader, GgufProblem, MAX_HEADER_BYTES, TensorType, read_header};

/// Bytes that are read at first: the header of most files with a vocabulary.
const FIRST_BYTES: u64 = 4 << 20;

/// A file, or the first part of a split one.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufSummary {
    /// The architecture.
    pub architecture: Architecture,
    /// `general.name`.
    pub name: Option<String>,
    /// Parts of the file.
    pub num_parts: usize,
    /// Tensors of this part.
    pub num_tensors: usize,
    /// Numbers in them.
    pub num_parameters: u64,
    /// What tensors are stored as, and how many of them; most first.
    pub formats: Vec<(TensorType, usize)>,
    /// The kind of vocabulary.
    pub tokenizer: Option<String>,
    /// How texts are split before they are tokenized.
    pub pre_tokenizer: Option<String>,
    /// Whether it has a chat template.
    pub has_chat_template: bool,
}

impl GgufSummary {
    /// Reads no more of `file`, of `file_bytes` bytes, than its header.
    ///
    /// # Errors
    /// The outer error is the system's, the inner one says what is wrong with the file.
    pub fn read(file: &mut dyn Read, file_bytes: u64) -> Result<Result<GgufSummary, GgufProblem>, Error> {
        let mut start = Vec::new();
        let mut most_bytes = FIRST_BYTES;
        loop {
            file.take(most_bytes - start.len() as u64).read_to_end(&mut start)?;
            match read_header(&start, file_bytes) {
                Ok(Some(header)) => return Ok(GgufSummary::of(&header)),
                Err(problem) => return Ok(Err(problem)),
                Ok(None) if (start.len() as u64) < most_bytes || most_bytes > MAX_HEADER_BYTES as u64 => {
                    return Ok(Err(GgufProblem::Truncated { file_bytes: start.len() as u64, part: "its header" }));
                }
                Ok(None) => most_bytes *= 2,
            }
        }
    }

    fn of(header: &GgufHeader) -> Result<GgufSummary, GgufProblem> {
        let metadata = &header.metadata;
        let mut counts: BTreeMap<u32, (TensorType, usize)> = BTreeMap::new();
        for tensor in &header.tensors {
            counts.entry(tensor.format.ggml_type()).or_insert((tensor.format, 0)).1 += 1;
        }
        let mut formats: Vec<(TensorType, usize)> = counts.into_values().collect();
        formats.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let text = |key: &str| metadata.text(key).map(|text| text.map(str::to_owned));
        Ok(GgufSummary {
            architecture: Architecture::of(metadata)?,
            name: text("general.name")?,
            num_parts: header.split()?.map_or(1, |(_, count)| count),
            num_tensors: header.tensors.len(),
            num_parameters: header.tensors.iter().map(|tensor| tensor.shape.iter().product::<usize>() as u64).sum(),
            formats,
            tokenizer: text("tokenizer.ggml.model")?,
            pre_tokenizer: text("tokenizer.ggml.pre")?,
            has_chat_template: metadata.get("tokenizer.chat_template").is_some(),
        })
    }
}
