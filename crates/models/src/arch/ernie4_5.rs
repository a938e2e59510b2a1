//! ERNIE 4.5, dense: Llama with neighbours rotated together. <https://ernie.baidu.com/blog/publication/ERNIE_Technical_Report.pdf>

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use super::llama_family::LlamaFamily;
use super::rotated_pairs::RotatedPairs;
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `Ernie4_5Config`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "ernie4_5",
    names: FieldNames::LLAMA,
    vocab_size: 103_424,
    hidden_size: 1_024,
    intermediate_size: Some(3_072),
    num_hidden_layers: 18,
    num_attention_heads: 16,
    num_key_value_heads: Some(2),
    head_dim: Some(128),
    max_position_embeddings: 131_072,
    positions_after_pad: false,
    activation: "silu",
    norm_epsilon: 1e-5,
    tie_word_embeddings: true,
    bos_token_id: Some(1),
    eos_token_id: Some(2),
    pad_token_id: Some(0),
    rotary: Some(RotaryFields { default_theta: 500_000.0, ..RotaryFields::LLAMA }),
    sliding_window: SlidingWindowRule::Never,
};

/// The family with other pairs; `use_bias` switches the biases of all linear maps at once.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let bias = loader.config.document.flag("use_bias", false)?;
    LlamaFamily {
        qkv_bias: bias,
        output_bias: bias,
        mlp_bias: bias,
        pairs: RotatedPairs::Neighbours,
        ..LlamaFamily::PLAIN
    }
    .build(loader)
}
