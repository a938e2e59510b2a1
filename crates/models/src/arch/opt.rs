//! OPT: learned positions from row 2 on, ReLU, norms before or after each half of a block, embeddings that may be narrower
//! than the hidden states (opt-350m). <https://arxiv.org/abs/2205.01068>

use quire_weights::{ConfigClass, FieldNames, SlidingWindowRule};

use crate::layers::{Attention, Mlp, OutputHead, Residual};
use crate::{Backend, CausalModel, ForwardInput, Linear, ModelError, Norm, WeightLoader};

/// Rows in front of the first position, left over from a padding scheme.
const POSITION_OFFSET: i32 = 2;
/// torch's default; the configuration has no field for it.
const NORM_EPSILON: f64 = 1e-5;

/// `OPTConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "opt",
    names: FieldNames {
        intermediate_size: "ffn_dim",
        num_key_value_heads: None,
        head_dim: None,
        activation: "activation_function",
        norm_epsilon: None,
        ..FieldNames::LLAMA
    },
    vocab_size: 50_272,
    hidden_size: 768,
    intermediate_size: Some(3_072),
    num_hidden_layers: 12,
    num_attention_heads: 12,
    num_key_value_heads: None,
    head_dim: None,
    max_position_embeddings: 2_048,
    positions_after_pad: false,
    activation: "relu",
    norm_epsilon: NORM_EPSILON,
    tie_word_embeddings: true,
    bos_token_id: Some(2),
    eos_token_id: Some(2),
    pad_token_id: Some(1),
    rotary: None,
    sliding_window: SlidingWindowRule::Never,
};

struct Opt<B: Backend> {
    head: OutputHead<B>,
    positions: B::Matrix,
    project_in: Option<Linear<B>>,
    blocks: Vec<Block<B>>,
    final_norm: Option<Norm<B>>,
    project_out: Option<Linear<B>>,
}

struct Block<B: Backend> {
    norm_first: bool,
    attention: Attention<B>,
    attention_norm: Norm<B>,
    mlp: Mlp<B>,
    mlp_norm: Norm<B>,
}

impl<B: Backend> Block<B> {
    fn forward(
        &self,
        backend: &B,
        mut hidden: B::Tensor,
        input: &ForwardInput<'_>,
        cache: &B::KvCache,
    ) -> Result<B::Tensor, ModelError> {
        if self.norm_first {
            let normed = backend.norm(&hidden, &self.attention_norm)?;
            self.attention.add_to(backend, &mut hidden, &normed, input, cache)?;
            let normed = backend.norm(&hidden, &self.mlp_norm)?;
            self.mlp.add_to(backend, &mut hidden, &normed)?;
            return Ok(hidden);
        }
        let mut sum = backend.copy(&hidden)?;
        self.attention.add_to(backend, &mut sum, &hidden, input, cache)?;
        let hidden = backend.norm(&sum, &self.attention_norm)?;
        let mut sum = backend.copy(&hidden)?;
        self.mlp.add_to(backend, &mut sum, &hidden)?;
        backend.norm(&sum, &self.mlp_norm)
    }
}

impl<B: Backend> CausalModel<B> for Opt<B> {
    fn hidden_states(
        &self,
        backend: &B,
        input: &ForwardInput<'_>,
        caches: &[B::KvCache],
    ) -> Result<Option<B::Tensor>, ModelError> {
        let mut hidden = backend.embed(self.head.embedding(), input.input_ids, 0)?; // [tokens, embedding]
        if let Some(project_in) = &self.project_in {
            hidden = backend.linear(&hidden, project_in)?; // [tokens, hidden]
        }
        backend.add(&mut hidden, &backend.embed(&self.positions, input.positions, POSITION_OFFSET)?)?;
        for (block, cache) in self.blocks.iter().zip(caches) {
            hidden = block.forward(backend, hidden, input, cache)?;
        }
        if input.logits_indices.is_empty() {
            return Ok(None);
        }
        let mut wanted = backend.select_rows(&hidden, input.logits_indices)?; // [logits, hidden]
        if let Some(norm) = &self.final_norm {
            wanted = backend.norm(&wanted, norm)?;
        }
        if let Some(project_out) = &self.project_out {
            wanted = backend.linear(&wanted, project_out)?; // [logits, embedding]
        }
        Ok(Some(wanted))
    }

    fn head(&self) -> &OutputHead<B> {
        &self.head
    }
}

/// Puts the tensors together.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let config = loader.config;
    let document = &config.document;
    let hidden = config.hidden_size;
    let base = format!("{}decoder.", loader.base("model"));
    let norm_first = document.flag("do_layer_norm_before", true)?;
    let affine = document.flag("layer_norm_elementwise_affine", true)?;
    let options = BlockOptions { norm_first, affine, bias: document.flag("enable_bias", true)? };
    let embedding_width = document.count("word_embed_proj_dim")?.unwrap_or(hidden);
    let projected = embedding_width != hidden;
    let embedding = format!("{base}embed_tokens.weight");
    let shape = [config.vocab_size, embedding_width];
    let rows = config.max_position_embeddings + POSITION_OFFSET as usize;
    let final_norm = norm_first && !document.flag("_remove_final_layer_norm", false)?;
    let project = |name: &str, outputs: usize, inputs: usize| {
        projected.then(|| loader.linear(&format!("{base}{name}"), outputs, inputs, false)).transpose()
    };
    Ok(Box::new(Opt {
        head: OutputHead::load(loader, &embedding, "lm_head.weight", shape, config.tie_word_embeddings)?,
        positions: loader.embedding(&format!("{base}embed_positions.weight"), [rows, hidden])?,
        project_in: project("project_in", hidden, embedding_width)?,
        blocks: (0..config.num_hidden_layers)
            .map(|layer| block(loader, &format!("{base}layers.{layer}"), &options))
            .collect::<Result<_, _>>()?,
        final_norm: final_norm.then(|| norm(loader, &format!("{base}final_layer_norm"), affine)).transpose()?,
        project_out: project("project_out", embedding_width, hidden)?,
    }))
}

struct BlockOptions {
    norm_first: bool,
    affine: bool,
    bias: bool,
}

fn block<B: Backend>(loader: &WeightLoader<'_, B>, name: &str, options: &BlockOptions) -> Result<Block<B>, ModelError> {
    let (hidden, inner) = (loader.config.hidden_size, loader.config.intermediate_size);
    let heads = loader.heads();
    let qkv = ["q_proj", "k_proj", "v_proj"].map(|projection| (format!("{name}.self_attn.{projection}"), hidden));
    Ok(Block {
        norm_first: options.norm_first,
        attention: Attention {
            heads,
            scale: heads.inverse_root(),
            score_cap: None,
            causal: true,
            sliding_window: None,
            qkv: loader.stacked(&qkv, hidden, options.bias)?,
            output: loader.linear(&format!("{name}.self_attn.out_proj"), hidden, hidden, options.bias)?,
            residual: Residual::Plain,
            head_norms: None,
            rope: None,
        },
        attention_norm: norm(loader, &format!("{name}.self_attn_layer_norm"), options.affine)?,
        mlp: Mlp::Plain {
            up: loader.linear(&format!("{name}.fc1"), inner, hidden, options.bias)?,
            activation: loader.activation()?,
            down: loader.linear(&format!("{name}.fc2"), hidden, inner, options.bias)?,
        },
        mlp_norm: norm(loader, &format!("{name}.final_layer_norm"), options.affine)?,
    })
}

/// A stored layer norm, or one without weights, which leaves rows normalised and nothing else.
fn norm<B: Backend>(loader: &WeightLoader<'_, B>, name: &str, affine: bool) -> Result<Norm<B>, ModelError> {
    if affine {
        return loader.layer_norm(name);
    }
    let width = loader.config.hidden_size;
    Ok(Norm::Layer {
        weight: loader.constant(1.0, width)?,
        bias: loader.constant(0.0, width)?,
        epsilon: loader.config.norm_epsilon,
    })
}
