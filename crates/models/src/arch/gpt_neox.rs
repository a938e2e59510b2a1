//! GPT-NeoX and Pythia: layer norms, rotary positions on a part of each head, attention and feed-forward layer side by side
//! on the same input. <https://arxiv.org/abs/2204.06745>

use std::sync::Arc;

use quire_weights::{ConfigClass, FieldNames, RotaryFields, SlidingWindowRule};

use crate::layers::{Attention, DecoderBlock, Mlp, OutputHead, Residual, normed};
use crate::{Backend, CausalModel, ForwardInput, ModelError, Norm, WeightLoader};

/// `GPTNeoXConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "gpt_neox",
    names: FieldNames {
        num_key_value_heads: None,
        head_dim: None,
        norm_epsilon: Some("layer_norm_eps"),
        ..FieldNames::LLAMA
    },
    vocab_size: 50_432,
    hidden_size: 6_144,
    intermediate_size: Some(24_576),
    num_hidden_layers: 44,
    num_attention_heads: 64,
    num_key_value_heads: None,
    head_dim: None,
    max_position_embeddings: 2_048,
    positions_after_pad: false,
    activation: "gelu",
    norm_epsilon: 1e-5,
    tie_word_embeddings: false,
    bos_token_id: Some(0),
    eos_token_id: Some(2),
    pad_token_id: None,
    rotary: Some(RotaryFields {
        theta: "rotary_emb_base",
        partial_rotary_factor: "rotary_pct",
        default_share: 0.25,
        ..RotaryFields::LLAMA
    }),
    sliding_window: SlidingWindowRule::Never,
};

struct GptNeox<B: Backend> {
    head: OutputHead<B>,
    /// Side by side: `x += attention(norm(x)) + mlp(norm(x))`; else one after the other.
    parallel: bool,
    blocks: Vec<DecoderBlock<B>>,
    norm: Norm<B>,
}

impl<B: Backend> GptNeox<B> {
    fn block(
        &self,
        backend: &B,
        block: &DecoderBlock<B>,
        hidden: &mut B::Tensor,
        input: &ForwardInput<'_>,
        cache: &B::KvCache,
    ) -> Result<(), ModelError> {
        if !self.parallel {
            return block.forward(backend, hidden, input, cache);
        }
        let for_attention = normed(backend, hidden, block.attention_norm.as_ref())?;
        let for_mlp = normed(backend, hidden, block.mlp_norm.as_ref())?;
        block.attention.add_to(backend, hidden, &for_attention, input, cache)?;
        block.mlp.add_to(backend, hidden, &for_mlp)
    }
}

impl<B: Backend> CausalModel<B> for GptNeox<B> {
    fn hidden_states(
        &self,
        backend: &B,
        input: &ForwardInput<'_>,
        caches: &[B::KvCache],
    ) -> Result<Option<B::Tensor>, ModelError> {
        let mut hidden = backend.embed(self.head.embedding(), input.input_ids, 0)?; // [tokens, hidden]
        for (block, cache) in self.blocks.iter().zip(caches) {
            self.block(backend, block, &mut hidden, input, cache)?;
        }
        if input.logits_indices.is_empty() {
            return Ok(None);
        }
        let wanted = backend.select_rows(&hidden, input.logits_indices)?; // [logits, hidden]
        backend.norm(&wanted, &self.norm).map(Some)
    }

    fn head(&self) -> &OutputHead<B> {
        &self.head
    }
}

/// Puts the tensors together; the output matrix is `embed_out` in files, `lm_head` in what transformers 5 has in memory.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let config = loader.config;
    let base = loader.base("gpt_neox");
    let rope = loader.partial_rope()?.map(Arc::new);
    let embedding = format!("{base}embed_in.weight");
    let output = if loader.contains("lm_head.weight") { "lm_head.weight" } else { "embed_out.weight" };
    let shape = [config.vocab_size, config.hidden_size];
    Ok(Box::new(GptNeox {
        head: OutputHead::load(loader, &embedding, output, shape, config.tie_word_embeddings)?,
        parallel: config.document.flag("use_parallel_residual", true)?,
        blocks: (0..config.num_hidden_layers)
            .map(|layer| block(loader, &format!("{base}layers.{layer}"), rope.clone()))
            .collect::<Result<_, _>>()?,
        norm: loader.layer_norm(&format!("{base}final_layer_norm"))?,
    }))
}

fn block<B: Backend>(
    loader: &WeightLoader<'_, B>,
    name: &str,
    rope: Option<Arc<B::Rope>>,
) -> Result<DecoderBlock<B>, ModelError> {
    let config = loader.config;
    let heads = loader.heads();
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let bias = config.document.flag("attention_bias", true)?;
    Ok(DecoderBlock {
        attention_norm: Some(loader.layer_norm(&format!("{name}.input_layernorm"))?),
        attention: Attention {
            heads,
            scale: heads.inverse_root(),
            score_cap: None,
            causal: true,
            sliding_window: None,
            qkv: loader.qkv_by_head(&format!("{name}.attention.query_key_value"), heads, hidden, bias)?,
            output: loader.linear(&format!("{name}.attention.dense"), hidden, hidden, bias)?,
            residual: Residual::Plain,
            head_norms: None,
            rope,
        },
        mlp_norm: Some(loader.layer_norm(&format!("{name}.post_attention_layernorm"))?),
        mlp: Mlp::Plain {
            up: loader.linear(&format!("{name}.mlp.dense_h_to_4h"), inner, hidden, true)?,
            activation: loader.activation()?,
            down: loader.linear(&format!("{name}.mlp.dense_4h_to_h"), hidden, inner, true)?,
        },
    })
}
