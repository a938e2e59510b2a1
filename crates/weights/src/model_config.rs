//! A model's sizes and switches, typed and checked: `config.json` with the defaults of its class filled in.

use serde_json::Value;

use crate::{ConfigClass, ConfigDocument, DType, LatentFields, RopeConfig, SlidingWindowRule, WeightsError};

/// No real model comes near; keeps a hostile file from asking for terabytes before a tensor's shape is compared.
const MAX_LAYERS: usize = 4_096;
const MAX_WIDTH: usize = 1 << 20;
const MAX_VOCAB: usize = 1 << 24;

/// What every transformer has, decoder or encoder. Sizes are in elements and never 0.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// The class that the checkpoint was saved from, such as `LlamaForCausalLM`.
    pub architecture: String,
    /// `model_type`.
    pub model_type: String,
    /// Number of tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of query heads.
    pub num_attention_heads: usize,
    /// Number of key and value heads; divides `num_attention_heads`. One, where a vector stands for all of them.
    pub num_key_value_heads: usize,
    /// Size of one head, as it is attended with and cached.
    pub head_dim: usize,
    /// Elements of each head that rotary positions may concern: all, but where a latent vector keeps them apart.
    pub rotary_dim: usize,
    /// Longest sequence of training, without rows of the table that are no positions.
    pub max_position_embeddings: usize,
    /// Name of the feed-forward activation.
    pub activation: String,
    /// Epsilon of the norms.
    pub norm_epsilon: f32,
    /// Whether the output matrix is the embedding.
    pub tie_word_embeddings: bool,
    /// What the checkpoint says it is stored in.
    pub dtype: Option<DType>,
    /// First token of a sequence.
    pub bos_token_id: Option<i32>,
    /// Tokens that end a sequence.
    pub eos_token_ids: Vec<i32>,
    /// Token that fills up.
    pub pad_token_id: Option<i32>,
    /// Rotary positions, if the architecture has them.
    pub rope: Option<RopeConfig>,
    /// Rotary positions of layers with a window, where they have their own.
    pub windowed_rope: Option<RopeConfig>,
    /// Per layer: how many positions back a token sees, itself included; `None` = all.
    pub sliding_windows: Vec<Option<usize>>,
    /// The file itself, for fields that one architecture has alone.
    pub document: ConfigDocument,
}

impl ModelConfig {
    /// Fills in the defaults of `class` and checks the sizes against each other.
    ///
    /// # Errors
    /// [`WeightsError::InvalidField`]: a field of the wrong type, zero where nothing can be zero, heads that don't divide,
    /// sizes beyond any real model.
    pub fn read(document: &ConfigDocument, class: &ConfigClass) -> Result<ModelConfig, WeightsError> {
        let names = &class.names;
        let fields = Fields { document };
        let hidden_size = fields.size(names.hidden_size, class.hidden_size, MAX_WIDTH)?;
        let num_attention_heads = fields.size(names.num_attention_heads, class.num_attention_heads, MAX_WIDTH)?;
        let max_position_embeddings =
            fields.size(names.max_position_embeddings, class.max_position_embeddings, i32::MAX as usize)?;
        let num_hidden_layers = fields.size(names.num_hidden_layers, class.num_hidden_layers, MAX_LAYERS)?;
        let latent = match names.latent {
            None => None,
            Some(LatentFields { rank, rotated }) => {
                Some((fields.size(rank.0, rank.1, MAX_WIDTH)?, fields.size(rotated.0, rotated.1, MAX_WIDTH)?))
            }
        };
        let num_key_value_heads = match names.num_key_value_heads.filter(|_| latent.is_none()) {
            Some(name) => fields.optional(name, class.num_key_value_heads, num_attention_heads, MAX_WIDTH)?,
            None if latent.is_some() => 1,
            None => num_attention_heads,
        };
        if !num_attention_heads.is_multiple_of(num_key_value_heads) {
            let found = format!("{num_key_value_heads}, with {num_attention_heads} attention heads");
            return Err(document.invalid_text("num_key_value_heads", found, "a divisor of the attention heads"));
        }
        let derived = hidden_size / num_attention_heads;
        let head_dim = match (latent, names.head_dim) {
            (Some((rank, rotated)), _) => rank + rotated,
            (None, Some(name)) => fields.optional(name, class.head_dim, derived, MAX_WIDTH)?,
            (None, None) => fields.within(names.hidden_size, derived, MAX_WIDTH)?,
        };
        if latent.is_none() && head_dim == derived && derived * num_attention_heads != hidden_size {
            let found = format!("{hidden_size}, with {num_attention_heads} attention heads");
            return Err(document.invalid_text(names.hidden_size, found, "a multiple of the attention heads"));
        }
        if num_attention_heads * head_dim > MAX_WIDTH {
            return Err(document.invalid_text("head_dim", head_dim.to_string(), "heads x head_dim of at most 1048576"));
        }
        let pad_token_id = fields.token("pad_token_id", class.pad_token_id)?;
        let rows_before_positions = match pad_token_id {
            Some(pad) if class.positions_after_pad => pad as usize + 1,
            _ => 0,
        };
        if rows_before_positions >= max_position_embeddings {
            let found =
                format!("{max_position_embeddings}, of which {rows_before_positions} are before the first position");
            return Err(document.invalid_text(names.max_position_embeddings, found, "rows for at least one position"));
        }
        let norm_epsilon = match names.norm_epsilon {
            Some(name) => fields.epsilon(name, class.norm_epsilon)?,
            None => class.norm_epsilon,
        };
        Ok(ModelConfig {
            architecture: document.architecture()?.unwrap_or_default().to_string(),
            model_type: document.model_type()?.unwrap_or(class.model_type).to_string(),
            vocab_size: fields.size("vocab_size", class.vocab_size, MAX_VOCAB)?,
            hidden_size,
            intermediate_size: fields.optional(
                names.intermediate_size,
                class.intermediate_size,
                4 * hidden_size,
                4 * MAX_WIDTH,
            )?,
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            rotary_dim: latent.map_or(head_dim, |(_, rotated)| rotated),
            max_position_embeddings: max_position_embeddings - rows_before_positions,
            activation: document.text(names.activation)?.unwrap_or(class.activation).to_string(),
            norm_epsilon: norm_epsilon as f32,
            tie_word_embeddings: document.flag("tie_word_embeddings", class.tie_word_embeddings)?,
            dtype: document.dtype()?,
            bos_token_id: fields.token("bos_token_id", class.bos_token_id)?,
            eos_token_ids: match document.token_ids("eos_token_id")? {
                Some(ids) => ids,
                None => class.eos_token_id.into_iter().collect(),
            },
            pad_token_id,
            rope: class
                .rotary
                .map(|fields| RopeConfig::read(document, &fields, max_position_embeddings))
                .transpose()?,
            windowed_rope: match class.rotary {
                Some(fields) => RopeConfig::read_windowed(document, &fields, max_position_embeddings)?,
                None => None,
            },
            sliding_windows: sliding_windows(document, class.sliding_window, num_hidden_layers)?,
            document: document.clone(),
        })
    }
}

struct Fields<'a> {
    document: &'a ConfigDocument,
}

impl Fields<'_> {
    /// A size that always has a value: not null, not 0, at most `limit`.
    fn size(&self, field: &str, default: usize, limit: usize) -> Result<usize, WeightsError> {
        if self.document.is_null(field) {
            return Err(self.document.invalid(field, &Value::Null, "a number above 0"));
        }
        self.within(field, self.document.count(field)?.unwrap_or(default), limit)
    }

    /// A size that may be null: `derived` when it is, `default` (or else `derived`) when absent.
    fn optional(
        &self,
        field: &str,
        default: Option<usize>,
        derived: usize,
        limit: usize,
    ) -> Result<usize, WeightsError> {
        let absent = if self.document.is_null(field) { derived } else { default.unwrap_or(derived) };
        self.within(field, self.document.count(field)?.unwrap_or(absent), limit)
    }

    fn epsilon(&self, field: &str, default: f64) -> Result<f64, WeightsError> {
        let epsilon = self.document.number(field)?.unwrap_or(default);
        if epsilon >= 0.0 {
            return Ok(epsilon);
        }
        Err(self.document.invalid_text(field, epsilon.to_string(), "a number not below 0"))
    }

    fn within(&self, field: &str, size: usize, limit: usize) -> Result<usize, WeightsError> {
        if size >= 1 && size <= limit {
            return Ok(size);
        }
        Err(self.document.invalid_text(field, size.to_string(), "a number above 0 and within what real models have"))
    }

    /// One token id; null means none.
    fn token(&self, field: &str, default: Option<i32>) -> Result<Option<i32>, WeightsError> {
        Ok(match self.document.token_ids(field)? {
            Some(ids) => ids.first().copied(),
            None => default,
        })
    }
}

fn sliding_windows(
    document: &ConfigDocument,
    rule: SlidingWindowRule,
    num_layers: usize,
) -> Result<Vec<Option<usize>>, WeightsError> {
    let window = |default: Option<usize>| -> Result<Option<usize>, WeightsError> {
        let window =
            if document.is_null("sliding_window") { None } else { document.count("sliding_window")?.or(default) };
        match window {
            Some(0) => Err(document.invalid_text("sliding_window", "0".to_string(), "a number above 0, or null")),
            window => Ok(window),
        }
    };
    let by_type = |types: &Value, window: Option<usize>| -> Result<Vec<Option<usize>>, WeightsError> {
        let expected = "a list of `full_attention` or `sliding_attention`, one per layer";
        let invalid = || document.invalid("layer_types", types, expected);
        let list = types.as_array().filter(|list| list.len() == num_layers).ok_or_else(invalid)?;
        list.iter()
            .map(|layer_type| match layer_type.as_str() {
                Some("full_attention") => Ok(None),
                Some("sliding_attention") => Ok(window),
                _ => Err(invalid()),
            })
            .collect()
    };
    match rule {
        SlidingWindowRule::Never => Ok(vec![None; num_layers]),
        SlidingWindowRule::EveryLayer(default) => Ok(vec![window(default)?; num_layers]),
        SlidingWindowRule::PerLayer => {
            let window = if document.flag("use_sliding_window", false)? { window(Some(4_096))? } else { None };
            let first_windowed = document.count("max_window_layers")?.unwrap_or(28);
            match document.get("layer_types") {
                Some(types) => by_type(types, window),
                None => Ok((0..num_layers).map(|layer| window.filter(|_| layer >= first_windowed)).collect()),
            }
        }
        SlidingWindowRule::WhenUsed => {
            let window = if document.flag("use_sliding_window", false)? { window(Some(4_096))? } else { None };
            Ok(vec![window; num_layers])
        }
        SlidingWindowRule::Alternating { period, period_field } => {
            let window = window(Some(4_096))?;
            if let Some(types) = document.get("layer_types") {
                return by_type(types, window);
            }
            let period = match period_field {
                Some(field) => match document.count(field)? {
                    Some(0) => return Err(document.invalid_text(field, "0".to_string(), "a number above 0")),
                    count => count.unwrap_or(period),
                },
                None => period,
            };
            Ok((0..num_layers).map(|layer| window.filter(|_| !(layer + 1).is_multiple_of(period))).collect())
        }
    }
}
