//! Which architectures there are: one line each.

use std::path::Path;

use quire_kernels::ProductWork;
use quire_weights::{Checkpoint, ConfigClass, ConfigDocument, ModelConfig, check_quantisation};

use crate::arch::{
    bert, cohere, cohere2, deepseek2, deepseek3, ernie4_5, exaone4, gemma, gemma2, gemma3, glm, glm4, glm4_moe,
    glm4_moe_lite, gpt_neox, gpt2, granite, granite_moe_hybrid, llama, mistral, mixtral, olmo2, olmo3, olmoe, opt, phi,
    phi3, qwen2, qwen2_moe, qwen3, qwen3_moe, seed_oss, smollm3, stablelm, starcoder2,
};
use crate::{Backend, CausalModel, CpuBackend, EncoderModel, ModelError, WeightLoader};

/// A model of either kind.
pub enum Model<B: Backend> {
    /// A decoder: gives logits, and hidden states to be pooled.
    Causal(Box<dyn CausalModel<B>>),
    /// An encoder: gives hidden states to be pooled, or scores.
    Encoder(Box<dyn EncoderModel<B>>),
}

/// What a model of an architecture is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelUse {
    /// Generates text; its hidden states can be pooled too.
    Generate,
    /// Hidden states to be pooled: an encoder, or a decoder without its output matrix.
    Embed,
    /// An encoder with a classifier: one score for each sequence, mostly a pair of texts.
    Score,
}

/// A model that is ready to run.
pub struct LoadedModel<B: Backend> {
    /// The model.
    pub model: Model<B>,
    /// Bytes that its weights take on the device.
    pub weights_bytes: u64,
    /// Numbers in its weights, shared ones counted once.
    pub num_parameters: u64,
    /// What its products cost, if it generates and the backend can tell.
    pub work: Option<StepWork>,
}

/// What the products of a step cost; of attention, nothing is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepWork {
    /// A token, in all but the output matrix. Of experts, those that a token picks.
    pub token: ProductWork,
    /// A row of logits.
    pub logits: ProductWork,
}

type BuildCausal<B> = fn(&WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError>;
type BuildEncoder<B> = fn(&WeightLoader<'_, B>) -> Result<Box<dyn EncoderModel<B>>, ModelError>;

enum Build<B: Backend> {
    /// Also of the class without an output matrix, by that class's name.
    Causal(&'static str, BuildCausal<B>),
    Encoder(BuildEncoder<B>),
    Classifier(BuildEncoder<B>),
}

struct Architecture<B: Backend> {
    name: &'static str,
    class: &'static ConfigClass,
    build: Build<B>,
}

fn registry<B: Backend + 'static>() -> [Architecture<B>; 42] {
    use {bert::ROBERTA_CLASS, bert::XLM_ROBERTA_CLASS};
    [
        classifier("BertForSequenceClassification", &bert::CLASS, bert::build_classifier),
        encoder("BertModel", &bert::CLASS, bert::build),
        causal(["Cohere2ForCausalLM", "Cohere2Model"], &cohere2::CLASS, cohere2::build),
        causal(["CohereForCausalLM", "CohereModel"], &cohere::CLASS, cohere::build),
        causal(["DeepseekV2ForCausalLM", "DeepseekV2Model"], &deepseek2::CLASS, deepseek2::build),
        causal(["DeepseekV3ForCausalLM", "DeepseekV3Model"], &deepseek3::CLASS, deepseek3::build),
        causal(["Ernie4_5ForCausalLM", "Ernie4_5Model"], &ernie4_5::CLASS, ernie4_5::build),
        causal(["Exaone4ForCausalLM", "Exaone4Model"], &exaone4::CLASS, exaone4::build),
        causal(["GPT2LMHeadModel", "GPT2Model"], &gpt2::CLASS, gpt2::build),
        causal(["GPTNeoXForCausalLM", "GPTNeoXModel"], &gpt_neox::CLASS, gpt_neox::build),
        causal(["Gemma2ForCausalLM", "Gemma2Model"], &gemma2::CLASS, gemma2::build),
        causal(["Gemma3ForCausalLM", "Gemma3TextModel"], &gemma3::CLASS, gemma3::build),
        causal(["Gemma3ForConditionalGeneration", "Gemma3Model"], &gemma3::CLASS_OF_GEMMA3, gemma3::build),
        causal(["GemmaForCausalLM", "GemmaModel"], &gemma::CLASS, gemma::build),
        causal(["Glm4ForCausalLM", "Glm4Model"], &glm4::CLASS, glm4::build),
        causal(["Glm4MoeForCausalLM", "Glm4MoeModel"], &glm4_moe::CLASS, glm4_moe::build),
        causal(["Glm4MoeLiteForCausalLM", "Glm4MoeLiteModel"], &glm4_moe_lite::CLASS, glm4_moe_lite::build),
        causal(["GlmForCausalLM", "GlmModel"], &glm::CLASS, glm::build),
        causal(["GraniteForCausalLM", "GraniteModel"], &granite::CLASS, granite::build),
        causal(
            ["GraniteMoeHybridForCausalLM", "GraniteMoeHybridModel"],
            &granite_moe_hybrid::CLASS,
            granite_moe_hybrid::build,
        ),
        causal(["LlamaForCausalLM", "LlamaModel"], &llama::CLASS, llama::build),
        causal(["Mistral3ForConditionalGeneration", "Mistral3Model"], &mistral::CLASS_OF_MISTRAL3, mistral::build),
        causal(["MistralForCausalLM", "MistralModel"], &mistral::CLASS, mistral::build),
        causal(["MixtralForCausalLM", "MixtralModel"], &mixtral::CLASS, mixtral::build),
        causal(["OPTForCausalLM", "OPTModel"], &opt::CLASS, opt::build),
        causal(["Olmo2ForCausalLM", "Olmo2Model"], &olmo2::CLASS, olmo2::build),
        causal(["Olmo3ForCausalLM", "Olmo3Model"], &olmo3::CLASS, olmo3::build),
        causal(["OlmoeForCausalLM", "OlmoeModel"], &olmoe::CLASS, olmoe::build),
        causal(["Phi3ForCausalLM", "Phi3Model"], &phi3::CLASS, phi3::build),
        causal(["PhiForCausalLM", "PhiModel"], &phi::CLASS, phi::build),
        causal(["Qwen2ForCausalLM", "Qwen2Model"], &qwen2::CLASS, qwen2::build),
        causal(["Qwen2MoeForCausalLM", "Qwen2MoeModel"], &qwen2_moe::CLASS, qwen2_moe::build),
        causal(["Qwen3ForCausalLM", "Qwen3Model"], &qwen3::CLASS, qwen3::build),
        causal(["Qwen3MoeForCausalLM", "Qwen3MoeModel"], &qwen3_moe::CLASS, qwen3_moe::build),
        classifier("RobertaForSequenceClassification", &ROBERTA_CLASS, bert::build_roberta_classifier),
        encoder("RobertaModel", &ROBERTA_CLASS, bert::build_roberta),
        causal(["SeedOssForCausalLM", "SeedOssModel"], &seed_oss::CLASS, seed_oss::build),
        causal(["SmolLM3ForCausalLM", "SmolLM3Model"], &smollm3::CLASS, smollm3::build),
        causal(["StableLmForCausalLM", "StableLmModel"], &stablelm::CLASS, stablelm::build),
        causal(["Starcoder2ForCausalLM", "Starcoder2Model"], &starcoder2::CLASS, starcoder2::build),
        classifier("XLMRobertaForSequenceClassification", &XLM_ROBERTA_CLASS, bert::build_roberta_classifier),
        encoder("XLMRobertaModel", &XLM_ROBERTA_CLASS, bert::build_roberta),
    ]
}

/// A decoder, also by the name of its class without an output matrix.
fn causal<B: Backend>(
    [name, headless]: [&'static str; 2],
    class: &'static ConfigClass,
    build: BuildCausal<B>,
) -> Architecture<B> {
    Architecture { name, class, build: Build::Causal(headless, build) }
}

fn encoder<B: Backend>(name: &'static str, class: &'static ConfigClass, build: BuildEncoder<B>) -> Architecture<B> {
    Architecture { name, class, build: Build::Encoder(build) }
}

fn classifier<B: Backend>(name: &'static str, class: &'static ConfigClass, build: BuildEncoder<B>) -> Architecture<B> {
    Architecture { name, class, build: Build::Classifier(build) }
}

impl<B: Backend> Architecture<B> {
    fn headless_name(&self) -> Option<&'static str> {
        match self.build {
            Build::Causal(headless, _) => Some(headless),
            Build::Encoder(_) | Build::Classifier(_) => None,
        }
    }
}

/// The names of the supported architectures, sorted.
pub fn architectures() -> Vec<&'static str> {
    let mut names: Vec<&'static str> =
        registry::<CpuBackend>().iter().flat_map(|found| [Some(found.name), found.headless_name()]).flatten().collect();
    names.sort_unstable();
    names
}

/// Reads a model's configuration with the defaults of its architecture's class.
///
/// # Errors
/// [`ModelError::UnsupportedArchitecture`], which lists the supported ones, or what is wrong with a field.
pub fn read_config(document: &ConfigDocument) -> Result<ModelConfig, ModelError> {
    // A model that sees images too describes its decoder in a part of the file.
    let document = &document.overlaid("text_config")?;
    let architecture = find::<CpuBackend>(document)?;
    let mut config = ModelConfig::read(document, architecture.class)?;
    match architecture
        .headless_name()
        .filter(|&headless| matches!(document.architecture(), Ok(Some(name)) if name == headless))
    {
        None => config.architecture = architecture.name.to_string(),
        Some(headless) => {
            config.architecture = headless.to_string();
            // There is no output matrix to look for.
            config.tie_word_embeddings = true;
        }
    }
    Ok(config)
}

/// Checks what can be known of a model from its `config.json`, before there are weights: `text`, which errors call `name`.
///
/// # Errors
/// As [`read_config`]; and a way of quantising that weights are not read from.
pub fn check_config(text: &str, name: &str) -> Result<(), ModelError> {
    let document = ConfigDocument::parse(Path::new(name), text.as_bytes())?;
    check_quantisation(&document)?;
    read_config(&document).map(drop)
}

/// What a model of this configuration is for.
///
/// # Errors
/// As [`read_config`].
pub fn model_use(config: &ModelConfig) -> Result<ModelUse, ModelError> {
    let architecture = find::<CpuBackend>(&config.document)?;
    Ok(match architecture.build {
        Build::Causal(headless, _) if config.architecture == headless => ModelUse::Embed,
        Build::Causal(..) => ModelUse::Generate,
        Build::Encoder(_) => ModelUse::Embed,
        Build::Classifier(_) => ModelUse::Score,
    })
}

/// Builds the model that `config` describes from `tensors`; `progress` hears the share of bytes loaded.
///
/// # Errors
/// [`ModelError::UnsupportedArchitecture`], a missing tensor, a wrong shape, an unsupported activation, or memory.
pub fn load<B: Backend + 'static>(
    backend: &B,
    config: &ModelConfig,
    tensors: &Checkpoint,
    progress: &dyn Fn(f64),
) -> Result<LoadedModel<B>, ModelError> {
    let architecture = find::<B>(&config.document)?;
    let loader = WeightLoader::new(backend, config, tensors, progress);
    let model = match architecture.build {
        Build::Causal(_, build) => {
            check_causal(&config.document)?;
            Model::Causal(build(&loader)?)
        }
        Build::Encoder(build) | Build::Classifier(build) => Model::Encoder(build(&loader)?),
    };
    let (weights_bytes, num_parameters) = loader.totals();
    let work = match &model {
        Model::Causal(model) => {
            let logits = backend.work_per_row(model.head().matrix());
            logits.map(|logits| StepWork { token: loader.work(), logits })
        }
        Model::Encoder(_) => None,
    };
    progress(1.0);
    Ok(LoadedModel { model, weights_bytes, num_parameters, work })
}

/// Some embedding models are decoders that were trained to look both ways.
fn check_causal(document: &ConfigDocument) -> Result<(), ModelError> {
    if document.flag("is_causal", true)? {
        return Ok(());
    }
    let expected = "only decoders that look back are, in this architecture";
    Err(ModelError::UnsupportedConfig { field: "is_causal", found: "false".to_string(), expected })
}

/// By the first of `architectures`; a configuration without them, by `model_type`.
fn find<B: Backend + 'static>(document: &ConfigDocument) -> Result<Architecture<B>, ModelError> {
    let name = document.architecture()?;
    let model_type = document.model_type()?;
    let found = registry::<B>().into_iter().find(|architecture| match name {
        Some(name) => architecture.name == name || architecture.headless_name() == Some(name),
        None => {
            let classifies = matches!(architecture.build, Build::Classifier(_));
            Some(architecture.class.model_type) == model_type && !classifies
        }
    });
    found.ok_or_else(|| ModelError::UnsupportedArchitecture {
        architecture: name.or(model_type).unwrap_or("not stated").to_string(),
        supported: architectures(),
    })
}
