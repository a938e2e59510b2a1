//! Why a checkpoint is not written as a GGUF file, as fields.

use std::io;
use std::path::PathBuf;

use quire_gguf::{GgufPartsError, GgufProblem};
use quire_weights::WeightsError;

use crate::ModelError;

/// A model could not be read, or has no form in the format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The checkpoint's files or configuration.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The GGUF file that is read.
    #[error("{path}: {problem}")]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: GgufPartsError,
    },
    /// A file of texts beside the weights.
    #[error("{path}: {reason}")]
    Text {
        /// The file.
        path: PathBuf,
        /// Why it can't be used.
        reason: io::Error,
    },
    /// The vocabulary has no form in the format.
    #[error("{path}: {problem}. `--quantization` quantises the model as it is loaded")]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What of it.
        problem: GgufProblem,
    },
    /// The model has no form in the format.
    #[error("GGUF files cannot say {what}. `--quantization` quantises the model as it is loaded")]
    NoForm {
        /// What of it.
        what: String,
    },
}

impl From<WeightsError> for ExportError {
    fn from(error: WeightsError) -> ExportError {
        ExportError::Model(error.into())
    }
}

impl ExportError {
    /// Whether the model may be in order, and it is only that it can't be written here.
    pub fn is_unsupported(&self) -> bool {
        match self {
            ExportError::Gguf { problem: GgufPartsError::Problem(problem), .. } => problem.is_unsupported(),
            ExportError::Tokenizer { .. } | ExportError::NoForm { .. } => true,
            _ => false,
        }
    }

    /// Whether a file that is read is not there.
    pub fn is_missing(&self) -> bool {
        match self {
            ExportError::Gguf { problem: GgufPartsError::Read(reason), .. } | ExportError::Text { reason, .. } => {
                reason.kind() == io::ErrorKind::NotFound
            }
            _ => false,
        }
    }
}

/// The error of what a file of the architecture cannot say.
pub(super) fn no_form(what: &str) -> ExportError {
    ExportError::NoForm { what: what.to_string() }
}
