//! Rotary position parameters, from `rope_parameters` (new) or `rope_scaling` and `rope_theta` (old), as transformers
//! standardises them. Computes nothing; the models do.

use crate::{ConfigDocument, RotaryFields, WeightsError};

/// How positions turn into angles.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeConfig {
    /// Base of the wavelengths.
    pub theta: f64,
    /// Share of each head that is rotated, in (0, 1].
    pub partial_rotary_factor: f64,
    /// How the angles are stretched beyond the trained length.
    pub scaling: RopeScaling,
}

/// The known ways of stretching rotary positions beyond the trained length. Factors are > 0.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All positions divided by the factor.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// NTK-aware: the base grows with the position, once it is beyond the trained length.
    Dynamic {
        /// How quickly.
        factor: f64,
    },
    /// Llama 3.1: long wavelengths divided, short ones kept, a ramp between.
    Llama3 {
        /// The divisor of long wavelengths.
        factor: f64,
        /// Wavelengths above trained length / this are long.
        low_freq_factor: f64,
        /// Wavelengths below trained length / this are short.
        high_freq_factor: f64,
        /// The trained length.
        original_max_position_embeddings: usize,
    },
    /// YaRN, <https://arxiv.org/abs/2309.00071>.
    Yarn {
        /// The stretch.
        factor: f64,
        /// The trained length.
        original_max_position_embeddings: usize,
        /// Rotations in the trained length above which a dimension is kept.
        beta_fast: f64,
        /// Rotations in the trained length below which a dimension is divided.
        beta_slow: f64,
        /// What cosines and sines are multiplied by; computed from the factor when `None`.
        attention_factor: Option<f64>,
        /// Numerator's weight in computing it.
        mscale: Option<f64>,
        /// Denominator's weight in computing it.
        mscale_all_dim: Option<f64>,
        /// Whether the ramp's ends are rounded outwards to whole dimensions.
        truncate: bool,
    },
    /// LongRoPE, <https://arxiv.org/abs/2402.13753>: each wavelength multiplied by a factor of its own, with other factors
    /// for sequences beyond the trained length.
    LongRope {
        /// Of sequences within the trained length, one for each pair of rotated elements.
        short_factor: Vec<f64>,
        /// Of longer sequences.
        long_factor: Vec<f64>,
        /// What cosines and sines are multiplied by.
        attention_factor: f64,
        /// The trained length.
        original_max_position_embeddings: usize,
    },
}

impl RopeConfig {
    /// Reads the parameters from a whole `config.json`, by the names that `fields` gives them outside `rope_parameters`.
    /// `max_position_embeddings` stands in for an absent trained length.
    ///
    /// # Errors
    /// A field of the wrong type or range, or an unknown `rope_type` (the message lists the known ones).
    pub fn read(
        config: &ConfigDocument,
        fields: &RotaryFields,
        max_position_embeddings: usize,
    ) -> Result<RopeConfig, WeightsError> {
        // An object without fields counts as absent, so that the other spelling is looked at.
        let parameters = match config.object("rope_scaling")?.filter(|object| !object.is_empty()) {
            Some(scaling) => Some(scaling),
            None => config.object("rope_parameters")?.filter(|object| !object.is_empty()),
        };
        // Where each kind of layer has its own parameters, these are for layers that see everything.
        let parameters = match parameters {
            Some(parameters) => Some(parameters.object("full_attention")?.unwrap_or(parameters)),
            None => None,
        };
        let theta = (fields.theta, fields.default_theta);
        RopeConfig::with_parameters(config, parameters.as_ref(), theta, fields, max_position_embeddings)
    }

    /// The same for layers with a window, where the class says that they have their own.
    ///
    /// # Errors
    /// As [`RopeConfig::read`].
    pub fn read_windowed(
        config: &ConfigDocument,
        fields: &RotaryFields,
        max_position_embeddings: usize,
    ) -> Result<Option<RopeConfig>, WeightsError> {
        let Some(theta) = fields.windowed_theta else { return Ok(None) };
        let parameters = match config.object("rope_parameters")? {
            Some(parameters) => parameters.object("sliding_attention")?,
            None => None,
        };
        RopeConfig::with_parameters(config, parameters.as_ref(), theta, fields, max_position_embeddings).map(Some)
    }

    fn with_parameters(
        config: &ConfigDocument,
        parameters: Option<&ConfigDocument>,
        (theta_field, default_theta): (&'static str, f64),
        fields: &RotaryFields,
        max_position_embeddings: usize,
    ) -> Result<RopeConfig, WeightsError> {
        let inner = |field: &str| match parameters {
            Some(parameters) => parameters.number(field),
            None => Ok(None),
        };
        let theta = match inner("rope_theta")? {
            Some(theta) => theta,
            None => config.number(theta_field)?.unwrap_or(default_theta),
        };
        if theta <= 0.0 {
            return Err(config.invalid_text(theta_field, theta.to_string(), "a number above 0"));
        }
        let partial_rotary_factor = match inner("partial_rotary_factor")? {
            Some(share) => share,
            None => config.number(fields.partial_rotary_factor)?.unwrap_or(fields.default_share),
        };
        if !(partial_rotary_factor > 0.0 && partial_rotary_factor <= 1.0) {
            let found = partial_rotary_factor.to_string();
            return Err(config.invalid_text(fields.partial_rotary_factor, found, "a number above 0 and at most 1"));
        }
        let scaling = match parameters {
            Some(parameters) => RopeScaling::read(config, parameters, fields.trained_length, max_position_embeddings)?,
            None => RopeScaling::None,
        };
        Ok(RopeConfig { theta, partial_rotary_factor, scaling })
    }
}

impl RopeScaling {
    fn read(
        config: &ConfigDocument,
        parameters: &ConfigDocument,
        default_trained_length: Option<usize>,
        max_position_embeddings: usize,
    ) -> Result<RopeScaling, WeightsError> {
        let rope_type = match parameters.text("rope_type")? {
            Some(rope_type) => rope_type,
            None => parameters.text("type")?.unwrap_or("default"),
        };
        let positive = |field: &'static str| -> Result<Option<f64>, WeightsError> {
            match parameters.number(field)? {
                Some(number) if number <= 0.0 => Err(parameters.invalid_text(
                    &format!("rope_scaling.{field}"),
                    number.to_string(),
                    "a number above 0",
                )),
                number => Ok(number),
            }
        };
        let required = |field: &'static str| -> Result<f64, WeightsError> {
            let absent =
                || parameters.invalid_text(&format!("rope_scaling.{field}"), "absent".to_string(), "a number above 0");
            positive(field)?.ok_or_else(absent)
        };
        // A trained length beside the rope parameters outranks the one among them.
        let trained_length = || -> Result<usize, WeightsError> {
            let field = "original_max_position_embeddings";
            let length = match config.count(field)?.or(default_trained_length) {
                Some(length) => length,
                None => parameters.count(field)?.unwrap_or(max_position_embeddings),
            };
            if length == 0 { Err(config.invalid_text(field, "0".to_string(), "a number above 0")) } else { Ok(length) }
        };
        match rope_type {
            "default" => Ok(RopeScaling::None),
            "linear" => Ok(RopeScaling::Linear { factor: required("factor")? }),
            "dynamic" => Ok(RopeScaling::Dynamic { factor: required("factor")? }),
            "llama3" => {
                let (low_freq_factor, high_freq_factor) = (required("low_freq_factor")?, required("high_freq_factor")?);
                if high_freq_factor <= low_freq_factor {
                    let found = high_freq_factor.to_string();
                    let expected = "a number above low_freq_factor";
                    return Err(parameters.invalid_text("rope_scaling.high_freq_factor", found, expected));
                }
                Ok(RopeScaling::Llama3 {
                    factor: required("factor")?,
                    low_freq_factor,
                    high_freq_factor,
                    original_max_position_embeddings: trained_length()?,
                })
            }
            // Phi-3's first long models call it by other names.
            "longrope" | "su" => long_rope(config, parameters, trained_length()?, max_position_embeddings),
            "yarn" if parameters.get("short_factor").is_some() => {
                long_rope(config, parameters, trained_length()?, max_position_embeddings)
            }
            "yarn" => {
                let original_max_position_embeddings = trained_length()?;
                let ratio = max_position_embeddings as f64 / original_max_position_embeddings as f64;
                Ok(RopeScaling::Yarn {
                    factor: positive("factor")?.unwrap_or(ratio),
                    original_max_position_embeddings,
                    beta_fast: positive("beta_fast")?.unwrap_or(32.0),
                    beta_slow: positive("beta_slow")?.unwrap_or(1.0),
                    attention_factor: parameters.number("attention_factor")?,
                    mscale: parameters.number("mscale")?,
                    mscale_all_dim: parameters.number("mscale_all_dim")?,
                    truncate: parameters.flag("truncate", true)?,
                })
            }
            other => Err(parameters.invalid_text(
                "rope_scaling.rope_type",
                format!("\"{other}\""),
                "one of default, linear, dynamic, llama3, yarn, longrope",
            )),
        }
    }
}

fn long_rope(
    config: &ConfigDocument,
    parameters: &ConfigDocument,
    trained_length: usize,
    max_position_embeddings: usize,
) -> Result<RopeScaling, WeightsError> {
    let factors = |field: &'static str| -> Result<Vec<f64>, WeightsError> {
        let expected = "a list of numbers above 0, one for each pair of rotated elements";
        let list = parameters.numbers(field)?.filter(|list| list.iter().all(|&factor| factor > 0.0));
        list.ok_or_else(|| match parameters.get(field) {
            Some(value) => parameters.invalid(&format!("rope_scaling.{field}"), value, expected),
            None => parameters.invalid_text(&format!("rope_scaling.{field}"), "absent".to_string(), expected),
        })
    };
    let ratio = max_position_embeddings as f64 / trained_length as f64;
    let factor = parameters.number("factor")?.unwrap_or(ratio);
    let attention_factor = match parameters.number("attention_factor")? {
        Some(attention_factor) => attention_factor,
        None if factor <= 1.0 => 1.0,
        None if trained_length == 1 => {
            let field = "original_max_position_embeddings";
            return Err(config.invalid_text(field, "1".to_string(), "more than one token"));
        }
        None => (1.0 + factor.ln() / (trained_length as f64).ln()).sqrt(),
    };
    Ok(RopeScaling::LongRope {
        short_factor: factors("short_factor")?,
        long_factor: factors("long_factor")?,
        attention_factor,
        original_max_position_embeddings: trained_length,
    })
}
