//! A file's metadata as `config.json` and `generation_config.json` would have it.

use serde_json::{Map, Value, json};

use crate::end_tokens::end_token_ids;
use crate::{Architecture, GgufProblem, Metadata};

/// What a configuration is made of.
pub struct ConfigSource<'a> {
    /// The metadata of the file, or of the first part.
    pub metadata: &'a Metadata,
    /// Sizes of the tensor of this name, outermost first; `None` if no part has it.
    pub shape_of: &'a dyn Fn(&str) -> Option<Vec<usize>>,
    /// The numbers of `rope_freqs.weight`, where it is there: what each frequency is divided by.
    pub rope_factors: Option<Vec<f32>>,
}

/// The configuration as `config.json` would have it.
///
/// # Errors
/// The architecture is not supported, or a value is missing or not what it has to be.
pub fn config(source: &ConfigSource<'_>) -> Result<Map<String, Value>, GgufProblem> {
    let architecture = Architecture::of(source.metadata)?;
    let fields = Fields { source, prefix: architecture.name() };
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| config.insert(key.to_string(), value);
    set("architectures", json!([architecture.class()]));
    set("model_type", json!(architecture.name()));
    set("vocab_size", json!(fields.vocab_size()?));
    set("tie_word_embeddings", json!(!fields.has("output.weight")));
    for (field, key) in [("bos_token_id", "bos"), ("pad_token_id", "padding")] {
        set(field, json!(source.metadata.count(&format!("tokenizer.ggml.{key}_token_id"))?));
    }
    set("eos_token_id", json!(end_token_ids(source.metadata)?.first()));
    match architecture {
        Architecture::Gpt2 => fields.set_gpt2(&mut config)?,
        Architecture::Starcoder2 => {
            fields.set_rotary(&mut config)?;
            fields.set_starcoder2(&mut config)?;
        }
        Architecture::Llama | Architecture::Qwen2 | Architecture::Qwen3 => {
            fields.set_rotary(&mut config)?;
            fields.set_llama_family(&mut config)?;
        }
    }
    Ok(config)
}

/// What `generation_config.json` would have: the tokens that end an answer, and recommended sampling where the file has it.
///
/// # Errors
/// A value is not what it has to be.
pub fn generation_config(metadata: &Metadata) -> Result<Map<String, Value>, GgufProblem> {
    let mut config = Map::new();
    let ids = end_token_ids(metadata)?;
    if !ids.is_empty() {
        config.insert("eos_token_id".to_string(), json!(ids));
    }
    let numbers =
        [("temperature", "temp"), ("top_p", "top_p"), ("min_p", "min_p"), ("repetition_penalty", "penalty_repeat")];
    for (field, key) in numbers {
        if let Some(number) = metadata.number(&format!("general.sampling.{key}"))? {
            config.insert(field.to_string(), json!(number));
        }
    }
    if let Some(count) = metadata.count("general.sampling.top_k")? {
        config.insert("top_k".to_string(), json!(count));
    }
    if let Some(temperature) = config.get("temperature").and_then(Value::as_f64) {
        config.insert("do_sample".to_string(), json!(temperature > 0.0));
    }
    Ok(config)
}

/// The values whose keys begin with the architecture's name.
struct Fields<'a> {
    source: &'a ConfigSource<'a>,
    prefix: &'static str,
}

impl Fields<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    fn has(&self, tensor: &str) -> bool {
        (self.source.shape_of)(tensor).is_some()
    }

    fn count(&self, name: &str) -> Result<Option<usize>, GgufProblem> {
        self.source.metadata.count(&self.key(name))
    }

    fn number(&self, name: &str) -> Result<Option<f64>, GgufProblem> {
        self.source.metadata.number(&self.key(name))
    }

    fn required(&self, name: &str) -> Result<usize, GgufProblem> {
        self.count(name)?.ok_or_else(|| GgufProblem::MissingValue { key: self.key(name) })
    }

    fn epsilon(&self, name: &str) -> Result<f64, GgufProblem> {
        self.number(name)?.ok_or_else(|| GgufProblem::MissingValue { key: self.key(name) })
    }

    /// Rows of the embedding: the list of tokens may be shorter.
    fn vocab_size(&self) -> Result<usize, GgufProblem> {
        match (self.source.shape_of)("token_embd.weight").as_deref() {
            Some([rows, _]) => Ok(*rows),
            _ => self.required("vocab_size"),
        }
    }

    fn set_sizes(&self, config: &mut Map<String, Value>, names: [&str; 5]) -> Result<(), GgufProblem> {
        let keys = ["embedding_length", "feed_forward_length", "block_count", "attention.head_count", "context_length"];
        for (field, key) in names.into_iter().zip(keys) {
            config.insert(field.to_string(), json!(self.required(key)?));
        }
        Ok(())
    }

    fn set_gpt2(&self, config: &mut Map<String, Value>) -> Result<(), GgufProblem> {
        self.set_sizes(config, ["n_embd", "n_inner", "n_layer", "n_head", "n_positions"])?;
        config.insert("layer_norm_epsilon".to_string(), json!(self.epsilon("attention.layer_norm_epsilon")?));
        config.insert("activation_function".to_string(), json!("gelu_new"));
        Ok(())
    }

    fn set_starcoder2(&self, config: &mut Map<String, Value>) -> Result<(), GgufProblem> {
        config.insert("norm_epsilon".to_string(), json!(self.epsilon("attention.layer_norm_epsilon")?));
        config.insert("hidden_act".to_string(), json!("gelu_pytorch_tanh"));
        config.insert("use_bias".to_string(), json!(self.has("blk.0.attn_q.bias")));
        let window = self.count("attention.sliding_window")?.filter(|&window| window > 0);
        config.insert("sliding_window".to_string(), json!(window));
        Ok(())
    }

    fn set_llama_family(&self, config: &mut Map<String, Value>) -> Result<(), GgufProblem> {
        config.insert("rms_norm_eps".to_string(), json!(self.epsilon("attention.layer_norm_rms_epsilon")?));
        config.insert("hidden_act".to_string(), json!("silu"));
        let has_any = |tensors: [&str; 2]| tensors.into_iter().any(|tensor| self.has(&format!("blk.0.{tensor}.bias")));
        config.insert("attention_bias".to_string(), json!(has_any(["attn_q", "attn_output"])));
        config.insert("mlp_bias".to_string(), json!(has_any(["ffn_gate", "ffn_down"])));
        match self.count("expert_count")? {
            None | Some(0) => Ok(()),
            Some(experts) => Err(GgufProblem::InvalidValue {
                key: self.key("expert_count"),
                found: experts.to_string(),
                expected: "0: mixtures of experts are not read",
            }),
        }
    }

    /// Sizes of heads and rotary positions.
    fn set_rotary(&self, config: &mut Map<String, Value>) -> Result<(), GgufProblem> {
        let names =
            ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"];
        self.set_sizes(config, names)?;
        let heads = self.required("attention.head_count")?;
        let kv_heads = self.count("attention.head_count_kv")?.unwrap_or(heads);
        let derived = self.required("embedding_length")?.checked_div(heads);
        let head_dim = self.count("attention.key_length")?.or(derived);
        let value_dim = self.count("attention.value_length")?.or(derived);
        if head_dim != value_dim {
            return Err(GgufProblem::InvalidValue {
                key: self.key("attention.value_length"),
                found: value_dim.unwrap_or(0).to_string(),
                expected: "the length of the keys",
            });
        }
        config.insert("num_key_value_heads".to_string(), json!(kv_heads));
        config.insert("head_dim".to_string(), json!(head_dim));
        config.insert("rope_theta".to_string(), json!(self.number("rope.freq_base")?.unwrap_or(10_000.0)));
        if let (Some(rotated), Some(head_dim)) = (self.count("rope.dimension_count")?, head_dim)
            && rotated != head_dim
        {
            config.insert("partial_rotary_factor".to_string(), json!(rotated as f64 / head_dim as f64));
        }
        if let Some(scaling) = self.rope_scaling()? {
            config.insert("rope_scaling".to_string(), Value::Object(scaling));
        }
        Ok(())
    }

    fn rope_scaling(&self) -> Result<Option<Map<String, Value>>, GgufProblem> {
        let mut scaling = Map::new();
        let mut set = |field: &str, value: Option<Value>| {
            if let Some(value) = value {
                scaling.insert(field.to_string(), value);
            }
        };
        if let Some(factors) = &self.source.rope_factors {
            // What LongRoPE does with the same factors for every length.
            set("rope_type", Some(json!("longrope")));
            set("short_factor", Some(json!(factors)));
            set("long_factor", Some(json!(factors)));
            set("attention_factor", Some(json!(1.0)));
            set("original_max_position_embeddings", Some(json!(self.required("context_length")?)));
            return Ok(Some(scaling));
        }
        let key = self.key("rope.scaling.type");
        let factor = self.number("rope.scaling.factor")?.filter(|&factor| factor > 0.0);
        match self.source.metadata.text(&key)? {
            // Before scaling had a type.
            None => match self.number("rope.scale_linear")?.or(factor).filter(|&factor| factor != 1.0) {
                None => return Ok(None),
                Some(factor) => {
                    set("rope_type", Some(json!("linear")));
                    set("factor", Some(json!(factor)));
                }
            },
            Some("none") => return Ok(None),
            Some(kind) => {
                let number = |name: &str| Ok::<_, GgufProblem>(self.number(name)?.map(|number| json!(number)));
                set("rope_type", Some(json!(kind)));
                set("factor", factor.map(|factor| json!(factor)));
                let trained = self.count("rope.scaling.original_context_length")?.filter(|&length| length > 0);
                set("original_max_position_embeddings", trained.map(|length| json!(length)));
                set("beta_fast", number("rope.scaling.yarn_beta_fast")?);
                set("beta_slow", number("rope.scaling.yarn_beta_slow")?);
            }
        }
        Ok(Some(scaling))
    }
}
