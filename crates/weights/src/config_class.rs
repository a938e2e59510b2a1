//! What the configuration class of one architecture adds to the bare JSON: the names of its fields and the values that
//! they have when absent. The tables themselves stand with the architectures.

/// The names under which an architecture's `config.json` stores what all of them have.
#[derive(Clone, Copy, Debug)]
pub struct FieldNames {
    /// Width of the hidden states.
    pub hidden_size: &'static str,
    /// Width of the feed-forward layer.
    pub intermediate_size: &'static str,
    /// Number of layers.
    pub num_hidden_layers: &'static str,
    /// Number of query heads.
    pub num_attention_heads: &'static str,
    /// Number of key and value heads; `None` = the class has no such field.
    pub num_key_value_heads: Option<&'static str>,
    /// Size of a head; `None` = the class has no such field.
    pub head_dim: Option<&'static str>,
    /// Longest sequence of training.
    pub max_position_embeddings: &'static str,
    /// Feed-forward activation.
    pub activation: &'static str,
    /// Epsilon of the norms; `None` = the class has no such field.
    pub norm_epsilon: Option<&'static str>,
    /// Of the vector that stands for the keys and values of all heads; `None` = there are heads of both.
    pub latent: Option<LatentFields>,
}

/// What a class calls the sizes of latent attention, and what they are when absent.
#[derive(Clone, Copy, Debug)]
pub struct LatentFields {
    /// Size of the vector.
    pub rank: (&'static str, usize),
    /// Elements of each query, and of the key that all heads share, that are rotated.
    pub rotated: (&'static str, usize),
}

impl FieldNames {
    /// The names of the Llama family.
    pub const LLAMA: FieldNames = FieldNames {
        hidden_size: "hidden_size",
        intermediate_size: "intermediate_size",
        num_hidden_layers: "num_hidden_layers",
        num_attention_heads: "num_attention_heads",
        num_key_value_heads: Some("num_key_value_heads"),
        head_dim: Some("head_dim"),
        max_position_embeddings: "max_position_embeddings",
        activation: "hidden_act",
        norm_epsilon: Some("rms_norm_eps"),
        latent: None,
    };
}

/// What a class calls its rotary fields where `rope_parameters` does not hold them.
#[derive(Clone, Copy, Debug)]
pub struct RotaryFields {
    /// Base of the wavelengths.
    pub theta: &'static str,
    /// Share of each head that is rotated.
    pub partial_rotary_factor: &'static str,
    /// That share when it is absent.
    pub default_share: f64,
    /// Base when it is absent.
    pub default_theta: f64,
    /// Name and default of the base of layers with a window, where they have their own; they are never stretched.
    pub windowed_theta: Option<(&'static str, f64)>,
    /// `original_max_position_embeddings` beside the rotary parameters when it is absent there; it outranks the one among them.
    /// `None` = the class has no such field.
    pub trained_length: Option<usize>,
}

impl RotaryFields {
    /// The fields of the Llama family, which rotates whole heads.
    pub const LLAMA: RotaryFields = RotaryFields {
        theta: "rope_theta",
        partial_rotary_factor: "partial_rotary_factor",
        default_share: 1.0,
        default_theta: 10_000.0,
        windowed_theta: None,
        trained_length: None,
    };
}

/// Which layers attend to a window only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlidingWindowRule {
    /// The class knows no window.
    Never,
    /// `sliding_window` holds for every layer; the number is its value when absent (null always means none).
    EveryLayer(Option<usize>),
    /// `use_sliding_window`, `sliding_window` (4096 when absent), `max_window_layers` (28 when absent) and `layer_types`
    /// decide layer by layer.
    PerLayer,
    /// `sliding_window` (4096 when absent) holds for every layer if `use_sliding_window` says so.
    WhenUsed,
    /// Every `period`th layer sees everything, the others `sliding_window` (4096 when absent); `layer_types` outranks that.
    Alternating {
        /// Layers from one that sees everything to the next.
        period: usize,
        /// The field with another period, where the class has one.
        period_field: Option<&'static str>,
    },
}

/// The configuration class of one architecture in transformers: names and defaults.
#[derive(Clone, Copy, Debug)]
pub struct ConfigClass {
    /// `model_type` in `config.json`.
    pub model_type: &'static str,
    /// Names of the fields.
    pub names: FieldNames,
    /// Number of tokens in the vocabulary; this and what follows are the values of absent fields.
    pub vocab_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width of the feed-forward layer; `None` = four times the hidden size, also when the field is null.
    pub intermediate_size: Option<usize>,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of query heads.
    pub num_attention_heads: usize,
    /// Number of key and value heads when the field is absent; `None` = as many as query heads, also when it is null.
    pub num_key_value_heads: Option<usize>,
    /// Size of a head when the field is absent; `None` = hidden size / heads, also when it is null.
    pub head_dim: Option<usize>,
    /// Longest sequence of training.
    pub max_position_embeddings: usize,
    /// Whether learned positions begin after the pad token's id, so that the rows up to it are none.
    pub positions_after_pad: bool,
    /// Feed-forward activation.
    pub activation: &'static str,
    /// Epsilon of the norms.
    pub norm_epsilon: f64,
    /// Whether the output matrix is the embedding.
    pub tie_word_embeddings: bool,
    /// First token of a sequence.
    pub bos_token_id: Option<i32>,
    /// Token that ends a sequence.
    pub eos_token_id: Option<i32>,
    /// Token that fills up.
    pub pad_token_id: Option<i32>,
    /// Rotary positions; `None` = the class has none.
    pub rotary: Option<RotaryFields>,
    /// Which layers attend to a window only.
    pub sliding_window: SlidingWindowRule,
}
