//! The crate's errors: what a caller can run into. Shape mistakes between rooms are panics, not values of this type.

use quire_blocks::BlockFormat;

use crate::{Isa, WeightFormat};

/// Why a kernel, a buffer or the thread pool could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KernelsError {
    /// The operating system refused the memory.
    #[error("out of memory: {bytes} bytes were asked for")]
    OutOfMemory {
        /// Size of the refused allocation.
        bytes: usize,
    },
    /// A size computation left the address space.
    #[error("a buffer of {count} elements of {element_bytes} bytes is larger than the address space")]
    SizeOverflow {
        /// Elements asked for (saturated when the count itself overflowed).
        count: usize,
        /// Bytes of one element.
        element_bytes: usize,
    },
    /// The instruction set is not that of this CPU or of this build.
    #[error("this CPU cannot run the {isa} kernels")]
    UnsupportedIsa {
        /// The instruction set asked for.
        isa: Isa,
    },
    /// An instruction set name that is not known.
    #[error("unknown instruction set {name:?}; known are amx, avx512bf16, avx512, avx2, neonbf16, neon, scalar")]
    UnknownIsa {
        /// The name given.
        name: String,
    },
    /// A weight source whose bytes do not fill its shape.
    #[error("a {rows} x {columns} matrix of {format} takes {expected} bytes, the source has {actual}")]
    SourceLength {
        /// Rows of the source's shape.
        rows: usize,
        /// Columns of the source's shape.
        columns: usize,
        /// What the source is made of.
        format: WeightFormat,
        /// Bytes that the shape takes.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// A weight source in blocks whose rows are not whole blocks.
    #[error("rows of {columns} weights are not whole blocks of {format}, which have {block_len}")]
    SourceBlocks {
        /// Columns of the source's shape.
        columns: usize,
        /// Weights of a block.
        block_len: usize,
        /// Format of the source.
        format: BlockFormat,
    },
    /// Stacked weight sources that disagree on the number of input features.
    #[error("stacked matrices differ in their input features: {expected} and {actual}")]
    SourceFeatures {
        /// Input features of the first source.
        expected: usize,
        /// Input features of the source that differs.
        actual: usize,
    },
    /// A pool of no threads.
    #[error("a thread pool takes at least one thread")]
    NoThreads,
    /// The operating system refused a thread.
    #[error("thread {index} of {threads} could not be started: {source}")]
    ThreadSpawn {
        /// Index of the refused worker.
        index: usize,
        /// Threads asked for, the caller included.
        threads: usize,
        /// The system's reason.
        source: std::io::Error,
    },
}
