//! Which architectures there are: one line each.

use quire_weights::{ConfigClass, ConfigDocument, ModelConfig, SafeTensors};

use crate::arch::{gpt_neox, gpt2, llama, mistral, opt, qwen2, qwen3, starcoder2};
use crate::{Backend, CausalModel, ModelError, ReferenceBackend, WeightLoader};

type Build<B> = fn(&WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError>;

/// A model that is ready to run.
pub struct LoadedModel<B: Backend> {
    /// Tokens in, logits out.
    pub model: Box<dyn CausalModel<B>>,
    /// Bytes that its weights take on the device.
    pub weights_bytes: u64,
    /// Numbers in its weights, shared ones counted once.
    pub num_parameters: u64,
}

struct Architecture<B: Backend> {
    name: &'static str,
    class: &'static ConfigClass,
    build: Build<B>,
}

fn registry<B: Backend + 'static>() -> [Architecture<B>; 8] {
    [
        Architecture { name: "GPT2LMHeadModel", class: &gpt2::CLASS, build: gpt2::build },
        Architecture { name: "GPTNeoXForCausalLM", class: &gpt_neox::CLASS, build: gpt_neox::build },
        Architecture { name: "LlamaForCausalLM", class: &llama::CLASS, build: llama::build },
        Architecture { name: "MistralForCausalLM", class: &mistral::CLASS, build: mistral::build },
        Architecture { name: "OPTForCausalLM", class: &opt::CLASS, build: opt::build },
        Architecture { name: "Qwen2ForCausalLM", class: &qwen2::CLASS, build: qwen2::build },
        Architecture { name: "Qwen3ForCausalLM", class: &qwen3::CLASS, build: qwen3::build },
        Architecture { name: "Starcoder2ForCausalLM", class: &starcoder2::CLASS, build: starcoder2::build },
    ]
}

/// The names of the supported architectures, sorted.
pub fn architectures() -> Vec<&'static str> {
    registry::<ReferenceBackend>().iter().map(|architecture| architecture.name).collect()
}

/// Reads a model's configuration with the defaults of its architecture's class.
///
/// # Errors
/// [`ModelError::UnsupportedArchitecture`], which lists the supported ones, or what is wrong with a field.
pub fn read_config(document: &ConfigDocument) -> Result<ModelConfig, ModelError> {
    let architecture = find::<ReferenceBackend>(document)?;
    let mut config = ModelConfig::read(document, architecture.class)?;
    config.architecture = architecture.name.to_string();
    Ok(config)
}

/// Builds the model that `config` describes from `tensors`; `progress` hears the share of bytes loaded.
///
/// # Errors
/// [`ModelError::UnsupportedArchitecture`], a missing tensor, a wrong shape, an unsupported activation, or memory.
pub fn load<B: Backend + 'static>(
    backend: &B,
    config: &ModelConfig,
    tensors: &SafeTensors,
    progress: &dyn Fn(f64),
) -> Result<LoadedModel<B>, ModelError> {
    let architecture = find::<B>(&config.document)?;
    let loader = WeightLoader::new(backend, config, tensors, progress);
    let model = (architecture.build)(&loader)?;
    let (weights_bytes, num_parameters) = loader.totals();
    progress(1.0);
    Ok(LoadedModel { model, weights_bytes, num_parameters })
}

/// By the first of `architectures`; a configuration without them, by `model_type`.
fn find<B: Backend + 'static>(document: &ConfigDocument) -> Result<Architecture<B>, ModelError> {
    let name = document.architecture()?;
    let model_type = document.model_type()?;
    let found = registry::<B>().into_iter().find(|architecture| match name {
        Some(name) => architecture.name == name,
        None => Some(architecture.class.model_type) == model_type,
    });
    found.ok_or_else(|| ModelError::UnsupportedArchitecture {
        architecture: name.or(model_type).unwrap_or("not stated").to_string(),
        supported: architectures(),
    })
}
