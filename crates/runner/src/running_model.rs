//! The loaded model on whichever backend was chosen. The one place that knows both.

use std::sync::Arc;

use quire_kernels::{ElementType, Kernels, ThreadPool};
use quire_models::{CausalModel, CpuBackend, ForwardInput, KvCache, ModelError, ReferenceBackend, load};
use quire_weights::{ModelConfig, SafeTensors};

use crate::BackendKind;

pub(crate) enum RunningModel {
    Cpu { backend: CpuBackend, model: Box<dyn CausalModel<CpuBackend>> },
    Reference { model: Box<dyn CausalModel<ReferenceBackend>> },
}

/// A model and what loading it showed.
pub(crate) struct Loaded {
    pub(crate) model: RunningModel,
    pub(crate) weights_bytes: u64,
    pub(crate) num_parameters: u64,
}

impl RunningModel {
    pub(crate) fn load(
        kind: BackendKind,
        (kernels, pool): (&Arc<Kernels>, &Arc<ThreadPool>),
        dtype: ElementType,
        (config, tensors): (&ModelConfig, &SafeTensors),
        progress: &dyn Fn(f64),
    ) -> Result<Loaded, ModelError> {
        match kind {
            BackendKind::Cpu => {
                let backend = CpuBackend::new(Arc::clone(kernels), Arc::clone(pool), dtype);
                let loaded = load(&backend, config, tensors, progress)?;
                let model = RunningModel::Cpu { backend, model: loaded.model };
                Ok(Loaded { model, weights_bytes: loaded.weights_bytes, num_parameters: loaded.num_parameters })
            }
            BackendKind::Reference => {
                let loaded = load(&ReferenceBackend, config, tensors, progress)?;
                let model = RunningModel::Reference { model: loaded.model };
                Ok(Loaded { model, weights_bytes: loaded.weights_bytes, num_parameters: loaded.num_parameters })
            }
        }
    }

    pub(crate) fn forward(
        &self,
        input: &ForwardInput<'_>,
        caches: &[KvCache],
        logits: &mut [f32],
    ) -> Result<(), ModelError> {
        match self {
            RunningModel::Cpu { backend, model } => model.forward(backend, input, caches, logits),
            RunningModel::Reference { model } => model.forward(&ReferenceBackend, input, caches, logits),
        }
    }
}
