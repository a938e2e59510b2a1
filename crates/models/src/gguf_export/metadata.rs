//! A configuration as llama.cpp's converter writes it into a file's metadata.

use quire_gguf::{Architecture, GgufWriter, MetadataValue};
use quire_weights::{ModelConfig, RopeScaling};

use super::ExportError;

/// What a configuration becomes.
pub(super) struct Converted {
    /// Keys and values.
    pub(super) writer: GgufWriter,
    /// Factors of rotary frequencies, which are stored as tensors.
    pub(super) factors: Vec<(&'static str, Vec<f32>)>,
}

/// The values of one architecture.
pub(super) struct Values<'a> {
    pub(super) converted: Converted,
    architecture: Architecture,
    pub(super) config: &'a ModelConfig,
}

/// The architectures whose files say which layers see how much.
const WINDOWED: [Architecture; 7] = [
    Architecture::Cohere2,
    Architecture::Exaone4,
    Architecture::Gemma2,
    Architecture::Gemma3,
    Architecture::Olmo3,
    Architecture::Phi3,
    Architecture::Starcoder2,
];

/// Every so many layers of SmolLM3 no positions are rotated, which its files leave to the reader to know.
const LAYERS_TO_UNROTATED: usize = 4;

/// How many tokens a file can say that the model sees: where it cannot say that there is a window, no more than the window.
pub(super) fn context_length(architecture: Architecture, config: &ModelConfig) -> usize {
    let window = config.sliding_windows.iter().flatten().min().copied();
    let most = window.filter(|_| !WINDOWED.contains(&architecture)).unwrap_or(usize::MAX);
    config.max_position_embeddings.min(most)
}

/// Converts `config`.
///
/// # Errors
/// A field of the wrong type; rotary positions that files have no name for.
pub(super) fn convert(architecture: Architecture, config: &ModelConfig) -> Result<Converted, ExportError> {
    let converted = Converted { writer: GgufWriter::default(), factors: Vec::new() };
    let mut values = Values { converted, architecture, config };
    values.converted.writer.value("general.architecture", &MetadataValue::Text(architecture.name().to_string()));
    values.set_sizes();
    values.set_windows();
    values.set_own()?;
    match architecture {
        Architecture::DeepseekV2 | Architecture::DeepseekV3 => values.set_latent(architecture)?,
        _ => values.set_rotary()?,
    }
    Ok(values.converted)
}

impl Values<'_> {
    pub(super) fn set(&mut self, key: &str, value: MetadataValue) {
        self.converted.writer.value(&format!("{}.{key}", self.architecture.name()), &value);
    }

    pub(super) fn count(&mut self, key: &str, count: usize) {
        self.set(key, MetadataValue::Integer(count as i128));
    }

    /// As the format has numbers: float32.
    pub(super) fn number(&mut self, key: &str, number: f64) {
        self.set(key, MetadataValue::Float(f64::from(number as f32)));
    }

    fn set_sizes(&mut self) {
        let config = self.config;
        self.count("vocab_size", config.vocab_size);
        self.count("block_count", config.num_hidden_layers);
        self.count("context_length", context_length(self.architecture, config));
        self.count("embedding_length", config.hidden_size);
        self.count("feed_forward_length", config.intermediate_size);
        self.count("attention.head_count", config.num_attention_heads);
        self.count("attention.head_count_kv", config.num_key_value_heads);
        let norm = match self.architecture {
            Architecture::Cohere
            | Architecture::Cohere2
            | Architecture::Gpt2
            | Architecture::GptNeoX
            | Architecture::Phi
            | Architecture::StableLm
            | Architecture::Starcoder2 => "layer_norm_epsilon",
            _ => "layer_norm_rms_epsilon",
        };
        self.number(&format!("attention.{norm}"), f64::from(config.norm_epsilon));
    }

    fn set_windows(&mut self) {
        if !WINDOWED.contains(&self.architecture) {
            return;
        }
        let windows = &self.config.sliding_windows;
        match windows.iter().flatten().next() {
            Some(window) => self.count("attention.sliding_window", *window),
            // Its files always say it.
            None if self.architecture == Architecture::Phi3 => self.count("attention.sliding_window", 0),
            None => return,
        }
        if matches!(self.architecture, Architecture::Exaone4 | Architecture::Gemma3 | Architecture::Olmo3) {
            let flags = windows.iter().map(Option::is_some).collect();
            self.set("attention.sliding_window_pattern", MetadataValue::Bools(flags));
        }
    }

    /// What one architecture has alone.
    fn set_own(&mut self) -> Result<(), ExportError> {
        let document = &self.config.document;
        let is_scaled = document.flag("scale_attn_weights", true)?;
        if !is_scaled || document.flag("scale_attn_by_inverse_layer_idx", false)? {
            return Err(ExportError::NoForm {
                what: "that scores are scaled in another way than by the size of heads".into(),
            });
        }
        let renamed = [
            ("attn_logit_softcapping", "attn_logit_softcapping"),
            ("final_logit_softcapping", "final_logit_softcapping"),
            ("attention_multiplier", "attention.scale"),
            ("embedding_multiplier", "embedding_scale"),
            ("residual_multiplier", "residual_scale"),
            ("logits_scaling", "logit_scale"),
        ];
        for (field, key) in renamed {
            if let Some(number) = document.number(field)? {
                self.number(key, number);
            }
        }
        // llama.cpp tells it by the sizes of the published models, and does not look.
        if let Some(scalar) = document.number("query_pre_attn_scalar")? {
            self.number("attention.scale", scalar.powf(-0.5));
        }
        match self.architecture {
            Architecture::Cohere | Architecture::Cohere2 => {
                self.number("logit_scale", document.number("logit_scale")?.unwrap_or(0.0625));
            }
            Architecture::Glm4Moe => self.set_routed_experts(true)?,
            Architecture::GptNeoX | Architecture::StableLm => {
                let is_parallel = document.flag("use_parallel_residual", self.architecture == Architecture::GptNeoX)?;
                self.set("use_parallel_residual", MetadataValue::Bool(is_parallel));
            }
            Architecture::SmolLm3 => self.expect_usual_layers()?,
            _ => {}
        }
        let has_experts = matches!(
            self.architecture,
            Architecture::Mixtral | Architecture::Olmoe | Architecture::Qwen2Moe | Architecture::Qwen3Moe
        );
        if has_experts {
            let experts = document.count("num_local_experts")?.or(document.count("num_experts")?);
            let used = document.count("num_experts_per_tok")?;
            let (Some(experts), Some(used)) = (experts, used) else {
                return Err(ExportError::NoForm {
                    what: "how many experts there are where `config.json` does not".into(),
                });
            };
            self.count("expert_count", experts);
            self.count("expert_used_count", used);
            if self.architecture != Architecture::Mixtral {
                let is_normalised = document.flag("norm_topk_prob", false)?;
                self.set("expert_weights_norm", MetadataValue::Bool(is_normalised));
            }
        }
        let widths = [
            ("moe_intermediate_size", "expert_feed_forward_length"),
            ("shared_expert_intermediate_size", "expert_shared_feed_forward_length"),
        ];
        for (field, key) in widths {
            if let Some(width) = document.count(field)? {
                self.count(key, width);
            }
        }
        Ok(())
    }

    /// Checks that the layers which know no positions are those that a reader takes for granted.
    fn expect_usual_layers(&self) -> Result<(), ExportError> {
        let (document, layers) = (&self.config.document, self.config.num_hidden_layers);
        let is_usual = match document.numbers("no_rope_layers")? {
            // 1 where they are rotated.
            Some(rotated) => {
                let usual = |layer: usize| if (layer + 1).is_multiple_of(LAYERS_TO_UNROTATED) { 0.0 } else { 1.0 };
                rotated == (0..layers).map(usual).collect::<Vec<f64>>()
            }
            None => document.count("no_rope_layer_interval")?.is_none_or(|interval| interval == LAYERS_TO_UNROTATED),
        };
        if is_usual {
            return Ok(());
        }
        Err(ExportError::NoForm { what: "which layers of SmolLM3 know no positions, but for every fourth".into() })
    }

    fn set_rotary(&mut self) -> Result<(), ExportError> {
        let Some(rope) = &self.config.rope else { return Ok(()) };
        let head_dim = self.config.head_dim;
        // The files of these leave the size of heads to be derived.
        let is_derived = head_dim * self.config.num_attention_heads == self.config.hidden_size;
        if !(matches!(self.architecture, Architecture::Phi3 | Architecture::Granite) && is_derived) {
            self.count("attention.key_length", head_dim);
            self.count("attention.value_length", head_dim);
        }
        self.count("rope.dimension_count", (head_dim as f64 * rope.partial_rotary_factor) as usize);
        self.number("rope.freq_base", rope.theta);
        if let (Some(windowed), Architecture::Gemma3) = (&self.config.windowed_rope, self.architecture) {
            self.number("rope.freq_base_swa", windowed.theta);
        }
        let trained = "rope.scaling.original_context_length";
        match &rope.scaling {
            RopeScaling::None => {}
            RopeScaling::Linear { factor } => self.set_scaling("linear", *factor),
            RopeScaling::Yarn {
                factor,
                original_max_position_embeddings,
                beta_fast,
                beta_slow,
                attention_factor,
                mscale: None,
                mscale_all_dim: None,
                truncate: true,
            } => {
                self.set_scaling("yarn", *factor);
                self.count(trained, *original_max_position_embeddings);
                self.number("rope.scaling.yarn_beta_fast", *beta_fast);
                self.number("rope.scaling.yarn_beta_slow", *beta_slow);
                if let Some(attention_factor) = attention_factor {
                    // Files say what the usual is multiplied by.
                    let usual = if *factor > 1.0 { 0.1 * factor.ln() + 1.0 } else { 1.0 };
                    self.number("rope.scaling.attn_factor", attention_factor / usual);
                }
            }
            RopeScaling::Llama3 { .. } => {
                let factors = llama3_factors(self.config);
                self.converted.factors.push(("rope_freqs.weight", factors));
            }
            RopeScaling::LongRope { short_factor, long_factor, attention_factor, original_max_position_embeddings } => {
                self.number("rope.scaling.attn_factor", *attention_factor);
                self.count(trained, *original_max_position_embeddings);
                let narrow = |factors: &[f64]| factors.iter().map(|&factor| factor as f32).collect();
                self.converted.factors.push(("rope_factors_short.weight", narrow(short_factor)));
                self.converted.factors.push(("rope_factors_long.weight", narrow(long_factor)));
            }
            other => {
                let what = format!("rotary positions that are scaled so: {other:?}");
                return Err(ExportError::NoForm { what });
            }
        }
        Ok(())
    }

    pub(super) fn set_scaling(&mut self, kind: &str, factor: f64) {
        self.set("rope.scaling.type", MetadataValue::Text(kind.to_string()));
        self.number("rope.scaling.factor", factor);
    }
}

/// Llama 3.1's stretched wavelengths, one factor for each pair; none for another scaling.
fn llama3_factors(config: &ModelConfig) -> Vec<f32> {
    let Some(rope) = &config.rope else { return Vec::new() };
    let RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } =
        rope.scaling
    else {
        return Vec::new();
    };
    let trained = original_max_position_embeddings as f64;
    let of_pair = |pair: usize| {
        let exponent = 2.0 * pair as f64 / config.head_dim as f64;
        let wavelength = 2.0 * std::f64::consts::PI * rope.theta.powf(exponent);
        if wavelength < trained / high_freq_factor {
            1.0
        } else if wavelength > trained / low_freq_factor {
            factor
        } else {
            let smooth = (trained / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    };
    (0..config.head_dim / 2).map(|pair| of_pair(pair) as f32).collect()
}
