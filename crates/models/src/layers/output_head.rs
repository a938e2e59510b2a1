//! The embedding and the output matrix: one matrix or two, whatever the checkpoint stores.

use crate::{Backend, ModelError, WeightLoader};

/// The embedding and the output matrix, both `[vocab, width]`.
pub(crate) enum OutputHead<B: Backend> {
    /// One matrix is both.
    Tied(B::Matrix),
    /// Two matrices.
    Untied {
        /// Of token ids.
        embedding: B::Matrix,
        /// Of logits.
        output: B::Matrix,
    },
}

impl<B: Backend> OutputHead<B> {
    /// Loads what the checkpoint has. With `tied`, one of the two tensors is enough, whichever it is; if both are there and
    /// differ, the configuration is wrong and both are used, as transformers does.
    pub(crate) fn load(
        loader: &WeightLoader<'_, B>,
        embedding: &str,
        output: &str,
        shape: [usize; 2],
        tied: bool,
    ) -> Result<OutputHead<B>, ModelError> {
        if tied {
            let stored = match (loader.contains(embedding), loader.contains(output)) {
                (false, true) => Some(output),
                (true, true) if !loader.same_bytes(embedding, output)? => None,
                _ => Some(embedding),
            };
            if let Some(stored) = stored {
                return Ok(OutputHead::Tied(loader.embedding(stored, shape)?));
            }
        }
        Ok(OutputHead::Untied {
            embedding: loader.embedding(embedding, shape)?,
            output: loader.embedding(output, shape)?,
        })
    }

    pub(crate) fn embedding(&self) -> &B::Matrix {
        match self {
            OutputHead::Tied(matrix) | OutputHead::Untied { embedding: matrix, .. } => matrix,
        }
    }

    pub(crate) fn matrix(&self) -> &B::Matrix {
        match self {
            OutputHead::Tied(matrix) | OutputHead::Untied { output: matrix, .. } => matrix,
        }
    }
}
