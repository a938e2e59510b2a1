//! Rotary positions: from a configuration to the cosines and sines of one position. <https://arxiv.org/abs/2104.09864>
//!
//! Numbers follow transformers' `modeling_rope_utils` (frequencies rounded to f32, angles multiplied in f32), so that
//! logits agree with it far into a sequence.

use std::f64::consts::PI;

use quire_weights::{RopeConfig, RopeScaling};

/// The angles of every position, computed one position at a time.
///
/// # Dynamic NTK
/// transformers recomputes the base from the longest length that a forward pass has seen, so that the same token gets other
/// angles depending on its batch and on how the prompt was cut. Here the angles of position `p` follow from `p` alone:
/// those of a sequence that ends there, of `max(p + 1, trained length)` tokens. For greedy generation from a prompt within
/// the trained length that is what transformers computes, at every step; beyond it, results stay independent of batch,
/// chunking, caching and preemption, and differ from transformers' for prompts longer than the trained length.
#[derive(Clone, Debug)]
pub struct RopeAngles {
    frequencies: Vec<f32>,
    /// Cosines and sines are multiplied by it (YaRN).
    magnitude: f32,
    dynamic: Option<DynamicBase>,
}

#[derive(Clone, Copy, Debug)]
struct DynamicBase {
    theta: f64,
    factor: f64,
    trained_length: usize,
    rotated: usize,
}

impl RopeAngles {
    /// Angles for the first `rotated` (even) elements of each head of a model that was trained on `trained_length` tokens.
    pub fn new(config: &RopeConfig, rotated: usize, trained_length: usize) -> RopeAngles {
        let plain = inverse_frequencies(config.theta, rotated);
        let mut angles = RopeAngles { frequencies: plain, magnitude: 1.0, dynamic: None };
        match &config.scaling {
            RopeScaling::None => {}
            RopeScaling::Linear { factor } => {
                angles.frequencies.iter_mut().for_each(|frequency| *frequency /= *factor as f32);
            }
            &RopeScaling::Dynamic { factor } => {
                angles.dynamic = Some(DynamicBase { theta: config.theta, factor, trained_length, rotated });
            }
            &RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } => {
                let original = original_max_position_embeddings as f64;
                for frequency in &mut angles.frequencies {
                    *frequency = llama3_frequency(*frequency, factor, low_freq_factor, high_freq_factor, original);
                }
            }
            RopeScaling::Yarn { .. } => {
                angles.magnitude = yarn_magnitude(&config.scaling);
                yarn_frequencies(config, &mut angles.frequencies);
            }
            RopeScaling::LongRope { long_factor, attention_factor, .. } => {
                angles.magnitude = *attention_factor as f32;
                stretch_each(&mut angles.frequencies, long_factor);
            }
        }
        angles
    }

    /// Under LongRoPE, where [`RopeAngles::new`] has the angles of sequences that may pass the trained length: the trained
    /// length, and the angles of sequences that never do.
    pub fn within_trained_length(config: &RopeConfig, rotated: usize) -> Option<(usize, RopeAngles)> {
        let RopeScaling::LongRope { short_factor, attention_factor, original_max_position_embeddings, .. } =
            &config.scaling
        else {
            return None;
        };
        let mut frequencies = inverse_frequencies(config.theta, rotated);
        stretch_each(&mut frequencies, short_factor);
        let angles = RopeAngles { frequencies, magnitude: *attention_factor as f32, dynamic: None };
        Some((*original_max_position_embeddings, angles))
    }

    /// Elements of each head that are rotated: twice the number of frequencies.
    pub fn rotated(&self) -> usize {
        2 * self.frequencies.len()
    }

    /// Writes the cosines and sines of `position`, each `[rotated / 2]`.
    pub fn write(&self, position: usize, cosines: &mut [f32], sines: &mut [f32]) {
        let grown;
        let frequencies = match self.dynamic {
            Some(dynamic) if position >= dynamic.trained_length => {
                grown = dynamic.frequencies(position + 1);
                &grown
            }
            _ => &self.frequencies,
        };
        for ((frequency, cosine), sine) in frequencies.iter().zip(cosines).zip(sines) {
            // In f64: what systems' libraries say of an f32 differs in the last bit, which rounded activations make much more of.
            let angle = f64::from(position as f32 * frequency);
            *cosine = angle.cos() as f32 * self.magnitude;
            *sine = angle.sin() as f32 * self.magnitude;
        }
    }
}

impl DynamicBase {
    fn frequencies(&self, length: usize) -> Vec<f32> {
        let growth = self.factor * length as f64 / self.trained_length as f64 - (self.factor - 1.0);
        let rotated = self.rotated as f64;
        inverse_frequencies(self.theta * growth.powf(rotated / (rotated - 2.0)), self.rotated)
    }
}

/// `theta^(-2i / rotated)` for each pair.
fn inverse_frequencies(theta: f64, rotated: usize) -> Vec<f32> {
    let frequency = |pair: usize| {
        let exponent = (2 * pair) as f32 / rotated as f32;
        1.0 / theta.powf(f64::from(exponent)) as f32
    };
    (0..rotated / 2).map(frequency).collect()
}

/// LongRoPE: each wavelength has its factor, of which there are as many.
fn stretch_each(frequencies: &mut [f32], factors: &[f64]) {
    for (frequency, &factor) in frequencies.iter_mut().zip(factors) {
        *frequency = 1.0 / (factor as f32 * (1.0 / *frequency));
    }
}

/// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, those between blended.
fn llama3_frequency(frequency: f32, factor: f64, low: f64, high: f64, trained_length: f64) -> f32 {
    let wavelength = 2.0 * PI / f64::from(frequency);
    let stretched = f64::from(frequency) / factor;
    if wavelength > trained_length / low {
        return stretched as f32;
    }
    if wavelength < trained_length / high {
        return frequency;
    }
    let kept = (trained_length / wavelength - low) / (high - low);
    ((1.0 - kept) * stretched + kept * f64::from(frequency)) as f32
}

/// How much vectors grow with the stretch, weighted.
pub(crate) fn yarn_growth(factor: f64, weight: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 }
}

/// YaRN, section 3.4: how much longer vectors make up for the flatter attention.
fn yarn_magnitude(scaling: &RopeScaling) -> f32 {
    let RopeScaling::Yarn { factor, attention_factor, mscale, mscale_all_dim, .. } = *scaling else { return 1.0 };
    let magnitude = |weight: f64| yarn_growth(factor, weight);
    // Zero counts as not given.
    let given = |weight: Option<f64>| weight.filter(|&weight| weight != 0.0);
    let computed = match (given(mscale), given(mscale_all_dim)) {
        (Some(above), Some(below)) => magnitude(above) / magnitude(below),
        _ => magnitude(1.0),
    };
    attention_factor.unwrap_or(computed) as f32
}

/// YaRN, section 3.2: dimensions that rotate often are kept, those that rotate seldom are stretched, a ramp between.
fn yarn_frequencies(config: &RopeConfig, frequencies: &mut [f32]) {
    let RopeScaling::Yarn { factor, original_max_position_embeddings, beta_fast, beta_slow, truncate, .. } =
        config.scaling
    else {
        return;
    };
    let rotated = 2.0 * frequencies.len() as f64;
    let dimension_of = |rotations: f64| {
        rotated * (original_max_position_embeddings as f64 / (rotations * 2.0 * PI)).ln() / (2.0 * config.theta.ln())
    };
    let (mut low, mut high) = (dimension_of(beta_fast), dimension_of(beta_slow));
    if truncate {
        (low, high) = (low.floor(), high.ceil());
    }
    (low, high) = (low.max(0.0), high.min(rotated - 1.0));
    if low == high {
        high += 0.001; // a ramp of no length would divide by zero
    }
    for (pair, frequency) in frequencies.iter_mut().enumerate() {
        let stretched_share = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
        let kept = f64::from(*frequency);
        *frequency = (kept / factor * stretched_share + kept * (1.0 - stretched_share)) as f32;
    }
}
