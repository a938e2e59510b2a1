//! Rotary positions of a configuration.

use serde_json::{Map, Value, json};

use crate::GgufProblem;
use crate::config_fields::ConfigFields;

const TRAINED_LENGTH: &str = "original_max_position_embeddings";

impl ConfigFields<'_> {
    /// Sizes, heads and rotary positions.
    pub(crate) fn set_rotary(&mut self) -> Result<(), GgufProblem> {
        let names =
            ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"];
        self.set_sizes(names)?;
        let head_dim = self.set_heads()?;
        self.set("rope_theta", json!(self.number("rope.freq_base")?.unwrap_or(10_000.0)));
        if let Some(rotated) = self.count("rope.dimension_count")?
            && rotated != head_dim
        {
            // The share is rounded down to whole elements: half of one more keeps it from being one less.
            self.set("partial_rotary_factor", json!((rotated as f64 + 0.5) / head_dim.max(1) as f64));
        }
        if let Some(scaling) = self.rope_scaling()? {
            // Classes with a trained length of their own look for it beside the scaling.
            if let Some(length) = scaling.get(TRAINED_LENGTH) {
                self.set(TRAINED_LENGTH, length.clone());
            }
            self.set("rope_scaling", Value::Object(scaling));
        }
        Ok(())
    }

    /// How positions are stretched, if they are.
    pub(crate) fn rope_scaling(&self) -> Result<Option<Map<String, Value>>, GgufProblem> {
        let mut scaling = Map::new();
        let mut set = |field: &str, value: Option<Value>| {
            if let Some(value) = value {
                scaling.insert(field.to_string(), value);
            }
        };
        let factors = &self.source.rope_factors;
        if let Some(factors) = &factors.all {
            // What LongRoPE does with the same factors for every length.
            set("rope_type", Some(json!("longrope")));
            set("short_factor", Some(json!(factors)));
            set("long_factor", Some(json!(factors)));
            set("attention_factor", Some(json!(1.0)));
            set(TRAINED_LENGTH, Some(json!(self.required("context_length")?)));
            return Ok(Some(scaling));
        }
        if factors.short.is_some() || factors.long.is_some() {
            // Files with these tensors don't name a type.
            let length = self.required("rope.scaling.original_context_length")?;
            set("rope_type", Some(json!("longrope")));
            set("short_factor", factors.short.as_ref().map(|factors| json!(factors)));
            set("long_factor", factors.long.as_ref().map(|factors| json!(factors)));
            set("attention_factor", Some(json!(self.factor("rope.scaling.attn_factor")?.unwrap_or(1.0))));
            set(TRAINED_LENGTH, Some(json!(length)));
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
                set(TRAINED_LENGTH, trained.map(|length| json!(length)));
                set("beta_fast", number("rope.scaling.yarn_beta_fast")?);
                set("beta_slow", number("rope.scaling.yarn_beta_slow")?);
                if kind == "yarn" {
                    set("attention_factor", self.yarn_magnitude(factor)?.map(|magnitude| json!(magnitude)));
                }
            }
        }
        Ok(Some(scaling))
    }

    /// What cosines and sines are multiplied by under YaRN, if the file says so: as a whole, or what the usual is
    /// multiplied by.
    fn yarn_magnitude(&self, factor: Option<f64>) -> Result<Option<f64>, GgufProblem> {
        if let Some(magnitude) = self.factor("rope.scaling.yarn_attn_factor")? {
            return Ok(Some(magnitude));
        }
        let usual = factor.filter(|&factor| factor > 1.0).map_or(1.0, |factor| 0.1 * factor.ln() + 1.0);
        Ok(self.factor("rope.scaling.attn_factor")?.map(|more| more * usual))
    }
}
