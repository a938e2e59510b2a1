//! What a cross-encoder's number goes through to be a score. Reads the fields that sentence-transformers and transformers
//! write into `config.json`.

use quire_weights::{ConfigDocument, WeightsError};

/// A function of a classifier's one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScoreActivation {
    /// `1 / (1 + exp(-x))`: a score from 0 to 1.
    #[default]
    Sigmoid,
    /// The number itself.
    Identity,
}

impl ScoreActivation {
    /// The function that the configuration names, a regression's identity, or the sigmoid.
    ///
    /// # Errors
    /// A function that is none of these.
    pub(crate) fn read(config: &ConfigDocument) -> Result<ScoreActivation, WeightsError> {
        if config.text("problem_type")? == Some("regression") {
            return Ok(ScoreActivation::Identity);
        }
        let nested = config.object("sentence_transformers")?;
        let named = match &nested {
            Some(fields) => fields.text("activation_fn")?,
            None => None,
        };
        let legacy = config.text("sbert_ce_default_activation_function")?;
        let Some(name) = named.or(legacy) else { return Ok(ScoreActivation::Sigmoid) };
        match name.rsplit('.').next() {
            Some("Sigmoid") => Ok(ScoreActivation::Sigmoid),
            Some("Identity") => Ok(ScoreActivation::Identity),
            _ => Err(config.invalid_text("activation_fn", format!("\"{name}\""), "torch's Sigmoid or Identity")),
        }
    }

    pub(crate) fn apply(self, logit: f32) -> f32 {
        match self {
            ScoreActivation::Sigmoid => (1.0 / (1.0 + (-f64::from(logit)).exp())) as f32,
            ScoreActivation::Identity => logit,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_configuration_names_the_function() {
        let rows = [
            ("{}", Some(ScoreActivation::Sigmoid)),
            (r#"{"problem_type":"regression"}"#, Some(ScoreActivation::Identity)),
            (r#"{"problem_type":null}"#, Some(ScoreActivation::Sigmoid)),
            (
                r#"{"sentence_transformers":{"activation_fn":"torch.nn.modules.linear.Identity","version":"4"}}"#,
                Some(ScoreActivation::Identity),
            ),
            (
                r#"{"sbert_ce_default_activation_function":"torch.nn.modules.activation.Sigmoid"}"#,
                Some(ScoreActivation::Sigmoid),
            ),
            (r#"{"sbert_ce_default_activation_function":"my.module.Function"}"#, None),
            (r#"{"problem_type":7}"#, None),
        ];
        for (json, expected) in rows {
            let config = ConfigDocument::parse(Path::new("config.json"), json.as_bytes()).expect("JSON");
            assert_eq!(ScoreActivation::read(&config).ok(), expected, "{json}");
        }
        assert_eq!(ScoreActivation::Sigmoid.apply(0.0), 0.5);
    }
}
