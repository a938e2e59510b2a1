//! The rule that a GGUF file breaks, or what of it is not supported, as fields.

/// Why a GGUF file can't be used. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GgufProblem {
    /// The file does not begin as one.
    #[error("it does not begin with `GGUF`")]
    Magic,
    /// A version that is not read.
    #[error("its version is {version}; supported are 2 and 3")]
    Version {
        /// The version found.
        version: u32,
    },
    /// Numbers are stored most significant byte first.
    #[error("it is a big-endian file; supported are little-endian ones")]
    BigEndian,
    /// The file ends before it is complete.
    #[error("it ends after {file_bytes} bytes, in the middle of {part}")]
    Truncated {
        /// Bytes of the file.
        file_bytes: u64,
        /// What was being read.
        part: &'static str,
    },
    /// A number of things is beyond what any real file has.
    #[error("it claims {found} for {what}; at most {allowed} are read")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// The number claimed.
        found: u64,
        /// The most that is read.
        allowed: u64,
    },
    /// Bytes that have to be text are none.
    #[error("{what} is not UTF-8")]
    NotText {
        /// Which text.
        what: String,
    },
    /// A key or tensor is there twice.
    #[error("{what} `{name}` is listed twice")]
    Duplicate {
        /// `key` or `tensor`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A value has a type that the format does not define, or lists lie in lists.
    #[error("the value of `{key}` has type {number}, which is not one that is read here")]
    ValueType {
        /// The key.
        key: String,
        /// The number of the type.
        number: u32,
    },
    /// A value is not what its key stands for.
    #[error("`{key}` is {found}; expected {expected}")]
    InvalidValue {
        /// The key.
        key: String,
        /// The value, shortened.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A value that a model needs is not there.
    #[error("`{key}` is missing")]
    MissingValue {
        /// The key.
        key: String,
    },
    /// A tensor's format has no known size.
    #[error("tensor `{tensor}` has the unknown type {number}; supported are {}", supported.join(", "))]
    UnknownType {
        /// The tensor.
        tensor: String,
        /// ggml's number.
        number: u32,
        /// The names of those that are.
        supported: Vec<&'static str>,
    },
    /// A tensor's sizes cannot be.
    #[error("tensor `{tensor}` of shape {shape:?} and type {format}: {reason}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// Sizes, outermost first.
        shape: Vec<u64>,
        /// The name of its type.
        format: &'static str,
        /// What is wrong with them.
        reason: &'static str,
    },
    /// A tensor's bytes leave the file, are not aligned, or overlap another's.
    #[error("tensor `{tensor}` takes {bytes} bytes at {offset} of {data_bytes}: {reason}")]
    Offset {
        /// The tensor.
        tensor: String,
        /// Where it begins, counted from where tensors begin.
        offset: u64,
        /// Bytes of it.
        bytes: u64,
        /// Bytes for all tensors.
        data_bytes: u64,
        /// What is wrong with that.
        reason: &'static str,
    },
    /// No model of this architecture is read from GGUF files.
    #[error("its architecture `{architecture}` is not supported; supported are {}", supported.join(", "))]
    UnsupportedArchitecture {
        /// `general.architecture`.
        architecture: String,
        /// Those that are.
        supported: Vec<&'static str>,
    },
    /// The tokenizer's kind, or how it splits texts, is not known.
    #[error("`{key}` = `{found}` is not supported; supported are {}", supported.join(", "))]
    UnsupportedTokenizer {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// Those that are.
        supported: Vec<&'static str>,
    },
    /// The parts of a split file do not belong together.
    #[error("part {part} of {count}: {reason}")]
    Split {
        /// Which part, from 1.
        part: u64,
        /// How many there are.
        count: u64,
        /// What is wrong.
        reason: String,
    },
}

impl GgufProblem {
    /// Whether the file may be in order, and it is only that it is not supported.
    pub fn is_unsupported(&self) -> bool {
        matches!(
            self,
            GgufProblem::Version { .. }
                | GgufProblem::BigEndian
                | GgufProblem::UnknownType { .. }
                | GgufProblem::UnsupportedArchitecture { .. }
                | GgufProblem::UnsupportedTokenizer { .. }
        )
    }
}
