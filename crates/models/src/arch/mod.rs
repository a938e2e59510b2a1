//! The architectures: each one the defaults of its configuration class and how its tensors make up a model.

pub(crate) mod bert;
pub(crate) mod gemma;
pub(crate) mod gemma2;
pub(crate) mod gemma3;
pub(crate) mod gpt2;
pub(crate) mod gpt_neox;
pub(crate) mod granite;
pub(crate) mod llama;
mod llama_family;
pub(crate) mod mistral;
pub(crate) mod mixtral;
mod mixture;
pub(crate) mod olmo2;
pub(crate) mod olmo3;
pub(crate) mod opt;
pub(crate) mod phi3;
pub(crate) mod qwen2;
pub(crate) mod qwen2_moe;
pub(crate) mod qwen3;
pub(crate) mod qwen3_moe;
pub(crate) mod starcoder2;
