//! OLMoE: Llama with norms over all heads of queries and keys, and many small experts. <https://arxiv.org/abs/2409.02060>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::LlamaFamily;
use super::mixture::Mixture;
use crate::{Backend, CausalModel, ModelError, NormSpan, WeightLoader};

/// `OlmoeConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "olmoe",
    names: FieldNames::LLAMA,
    vocab_size: 50_304,
    hidden_size: 2_048,
    intermediate_size: Some(2_048),
    num_hidden_layers: 16,
    num_attention_heads: 16,
    num_key_value_heads: None,
    head_dim: None,
    max_position_embeddings: 4_096,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-5,
    tie_word_embeddings: false,
    bos_token_id: None,
    eos_token_id: Some(50_279),
    pad_token_id: Some(1),
    rotary: Some(RotaryFields::LLAMA),
    sliding_window: SlidingWindowRule::Never,
};

const MIXTURE: Mixture = Mixture { num_experts: 64, experts_per_token: 8, expert_width: None, ..Mixture::QWEN };

/// The family with other norms and experts.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let document = &loader.config.document;
    if let Some(clip) = document.number("clip_qkv")? {
        return Err(ModelError::UnsupportedConfig {
            field: "clip_qkv",
            found: clip.to_string(),
            expected: "queries, keys and values of any size are, in this architecture",
        });
    }
    let attention_bias = document.flag("attention_bias", false)?;
    LlamaFamily {
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        head_norms: Some(NormSpan::AllHeads),
        mixture: Some(MIXTURE),
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
