//! BERT: a bidirectional encoder with learned positions, token types and norms after each half of a block.
//! <https://arxiv.org/abs/1810.04805>. RoBERTa and XLM-R are its relatives: positions begin after the pad token's id, and
//! their classifier has other names.

use quire_weights::{ConfigClass, ConfigDocument, FieldNames, SlidingWindowRule};

use crate::layers::{Attention, Mlp, Residual};
use crate::{Activation, Backend, EncoderModel, ForwardInput, Linear, ModelError, Norm, WeightLoader};

/// `BertConfig`.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "bert",
    names: FieldNames {
        num_key_value_heads: None,
        head_dim: None,
        norm_epsilon: Some("layer_norm_eps"),
        ..FieldNames::LLAMA
    },
    vocab_size: 30_522,
    hidden_size: 768,
    intermediate_size: Some(3_072),
    num_hidden_layers: 12,
    num_attention_heads: 12,
    num_key_value_heads: None,
    head_dim: None,
    max_position_embeddings: 512,
    positions_after_pad: false,
    activation: "gelu",
    norm_epsilon: 1e-12,
    tie_word_embeddings: true,
    bos_token_id: None,
    eos_token_id: None,
    pad_token_id: Some(0),
    rotary: None,
    sliding_window: SlidingWindowRule::Never,
};

/// `RobertaConfig` and `XLMRobertaConfig`.
pub(crate) const ROBERTA_CLASS: ConfigClass = ConfigClass {
    model_type: "roberta",
    vocab_size: 50_265,
    positions_after_pad: true,
    bos_token_id: Some(0),
    eos_token_id: Some(2),
    pad_token_id: Some(1),
    ..CLASS
};

/// `XLMRobertaConfig`.
pub(crate) const XLM_ROBERTA_CLASS: ConfigClass =
    ConfigClass { model_type: "xlm-roberta", vocab_size: 30_522, ..ROBERTA_CLASS };

struct Bert<B: Backend> {
    words: B::Matrix,
    positions: B::Matrix,
    token_types: B::Matrix,
    /// RoBERTa's pad token: it is at the position before the first, and the positions of other tokens pass over it.
    pad: Option<i32>,
    norm: Norm<B>,
    blocks: Vec<Block<B>>,
    classifier: Option<Classifier<B>>,
}

/// `x = norm(x + attention(x)); x = norm(x + mlp(x))`.
struct Block<B: Backend> {
    attention: Attention<B>,
    attention_norm: Norm<B>,
    mlp: Mlp<B>,
    mlp_norm: Norm<B>,
}

/// `output(tanh(dense(x)))`.
struct Classifier<B: Backend> {
    dense: Linear<B>,
    output: Linear<B>,
}

impl<B: Backend> EncoderModel<B> for Bert<B> {
    fn hidden_states(
        &self,
        backend: &B,
        input: &ForwardInput<'_>,
        token_types: &[i32],
        cache: &B::KvCache,
    ) -> Result<B::Tensor, ModelError> {
        let mut hidden = backend.embed(&self.words, input.input_ids, 0)?; // [tokens, hidden]
        let positions = match self.pad {
            Some(pad) => backend.embed(&self.positions, &positions_past_pads(input, pad), pad)?,
            None => backend.embed(&self.positions, input.positions, 0)?,
        };
        backend.add(&mut hidden, &positions)?;
        let no_types = vec![0; if token_types.is_empty() { input.num_tokens() } else { 0 }];
        let token_types = if token_types.is_empty() { &no_types } else { token_types };
        backend.add(&mut hidden, &backend.embed(&self.token_types, token_types, 0)?)?;
        let mut hidden = backend.norm(&hidden, &self.norm)?;
        for block in &self.blocks {
            let mut sum = backend.copy(&hidden)?;
            block.attention.add_to(backend, &mut sum, &hidden, input, cache)?;
            hidden = backend.norm(&sum, &block.attention_norm)?;
            let mut sum = backend.copy(&hidden)?;
            block.mlp.add_to(backend, &mut sum, &hidden)?;
            hidden = backend.norm(&sum, &block.mlp_norm)?;
        }
        Ok(hidden)
    }

    fn classify(&self, backend: &B, first_tokens: &B::Tensor) -> Result<Option<B::Tensor>, ModelError> {
        let Some(classifier) = &self.classifier else { return Ok(None) };
        let mut pooled = backend.linear(first_tokens, &classifier.dense)?; // [rows, hidden]
        backend.activate(&mut pooled, Activation::Tanh)?;
        backend.linear(&pooled, &classifier.output).map(Some) // [rows, labels]
    }
}

/// Positions from 1 on, counted over the tokens of a row that are not `pad`; a pad token is at 0.
fn positions_past_pads(input: &ForwardInput<'_>, pad: i32) -> Vec<i32> {
    let mut positions = Vec::with_capacity(input.num_tokens());
    for bounds in input.query_start_loc.windows(2) {
        let mut count = 0;
        positions.extend(input.input_ids[bounds[0] as usize..bounds[1] as usize].iter().map(|&id| {
            count += i32::from(id != pad);
            if id == pad { 0 } else { count }
        }));
    }
    positions
}

/// What differs between the members of the family.
#[derive(Clone, Copy)]
struct Family {
    /// What names of tensors begin with when the model has a head.
    base: &'static str,
    /// Names of the classifier's two layers.
    classifier: Option<[&'static str; 2]>,
    positions_after_pad: bool,
}

/// `BertModel`.
pub(crate) fn build<B: Backend + 'static>(
    loader: &WeightLoader<'_, B>,
) -> Result<Box<dyn EncoderModel<B>>, ModelError> {
    Family { base: "bert", classifier: None, positions_after_pad: false }.build(loader)
}

/// `BertForSequenceClassification`.
pub(crate) fn build_classifier<B: Backend + 'static>(
    loader: &WeightLoader<'_, B>,
) -> Result<Box<dyn EncoderModel<B>>, ModelError> {
    Family { base: "bert", classifier: Some(["bert.pooler.dense", "classifier"]), positions_after_pad: false }
        .build(loader)
}

/// `RobertaModel` and `XLMRobertaModel`.
pub(crate) fn build_roberta<B: Backend + 'static>(
    loader: &WeightLoader<'_, B>,
) -> Result<Box<dyn EncoderModel<B>>, ModelError> {
    Family { base: "roberta", classifier: None, positions_after_pad: true }.build(loader)
}

/// `RobertaForSequenceClassification` and `XLMRobertaForSequenceClassification`.
pub(crate) fn build_roberta_classifier<B: Backend + 'static>(
    loader: &WeightLoader<'_, B>,
) -> Result<Box<dyn EncoderModel<B>>, ModelError> {
    let classifier = Some(["classifier.dense", "classifier.out_proj"]);
    Family { base: "roberta", classifier, positions_after_pad: true }.build(loader)
}

impl Family {
    fn build<B: Backend + 'static>(self, loader: &WeightLoader<'_, B>) -> Result<Box<dyn EncoderModel<B>>, ModelError> {
        let config = loader.config;
        check_supported(&config.document)?;
        let base = loader.base(self.base);
        let hidden = config.hidden_size;
        let pad = config.pad_token_id.filter(|_| self.positions_after_pad);
        let num_positions = config.max_position_embeddings + pad.map_or(0, |pad| pad as usize + 1);
        let table = |name: &str, rows: usize| {
            loader.embedding(&format!("{base}embeddings.{name}_embeddings.weight"), [rows, hidden])
        };
        let classifier = match self.classifier {
            None => None,
            Some([dense, output]) => {
                expect_one_label(&config.document)?;
                let dense = loader.linear(dense, hidden, hidden, true)?;
                Some(Classifier { dense, output: loader.linear(output, 1, hidden, true)? })
            }
        };
        Ok(Box::new(Bert {
            words: table("word", config.vocab_size)?,
            positions: table("position", num_positions)?,
            token_types: table("token_type", num_token_types(&config.document)?)?,
            pad,
            norm: norm(loader, &format!("{base}embeddings.LayerNorm"))?,
            blocks: (0..config.num_hidden_layers)
                .map(|layer| block(loader, &format!("{base}encoder.layer.{layer}")))
                .collect::<Result<_, _>>()?,
            classifier,
        }))
    }
}

fn block<B: Backend>(loader: &WeightLoader<'_, B>, name: &str) -> Result<Block<B>, ModelError> {
    let (hidden, inner) = (loader.config.hidden_size, loader.config.intermediate_size);
    let heads = loader.heads();
    let qkv = ["query", "key", "value"].map(|projection| (format!("{name}.attention.self.{projection}"), hidden));
    Ok(Block {
        attention: Attention {
            heads,
            scale: heads.inverse_root(),
            score_cap: None,
            causal: false,
            sliding_window: None,
            qkv: loader.stacked(&qkv, hidden, true)?,
            output: loader.linear(&format!("{name}.attention.output.dense"), hidden, hidden, true)?,
            residual: Residual::Plain,
            head_norms: None,
            rope: None,
        },
        attention_norm: norm(loader, &format!("{name}.attention.output.LayerNorm"))?,
        mlp: Mlp::Plain {
            up: loader.linear(&format!("{name}.intermediate.dense"), inner, hidden, true)?,
            activation: loader.activation()?,
            down: loader.linear(&format!("{name}.output.dense"), hidden, inner, true)?,
        },
        mlp_norm: norm(loader, &format!("{name}.output.LayerNorm"))?,
    })
}

/// A layer norm, which the first checkpoints call by the names of TensorFlow.
fn norm<B: Backend>(loader: &WeightLoader<'_, B>, name: &str) -> Result<Norm<B>, ModelError> {
    if !loader.contains(&format!("{name}.gamma")) {
        return loader.layer_norm(name);
    }
    let width = loader.config.hidden_size;
    Ok(Norm::Layer {
        weight: loader.vector(&format!("{name}.gamma"), width)?,
        bias: loader.vector(&format!("{name}.beta"), width)?,
        epsilon: loader.config.norm_epsilon,
    })
}

/// Rows of the table of token types.
pub(crate) fn num_token_types(document: &ConfigDocument) -> Result<usize, ModelError> {
    match document.count("type_vocab_size")? {
        Some(0) => Err(document.invalid_text("type_vocab_size", "0".to_string(), "a number above 0").into()),
        count => Ok(count.unwrap_or(2)),
    }
}

/// A classifier with one label gives a score; what several labels mean, only their names say.
fn expect_one_label(document: &ConfigDocument) -> Result<(), ModelError> {
    let labels = match document.get("id2label").and_then(|labels| labels.as_object()) {
        Some(labels) => labels.len(),
        None => document.count("num_labels")?.unwrap_or(2),
    };
    if labels == 1 {
        return Ok(());
    }
    Err(ModelError::UnsupportedConfig { field: "num_labels", found: labels.to_string(), expected: "1, a score, is" })
}

fn check_supported(document: &ConfigDocument) -> Result<(), ModelError> {
    let unsupported = |field, found: String, expected| Err(ModelError::UnsupportedConfig { field, found, expected });
    match document.text("position_embedding_type")? {
        None | Some("absolute") => {}
        Some(other) => return unsupported("position_embedding_type", other.to_string(), "`absolute` is"),
    }
    if document.flag("is_decoder", false)? {
        return unsupported("is_decoder", "true".to_string(), "only encoders are, in this architecture");
    }
    Ok(())
}
