//! Fields of a configuration from values whose keys begin with the architecture's name: those that all architectures have.

use serde_json::{Map, Value, json};

use crate::{ConfigSource, GgufProblem};

/// Layers that are looked at one by one; a configuration of more is refused when it is read.
const MAX_LAYERS: usize = 4_096;

/// The values, and the configuration that is made of them.
pub(crate) struct ConfigFields<'a> {
    pub(crate) source: &'a ConfigSource<'a>,
    prefix: &'static str,
    pub(crate) config: Map<String, Value>,
}

impl<'a> ConfigFields<'a> {
    pub(crate) fn new(source: &'a ConfigSource<'a>, prefix: &'static str) -> ConfigFields<'a> {
        ConfigFields { source, prefix, config: Map::new() }
    }

    pub(crate) fn set(&mut self, field: &str, value: Value) {
        self.config.insert(field.to_string(), value);
    }

    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    pub(crate) fn has(&self, tensor: &str) -> bool {
        (self.source.shape_of)(tensor).is_some()
    }

    pub(crate) fn count(&self, name: &str) -> Result<Option<usize>, GgufProblem> {
        self.source.metadata.count(&self.key(name))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, GgufProblem> {
        self.source.metadata.number(&self.key(name))
    }

    /// A factor; 0 stands for none, as in ggml.
    pub(crate) fn factor(&self, name: &str) -> Result<Option<f64>, GgufProblem> {
        Ok(self.number(name)?.filter(|&number| number != 0.0))
    }

    pub(crate) fn required(&self, name: &str) -> Result<usize, GgufProblem> {
        self.count(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn required_number(&self, name: &str) -> Result<f64, GgufProblem> {
        self.number(name)?.ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> GgufProblem {
        GgufProblem::MissingValue { key: self.key(name) }
    }

    pub(crate) fn invalid(&self, name: &str, found: impl ToString, expected: &'static str) -> GgufProblem {
        GgufProblem::InvalidValue { key: self.key(name), found: found.to_string(), expected }
    }

    /// How many layers there are. Those behind them that guess further tokens are blocks too, in files.
    fn num_layers(&self) -> Result<usize, GgufProblem> {
        Ok(self.required("block_count")?.saturating_sub(self.count("nextn_predict_layers")?.unwrap_or(0)))
    }

    /// The numbers of the layers.
    pub(crate) fn layers(&self) -> Result<std::ops::Range<usize>, GgufProblem> {
        Ok(0..self.num_layers()?.min(MAX_LAYERS))
    }

    /// Rows of the embedding: the list of tokens may be shorter.
    pub(crate) fn vocab_size(&self) -> Result<usize, GgufProblem> {
        match (self.source.shape_of)("token_embd.weight").as_deref() {
            Some([rows, _]) => Ok(*rows),
            _ => self.required("vocab_size"),
        }
    }

    pub(crate) fn set_sizes(&mut self, names: [&str; 5]) -> Result<(), GgufProblem> {
        let keys = ["embedding_length", "feed_forward_length", "block_count", "attention.head_count", "context_length"];
        for (field, key) in names.into_iter().zip(keys) {
            let size = if key == "block_count" { self.num_layers()? } else { self.required(key)? };
            self.set(field, json!(size));
        }
        Ok(())
    }

    /// Sizes of heads: how many of keys, and how long each is.
    pub(crate) fn set_heads(&mut self) -> Result<usize, GgufProblem> {
        let heads = self.required("attention.head_count")?;
        let kv_heads = self.count("attention.head_count_kv")?.unwrap_or(heads);
        let derived = self.required("embedding_length")?.checked_div(heads);
        let derived = derived.ok_or_else(|| self.invalid("attention.head_count", 0, "a number above 0"))?;
        let head_dim = self.count("attention.key_length")?.unwrap_or(derived);
        let value_dim = self.count("attention.value_length")?.unwrap_or(derived);
        if head_dim != value_dim {
            return Err(self.invalid("attention.value_length", value_dim, "the length of the keys"));
        }
        self.set("num_key_value_heads", json!(kv_heads));
        self.set("head_dim", json!(head_dim));
        Ok(head_dim)
    }
}
