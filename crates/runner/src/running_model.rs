//! The loaded model on whichever backend was chosen. The one place that knows both.

use std::sync::Arc;

use quire_kernels::{ElementType, Kernels, ThreadPool};
use quire_models::{
    Backend, CausalModel, CpuBackend, EncoderModel, ForwardInput, KvCache, Model, ModelError, Quantization, StepWork,
    load,
};
#[cfg(not(target_family = "wasm"))]
use quire_models::{ErrorWeights, KeptPanels, ReferenceBackend};
use quire_weights::{Checkpoint, ModelConfig};

use crate::BackendKind;

pub(crate) enum RunningModel {
    Cpu {
        backend: CpuBackend,
        model: Model<CpuBackend>,
    },
    #[cfg(not(target_family = "wasm"))]
    Reference {
        model: Model<ReferenceBackend>,
    },
}

/// What weights are held as.
pub(crate) struct Weights {
    pub(crate) dtype: ElementType,
    pub(crate) quantization: Quantization,
    /// How much errors count where blocks are made.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) error_weights: Option<Arc<ErrorWeights>>,
    /// Matrices that are packed already.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) kept: Option<Arc<KeptPanels>>,
}

/// A model and what loading it showed.
pub(crate) struct Loaded {
    pub(crate) model: RunningModel,
    pub(crate) weights_bytes: u64,
    pub(crate) num_parameters: u64,
    pub(crate) work: Option<StepWork>,
}

/// Runs an expression with the backend and the model, whichever they are.
macro_rules! on_backend {
    ($running:expr, |$backend:ident, $model:ident| $body:expr) => {
        match $running {
            RunningModel::Cpu { backend: $backend, model: $model } => $body,
            #[cfg(not(target_family = "wasm"))]
            RunningModel::Reference { model: $model } => {
                let $backend = &ReferenceBackend;
                $body
            }
        }
    };
}

impl RunningModel {
    pub(crate) fn load(
        kind: BackendKind,
        (kernels, pool): (&Arc<Kernels>, &Arc<ThreadPool>),
        weights: Weights,
        (config, tensors): (&ModelConfig, &Checkpoint),
        progress: &dyn Fn(f64),
    ) -> Result<Loaded, ModelError> {
        match kind {
            BackendKind::Cpu => {
                let backend = CpuBackend::new(Arc::clone(kernels), Arc::clone(pool), weights.dtype)
                    .with_quantization(weights.quantization);
                #[cfg(not(target_family = "wasm"))]
                let backend = backend.with_error_weights(weights.error_weights.clone()).with_kept_panels(weights.kept);
                let loaded = load(&backend, config, tensors, progress)?;
                #[cfg(not(target_family = "wasm"))]
                if let Some(error_weights) = &weights.error_weights {
                    error_weights.check_known()?;
                }
                let model = RunningModel::Cpu { backend, model: loaded.model };
                Ok(Loaded {
                    model,
                    weights_bytes: loaded.weights_bytes,
                    num_parameters: loaded.num_parameters,
                    work: loaded.work,
                })
            }
            #[cfg(not(target_family = "wasm"))]
            BackendKind::Reference => {
                let loaded = load(&ReferenceBackend, config, tensors, progress)?;
                let model = RunningModel::Reference { model: loaded.model };
                Ok(Loaded {
                    model,
                    weights_bytes: loaded.weights_bytes,
                    num_parameters: loaded.num_parameters,
                    work: loaded.work,
                })
            }
        }
    }

    /// Says how many tokens a sequence will ever have.
    pub(crate) fn limit_sequences(&mut self, max_tokens: usize) {
        on_backend!(self, |_backend, model| match model {
            Model::Causal(model) => model.limit_sequences(max_tokens),
            Model::Encoder(_) => {}
        });
    }

    /// Whether the model is a decoder.
    pub(crate) fn is_causal(&self) -> bool {
        on_backend!(self, |_backend, model| matches!(model, Model::Causal(_)))
    }

    /// Width of the last hidden states.
    pub(crate) fn width(&self, config: &ModelConfig) -> usize {
        on_backend!(self, |_backend, model| match model {
            Model::Causal(model) => model.head().width(),
            Model::Encoder(_) => config.hidden_size,
        })
    }

    /// Logits of a step of a decoder. `[logits, vocab_size]`
    pub(crate) fn forward(
        &self,
        input: &ForwardInput<'_>,
        caches: &[KvCache],
        logits: &mut [f32],
    ) -> Result<(), ModelError> {
        on_backend!(self, |backend, model| causal(model).forward(backend, input, caches, logits))
    }

    /// Last hidden states of `input.logits_indices`. `[indices, width]`
    pub(crate) fn hidden_states(
        &self,
        input: &ForwardInput<'_>,
        token_types: &[i32],
        caches: &[KvCache],
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        on_backend!(self, |backend, model| match model {
            Model::Causal(model) => match model.hidden_states(backend, input, caches)? {
                Some(hidden) => backend.to_host(&hidden, out),
                None => Ok(()),
            },
            Model::Encoder(model) => {
                let hidden = model.hidden_states(backend, input, token_types, &caches[0])?; // [tokens, width]
                if input.logits_indices.len() == input.num_tokens() {
                    return backend.to_host(&hidden, out);
                }
                backend.to_host(&backend.select_rows(&hidden, input.logits_indices)?, out)
            }
        })
    }

    /// The classifier's logits for the sequences whose first tokens are `input.logits_indices`. `[indices]`
    pub(crate) fn classify(
        &self,
        input: &ForwardInput<'_>,
        token_types: &[i32],
        caches: &[KvCache],
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        on_backend!(self, |backend, model| {
            let model = encoder(model);
            let hidden = model.hidden_states(backend, input, token_types, &caches[0])?; // [tokens, width]
            let first_tokens = backend.select_rows(&hidden, input.logits_indices)?; // [sequences, width]
            let logits = model.classify(backend, &first_tokens)?.expect("no classifier; this is a bug");
            backend.to_host(&logits, out)
        })
    }
}

fn causal<B: Backend>(model: &Model<B>) -> &dyn CausalModel<B> {
    match model {
        Model::Causal(model) => model.as_ref(),
        Model::Encoder(_) => panic!("an encoder was asked for logits; this is a bug"),
    }
}

fn encoder<B: Backend>(model: &Model<B>) -> &dyn EncoderModel<B> {
    match model {
        Model::Encoder(model) => model.as_ref(),
        Model::Causal(_) => panic!("a decoder was asked to classify; this is a bug"),
    }
}
