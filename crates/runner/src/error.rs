//! What can go wrong in a runner, as fields with stable codes.

use std::io::ErrorKind;

use quire_kernels::KernelsError;
#[cfg(not(target_family = "wasm"))]
use quire_models::ExportError;
use quire_models::ModelError;
use quire_sampler::SamplingError;
use quire_weights::WeightsError;

/// A model could not be loaded, a tensor not be made, or a step not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunnerError {
    /// The model's files or the model itself.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A model that is written as a file.
    #[cfg(not(target_family = "wasm"))]
    #[error(transparent)]
    Export(Box<ExportError>),
    /// An importance matrix beside weights that it changes nothing of.
    #[error(
        "an importance matrix weighs errors of weights that become q4_0, q4_k or q6_k as they are loaded, on the kernels of the \
         CPU: give one of them as the quantization"
    )]
    UnusedImportance,
    /// A folder for packed weights beside a backend that packs none.
    #[error("weights are packed for the kernels of the CPU; the reference has none that could be kept")]
    UnusedPackedWeights,
    /// Sampling on the device.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// Memory, threads, instruction set.
    #[error(transparent)]
    Kernels(#[from] KernelsError),
    /// A tensor's sizes multiply to more than can be addressed.
    #[error("a tensor of shape {shape:?} is larger than the address space")]
    TensorTooLarge {
        /// The shape asked for.
        shape: Vec<usize>,
    },
    /// A dimension that the tensor does not have, or a range outside it.
    #[error("narrow to {start}..{start}+{length} of dimension {dim} does not fit shape {shape:?}")]
    NarrowOutOfRange {
        /// The tensor's shape.
        shape: Vec<usize>,
        /// The dimension.
        dim: usize,
        /// First index kept.
        start: usize,
        /// Indices kept.
        length: usize,
    },
    /// The shape has another number of elements, or the elements don't lie so that they can be seen in it.
    #[error("shape {from:?} with strides {strides:?} can't be viewed as {to:?} without a copy")]
    NotViewable {
        /// The tensor's shape.
        from: Vec<usize>,
        /// Its strides, in elements.
        strides: Vec<usize>,
        /// The shape asked for.
        to: Vec<usize>,
    },
    /// Host data of another length than the tensor.
    #[error("the tensor takes {expected} bytes; {given} were given")]
    WrongLength {
        /// Bytes of the tensor's elements.
        expected: usize,
        /// Bytes given.
        given: usize,
    },
    /// A copy of blocks names one that is not there, or a list that is not pairs.
    #[error("block copy {given} is not a pair of blocks below {num_blocks}")]
    BadBlockCopy {
        /// The entry.
        given: i64,
        /// Blocks of the tensor.
        num_blocks: usize,
    },
    /// The KV cache given is not one that the model can use.
    #[error("KV cache {what}: expected {expected}, got {given}")]
    BadKvCache {
        /// What is wrong.
        what: &'static str,
        /// What fits.
        expected: String,
        /// What was given.
        given: String,
    },
    /// A step before `bind_kv_cache`.
    #[error("no KV cache is bound")]
    NoKvCache,
    /// A value in the batch that this model or cache does not have.
    #[error("the batch's {field} at {index} is {given}; it must be below {limit}")]
    BatchOutOfRange {
        /// The section.
        field: &'static str,
        /// Index in it.
        index: usize,
        /// Its value.
        given: i64,
        /// The first value that is too much.
        limit: usize,
    },
    /// The batch was made for another block size.
    #[error("the batch has blocks of {given} tokens, the KV cache of {expected}")]
    BlockSizeMismatch {
        /// Tokens per block of the cache.
        expected: usize,
        /// Tokens per block of the batch.
        given: usize,
    },
    /// A step of a model that has no logits.
    #[error("{architecture} does not generate text: it embeds or scores")]
    NotGenerative {
        /// The model's architecture.
        architecture: String,
    },
    /// Vectors of a classifier, scores of a model without one, parts of an encoder's sequence.
    #[error("{architecture} gives no {asked}")]
    UnsupportedEmbed {
        /// The model's architecture.
        architecture: String,
        /// What was asked for.
        asked: &'static str,
    },
    /// A batch of sequences to embed that breaks its own rules or the model's.
    #[error("the embed batch's {field} is {given}; expected {expected}")]
    BadEmbedBatch {
        /// The field.
        field: &'static str,
        /// What is allowed.
        expected: String,
        /// What was given.
        given: String,
    },
    /// The vectors don't fit the buffer.
    #[error("the embeddings buffer holds {given} numbers; the batch needs {expected}")]
    EmbeddingsBufferTooSmall {
        /// Numbers needed.
        expected: usize,
        /// Numbers there.
        given: usize,
    },
    /// The batch refers to a token that the step before drew, but this runner did not draw it.
    #[error("row {row} continues a token of the step before, which this runner did not sample")]
    UnknownPreviousToken {
        /// The stable row.
        row: i32,
    },
    /// The logits don't fit the buffer.
    #[error("the logits buffer holds {given} numbers; the step needs {expected}")]
    LogitsBufferTooSmall {
        /// Numbers needed.
        expected: usize,
        /// Numbers there.
        given: usize,
    },
}

impl From<WeightsError> for RunnerError {
    fn from(error: WeightsError) -> RunnerError {
        RunnerError::Model(error.into())
    }
}

#[cfg(not(target_family = "wasm"))]
impl From<ExportError> for RunnerError {
    fn from(error: ExportError) -> RunnerError {
        RunnerError::Export(Box::new(error))
    }
}

impl RunnerError {
    /// The option of the importance matrix or of packed weights, if it is about one of them.
    pub fn parameter(&self) -> Option<&'static str> {
        match self {
            RunnerError::UnusedImportance | RunnerError::Model(ModelError::Importance(_)) => Some("imatrix"),
            RunnerError::UnusedPackedWeights => Some("packedWeightsCache"),
            _ => None,
        }
    }

    /// The stable code that callers match on.
    pub fn code(&self) -> &'static str {
        match self {
            RunnerError::Model(error) => model_code(error),
            #[cfg(not(target_family = "wasm"))]
            RunnerError::Export(error) => export_code(error),
            RunnerError::Sampling(error) => error.code(),
            RunnerError::Kernels(error) => kernels_code(error),
            RunnerError::TensorTooLarge { .. } => "ERR_OUT_OF_MEMORY",
            RunnerError::UnusedImportance
            | RunnerError::UnusedPackedWeights
            | RunnerError::NarrowOutOfRange { .. }
            | RunnerError::NotViewable { .. }
            | RunnerError::WrongLength { .. }
            | RunnerError::BadBlockCopy { .. }
            | RunnerError::BadKvCache { .. } => "ERR_INVALID_ARGUMENT",
            RunnerError::NotGenerative { .. } | RunnerError::UnsupportedEmbed { .. } => "ERR_NOT_SUPPORTED",
            RunnerError::NoKvCache
            | RunnerError::BadEmbedBatch { .. }
            | RunnerError::EmbeddingsBufferTooSmall { .. }
            | RunnerError::BatchOutOfRange { .. }
            | RunnerError::BlockSizeMismatch { .. }
            | RunnerError::UnknownPreviousToken { .. }
            | RunnerError::LogitsBufferTooSmall { .. } => "ERR_RUNNER",
        }
    }
}

fn model_code(error: &ModelError) -> &'static str {
    match error {
        ModelError::UnsupportedArchitecture { .. }
        | ModelError::UnsupportedActivation { .. }
        | ModelError::UnsupportedConfig { .. }
        | ModelError::Weights(WeightsError::UnsupportedDType { .. } | WeightsError::UnsupportedQuantisation { .. }) => {
            "ERR_MODEL_UNSUPPORTED"
        }
        #[cfg(not(target_family = "wasm"))]
        ModelError::Candle(_) => "ERR_RUNNER",
        ModelError::Kernels(error) => kernels_code(error),
        ModelError::Importance(_) => "ERR_INVALID_ARGUMENT",
        ModelError::Weights(WeightsError::OutOfMemory { .. }) => "ERR_OUT_OF_MEMORY",
        ModelError::Weights(WeightsError::NotWritten { source, .. }) => match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "ERR_DISK_FULL",
            _ => "ERR_RUNNER",
        },
        ModelError::Weights(WeightsError::NotADirectory { .. } | WeightsError::MissingFile { .. }) => {
            "ERR_MODEL_NOT_FOUND"
        }
        ModelError::Weights(WeightsError::InvalidGguf { problem, .. }) if problem.is_unsupported() => {
            "ERR_MODEL_UNSUPPORTED"
        }
        _ => "ERR_MODEL_INVALID",
    }
}

#[cfg(not(target_family = "wasm"))]
fn export_code(error: &ExportError) -> &'static str {
    match error {
        ExportError::Model(error) => model_code(error),
        error if error.is_unsupported() => "ERR_MODEL_UNSUPPORTED",
        error if error.is_missing() => "ERR_MODEL_NOT_FOUND",
        _ => "ERR_MODEL_INVALID",
    }
}

fn kernels_code(error: &KernelsError) -> &'static str {
    match error {
        KernelsError::OutOfMemory { .. } | KernelsError::SizeOverflow { .. } => "ERR_OUT_OF_MEMORY",
        KernelsError::UnsupportedIsa { .. } | KernelsError::UnknownIsa { .. } | KernelsError::NoThreads => {
            "ERR_INVALID_ARGUMENT"
        }
        _ => "ERR_RUNNER",
    }
}
