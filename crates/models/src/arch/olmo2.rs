//! OLMo 2: Llama with norms after both halves of a block instead of before, and norms over all heads of queries and keys.
//! <https://arxiv.org/abs/2501.00656>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::{LlamaFamily, NormPlace};
use crate::{Backend, CausalModel, ModelError, NormSpan, WeightLoader};

/// `Olmo2Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "olmo2",
    names: FieldNames::LLAMA,
    vocab_size: 50_304,
    hidden_size: 4_096,
    intermediate_size: Some(11_008),
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: None,
    head_dim: None,
    max_position_embeddings: 2_048,
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

/// The family with other norms.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let attention_bias = loader.config.document.flag("attention_bias", false)?;
    LlamaFamily {
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        head_norms: Some(NormSpan::AllHeads),
        norm_place: NormPlace::After,
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
