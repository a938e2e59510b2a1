//! The embedding and the output matrix: one matrix or two, whatever the checkpoint stores.

use crate::{Backend, ModelError, WeightLoader};

/// What a model does to its logits after the output matrix: `cap * tanh(factor * logit / cap)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogitsRule {
    /// What they are multiplied by.
    pub factor: f32,
    /// What they cannot pass; `None` = anything.
    pub soft_cap: Option<f32>,
}

/// The embedding and the output matrix, both `[vocab, width]`.
pub struct OutputHead<B: Backend> {
    /// Of token ids; also of logits where there is no `output`.
    embedding: B::Matrix,
    /// Of logits, where it is another matrix.
    output: Option<B::Matrix>,
    width: usize,
    /// Added to logits, `[vocab]`.
    bias: Option<Vec<f32>>,
    logits_rule: Option<LogitsRule>,
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
        let width = shape[1];
        if tied {
            let stored = match (loader.contains(embedding), loader.contains(output)) {
                (false, true) => Some(output),
                (true, true) if !loader.same_bytes(embedding, output)? => None,
                _ => Some(embedding),
            };
            if let Some(stored) = stored {
                return Ok(OutputHead {
                    embedding: loader.embedding(stored, shape)?,
                    output: None,
                    width,
                    bias: None,
                    logits_rule: None,
                });
            }
        }
        let (embedding, output) = (loader.embedding(embedding, shape)?, loader.embedding(output, shape)?);
        Ok(OutputHead { embedding, output: Some(output), width, bias: None, logits_rule: None })
    }

    pub(crate) fn embedding(&self) -> &B::Matrix {
        &self.embedding
    }

    /// The output matrix.
    pub fn matrix(&self) -> &B::Matrix {
        self.output.as_ref().unwrap_or(&self.embedding)
    }

    /// The same with something to do to the logits.
    pub(crate) fn with_logits_rule(self, logits_rule: Option<LogitsRule>) -> OutputHead<B> {
        OutputHead { logits_rule, ..self }
    }

    /// The same with something to add to the logits.
    pub(crate) fn with_bias(self, bias: Option<Vec<f32>>) -> OutputHead<B> {
        OutputHead { bias, ..self }
    }

    /// What is added to each row of logits first, `[vocab]`, if anything.
    pub fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }

    /// What is done to the logits, if anything.
    pub fn logits_rule(&self) -> Option<LogitsRule> {
        self.logits_rule
    }

    /// Width of what the output matrix multiplies: the last hidden states.
    pub fn width(&self) -> usize {
        self.width
    }
}
