//! Everything that can be wrong with the files of a model, as fields.

use std::path::PathBuf;

use quire_blocks::BlockFormat;
use quire_gguf::GgufProblem;

use crate::QuantisedProblem;

/// A model's files could not be used. The message names the file and the field, what was found and what was allowed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The path given as a model does not exist, or is neither a directory nor a GGUF file.
    #[error("model directory {path} {problem}")]
    NotADirectory {
        /// The path given.
        path: PathBuf,
        /// What it is instead.
        problem: &'static str,
    },
    /// A file that every model has is absent.
    #[error("model directory {directory} has no {file}")]
    MissingFile {
        /// The model's directory.
        directory: PathBuf,
        /// The files looked for.
        file: &'static str,
    },
    /// The operating system refused to open, read or map a file.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of packed matrices that can't be used.
    #[error("{path} is no file of packed weights: it {problem}")]
    InvalidPacked {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file of packed matrices could not be written.
    #[error("cannot write {path}: {source}")]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The weights do not fit into memory.
    #[error("{path} has {bytes} bytes, for which there is no memory")]
    OutOfMemory {
        /// The file.
        path: PathBuf,
        /// Bytes of it.
        bytes: u64,
    },
    /// A file's length changed after it was opened; its contents can't be trusted any more.
    #[error("{path} changed while it was read: {expected} bytes when opened, {found} now")]
    FileChanged {
        /// The file.
        path: PathBuf,
        /// Bytes when it was opened.
        expected: u64,
        /// Bytes now.
        found: u64,
    },
    /// A JSON file is larger than any real one.
    #[error("{path} has more than the {allowed} bytes that are read")]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        allowed: u64,
    },
    /// A JSON file is not JSON, or not an object.
    #[error("{path} is not valid JSON: {reason}")]
    InvalidJson {
        /// The file.
        path: PathBuf,
        /// The parser's reason with line and column.
        reason: String,
    },
    /// A field of a JSON file has a value that the model cannot have.
    #[error("{path}: field `{field}` is {found}; expected {expected}")]
    InvalidField {
        /// The file.
        path: PathBuf,
        /// The field, with dots into nested objects.
        field: String,
        /// The value found, shortened.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A safetensors file breaks its format.
    #[error("{path} is not a valid safetensors file: {problem}")]
    InvalidHeader {
        /// The file.
        path: PathBuf,
        /// The rule that is broken.
        problem: HeaderProblem,
    },
    /// A GGUF file breaks its format, or says something that is not supported.
    #[error("{path} is not a GGUF file that can be used: {problem}")]
    InvalidGguf {
        /// The file.
        path: PathBuf,
        /// The rule that is broken.
        problem: GgufProblem,
    },
    /// The shard index names a file outside the model's directory.
    #[error("{path}: tensor `{tensor}` is mapped to `{file}`, which is not a file name inside the model directory")]
    ShardOutsideDirectory {
        /// The index file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The name it is mapped to.
        file: String,
    },
    /// The model has no tensor of this name.
    #[error("tensor `{name}` is missing from the checkpoint ({num_tensors} tensors)")]
    MissingTensor {
        /// The tensor.
        name: String,
        /// Tensors that are there.
        num_tensors: usize,
    },
    /// Weights are quantised in a way that they can't be read from.
    #[error("{path}: `{field}` = {found} is not supported; supported are {expected}")]
    UnsupportedQuantisation {
        /// The file.
        path: PathBuf,
        /// The field, with dots into nested objects.
        field: String,
        /// Its value.
        found: String,
        /// What is.
        expected: &'static str,
    },
    /// The tensors of a quantised weight do not fit together.
    #[error("tensor `{tensor}` of a quantised weight can't be used: {problem}")]
    InvalidQuantised {
        /// The tensor.
        tensor: String,
        /// The rule that is broken.
        problem: QuantisedProblem,
    },
    /// The tensor is stored in a format that weights can't be read from.
    #[error(
        "tensor `{name}` is stored as {found}; supported are F32, F16 and BF16, in GGUF files also {}",
        block_formats()
    )]
    UnsupportedDType {
        /// The tensor.
        name: String,
        /// The format in the header.
        found: String,
    },
}

fn block_formats() -> String {
    BlockFormat::all().map(BlockFormat::name).collect::<Vec<_>>().join(", ")
}

/// The rule that a safetensors header breaks. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderProblem {
    /// The file cannot even hold the length of the header.
    #[error("{file_bytes} bytes are too few for a header")]
    TooShort {
        /// Bytes of the file.
        file_bytes: u64,
    },
    /// The stated length of the header does not fit in the file, or is beyond what is ever read.
    #[error("the header claims {header_bytes} bytes; the file and the format allow {allowed}")]
    HeaderLength {
        /// Bytes claimed.
        header_bytes: u64,
        /// Bytes allowed.
        allowed: u64,
    },
    /// The header is not the JSON it has to be.
    #[error("header JSON: {reason}")]
    Json {
        /// The parser's reason.
        reason: String,
    },
    /// Two entries have the same name.
    #[error("tensor `{name}` is listed twice")]
    DuplicateTensor {
        /// The tensor.
        name: String,
    },
    /// The format name is not defined.
    #[error("tensor `{name}` has unknown dtype `{dtype}`")]
    UnknownDType {
        /// The tensor.
        name: String,
        /// The name found.
        dtype: String,
    },
    /// The tensor's offsets are reversed, leave the file, overlap another tensor or leave a hole.
    #[error(
        "tensor `{name}` occupies bytes {begin}..{end}; expected it to begin at {expected_begin} and end by {data_bytes}"
    )]
    Offsets {
        /// The tensor.
        name: String,
        /// First byte, counted from the end of the header.
        begin: u64,
        /// One past the last byte.
        end: u64,
        /// Where the tensor before it ends.
        expected_begin: u64,
        /// Bytes after the header.
        data_bytes: u64,
    },
    /// Shape times element size is not the number of bytes that the offsets span.
    #[error("tensor `{name}` of shape {shape:?} and dtype {dtype} does not take {found} bytes")]
    SizeMismatch {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<u64>,
        /// Its format.
        dtype: String,
        /// Bytes between its offsets.
        found: u64,
    },
    /// Bytes remain after the last tensor.
    #[error("{found} bytes follow the header but the tensors take {expected}")]
    TrailingBytes {
        /// Bytes that the tensors take.
        expected: u64,
        /// Bytes after the header.
        found: u64,
    },
}
