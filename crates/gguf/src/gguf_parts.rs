//! The model of a GGUF file, or of the parts of a split one, as it is written into another. The metadata is carried over byte
//! for byte, tokenizer and chat template with it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::header::read_header;
use crate::quantise_model::WRITTEN_ANEW;
use crate::raw_values::raw_values;
use crate::{ALIGNMENT_KEY, GgufHeader, GgufProblem, QuantiseSource, SplitName, TensorInfo};

/// Values that say how a file is stored, and are not those of the new one.
const REPLACED: [&str; 4] = [ALIGNMENT_KEY, "split.no", "split.count", "split.tensors.count"];
/// How much of a file is read before its header is looked for; twice as much each time that it is not enough.
const FIRST_BYTES: usize = 1 << 20;

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum GgufPartsError {
    /// It can't be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It breaks the format, or says what is not supported.
    #[error(transparent)]
    Problem(#[from] GgufProblem),
}

/// The files of one model.
pub struct GgufParts<R> {
    parts: Vec<Part<R>>,
    /// The part of each, and what the part says of it.
    tensors: Vec<(usize, TensorInfo)>,
}

struct Part<R> {
    file: R,
    /// The header's bytes.
    start: Vec<u8>,
    header: GgufHeader,
}

impl GgufParts<File> {
    /// Opens the file at `path`, of a split one all parts, of which it may be any.
    ///
    /// # Errors
    /// A part can't be read, is no GGUF file or not the part that its name says.
    pub fn open(path: &Path) -> Result<GgufParts<File>, GgufPartsError> {
        let open = |path: &Path| Part::read(File::open(path)?);
        let name = path.file_name().and_then(|name| name.to_str()).and_then(SplitName::parse);
        let path_of = |part: usize| {
            name.as_ref().map_or_else(|| path.to_path_buf(), |name| path.with_file_name(name.of_part(part)))
        };
        let first = open(&path_of(0))?;
        let count = first.header.split()?.map_or(1, |(_, count)| count);
        let named = name.as_ref().map_or(1, |name| name.count);
        let mut parts = vec![first];
        for part in 1..count.min(named) {
            parts.push(open(&path_of(part))?);
        }
        for (part, opened) in parts.iter().enumerate() {
            let split = opened.header.split()?;
            if count > 1 && (count != named || split != Some((part, count))) {
                let (part, count) = (part as u64 + 1, count as u64);
                let reason = "names and numbers of its parts do not go together".to_string();
                return Err(GgufProblem::Split { part, count, reason }.into());
            }
        }
        GgufParts::of(parts)
    }
}

impl<R: Read + Seek> GgufParts<R> {
    /// The model in `files`, of which the first has the metadata.
    ///
    /// # Errors
    /// One can't be read, is no GGUF file, or has a tensor that another has.
    pub fn read(files: Vec<R>) -> Result<GgufParts<R>, GgufPartsError> {
        GgufParts::of(files.into_iter().map(Part::read).collect::<Result<_, _>>()?)
    }

    fn of(parts: Vec<Part<R>>) -> Result<GgufParts<R>, GgufPartsError> {
        let tensors: Vec<(usize, TensorInfo)> = parts
            .iter()
            .enumerate()
            .flat_map(|(part, source)| source.header.tensors.iter().map(move |tensor| (part, tensor.clone())))
            .collect();
        let mut names = std::collections::HashSet::new();
        if let Some((_, tensor)) = tensors.iter().find(|(_, tensor)| !names.insert(tensor.name.as_str())) {
            return Err(GgufProblem::Duplicate { what: "tensor", name: tensor.name.clone() }.into());
        }
        Ok(GgufParts { parts, tensors })
    }
}

impl<R: Read + Seek> Part<R> {
    fn read(mut file: R) -> Result<Part<R>, GgufPartsError> {
        let file_bytes = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        let (mut start, mut wanted) = (Vec::new(), FIRST_BYTES);
        loop {
            let more = (wanted - start.len()) as u64;
            (&mut file).take(more).read_to_end(&mut start)?;
            if let Some(header) = read_header(&start, file_bytes)? {
                start.truncate(header.header_bytes);
                return Ok(Part { file, start, header });
            }
            if start.len() < wanted {
                let part = "its header";
                return Err(GgufProblem::Truncated { file_bytes: start.len() as u64, part }.into());
            }
            wanted *= 2;
        }
    }
}

impl<R: Read + Seek> QuantiseSource for GgufParts<R> {
    type Error = GgufPartsError;

    fn values(&self) -> Result<(usize, Vec<u8>), GgufPartsError> {
        let (mut count, mut values) = (0, Vec::new());
        if let Some(first) = self.parts.first() {
            for (key, range) in raw_values(&first.header, &first.start)? {
                if !REPLACED.contains(&key.as_str()) && !WRITTEN_ANEW.contains(&key.as_str()) {
                    values.extend_from_slice(&first.start[range]);
                    count += 1;
                }
            }
        }
        Ok((count, values))
    }

    fn tensors(&self) -> Vec<TensorInfo> {
        self.tensors.iter().map(|(_, tensor)| tensor.clone()).collect()
    }

    fn read(&mut self, index: usize) -> Result<Vec<u8>, GgufPartsError> {
        let (part, tensor) = &self.tensors[index];
        let mut stored = vec![0; (tensor.bytes.end - tensor.bytes.start) as usize];
        let file = &mut self.parts[*part].file;
        file.seek(SeekFrom::Start(tensor.bytes.start))?;
        file.read_exact(&mut stored)?;
        Ok(stored)
    }
}
