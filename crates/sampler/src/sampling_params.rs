//! What a caller may ask of sampling: the fields that touch logits, their defaults and their limits. Stop strings,
//! text and scheduling live elsewhere.

use quire_core::SamplingColumns;

use crate::error::SamplingError;
use crate::row_sampling::{GREEDY_BELOW, LEAST_TEMPERATURE};

/// One request's sampling parameters, before they are checked. The names and defaults are vLLM's.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingParams {
    /// Continuations per prompt, 1..=16384; 1 when greedy.
    pub n: i32,
    /// Subtracted from the logit of every id in the output; [-2, 2].
    pub presence_penalty: f32,
    /// Subtracted once per occurrence in the output; [-2, 2].
    pub frequency_penalty: f32,
    /// Divides positive and multiplies other logits of every id in prompt or output; finite, above 0, 1 = off.
    pub repetition_penalty: f32,
    /// [0, 2]; below 1e-5 greedy, below 0.01 raised to it.
    pub temperature: f32,
    /// (0, 1]; 1 = off.
    pub top_p: f32,
    /// 0 or -1 = off, else at least 1.
    pub top_k: i32,
    /// [0, 1]; 0 = off.
    pub min_p: f32,
    /// Key of the noise; `None` and -1: the caller draws one for the request.
    pub seed: Option<i64>,
    /// At least 1; `None` = up to the model's length.
    pub max_tokens: Option<i32>,
    /// Output tokens before any of `stop_and_eos_ids` may be drawn; at least 0, at most `max_tokens`.
    pub min_tokens: i32,
    /// Ids that end the sequence (end-of-sequence and stop tokens); only `min_tokens` needs them here. Ids beyond the
    /// vocabulary have no logit and are passed over.
    pub stop_and_eos_ids: Vec<i32>,
    /// `None` = off, 0 = the sampled token only, N = the N best too, -1 = the whole vocabulary.
    pub logprobs: Option<i32>,
    /// The same for the prompt.
    pub prompt_logprobs: Option<i32>,
    /// Report these ids (at most 128) instead of the best ones.
    pub logprob_token_ids: Option<Vec<i32>>,
    /// Added to logits; values are clamped to [-100, 100].
    pub logit_bias: Vec<(i32, f32)>,
    /// Every other id is impossible; not empty.
    pub allowed_token_ids: Option<Vec<i32>>,
    /// Token sequences that must not be completed, no one of them empty.
    pub bad_words: Vec<Vec<i32>>,
    /// A grammar says at each step which ids may come: its masks are handed to [`crate::Sampler::sample`].
    pub has_grammar: bool,
    /// Code of the caller changes the logits: it is handed to [`crate::Sampler::add_with_processors`].
    pub has_processors: bool,
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self {
            n: 1,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_penalty: 1.0,
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            seed: None,
            max_tokens: Some(16),
            min_tokens: 0,
            stop_and_eos_ids: Vec::new(),
            logprobs: None,
            prompt_logprobs: None,
            logprob_token_ids: None,
            logit_bias: Vec::new(),
            allowed_token_ids: None,
            bad_words: Vec::new(),
            has_grammar: false,
            has_processors: false,
        }
    }
}

/// Most continuations of one prompt.
const MAX_SEQUENCES: i32 = 16_384;
/// Longest `logprob_token_ids`.
const MAX_LOGPROB_TOKEN_IDS: usize = 128;
/// Greatest bias by amount; more is clamped.
const GREATEST_BIAS: f32 = 100.0;

impl SamplingParams {
    /// Checks everything that needs no model.
    ///
    /// # Errors
    /// [`SamplingError`] of the first field that is wrong, with its value.
    pub fn validate(&self) -> Result<(), SamplingError> {
        integer("n", self.n, 1, MAX_SEQUENCES, "at least 1 and at most 16384")?;
        float("presence_penalty", self.presence_penalty, |x| (-2.0..=2.0).contains(&x), "in [-2, 2]")?;
        float("frequency_penalty", self.frequency_penalty, |x| (-2.0..=2.0).contains(&x), "in [-2, 2]")?;
        float("repetition_penalty", self.repetition_penalty, f32::is_finite, "a finite number")?;
        float("repetition_penalty", self.repetition_penalty, |x| x > 0.0, "greater than zero")?;
        float("temperature", self.temperature, f32::is_finite, "a finite number")?;
        float("temperature", self.temperature, |x| x >= 0.0, "non-negative")?;
        float("temperature", self.temperature, |x| x <= 2.0, "in [0, 2]")?;
        float("top_p", self.top_p, |x| x > 0.0 && x <= 1.0, "in (0, 1]")?;
        integer("top_k", self.top_k, -1, i32::MAX, "0 (disable), or at least 1")?;
        float("min_p", self.min_p, |x| (0.0..=1.0).contains(&x), "in [0, 1]")?;
        integer("max_tokens", self.max_tokens.unwrap_or(1), 1, i32::MAX, "at least 1")?;
        integer("min_tokens", self.min_tokens, 0, i32::MAX, "greater than or equal to 0")?;
        if let Some(max_tokens) = self.max_tokens.filter(|&max_tokens| self.min_tokens > max_tokens) {
            return Err(SamplingError::MinTokensAboveMaxTokens { min_tokens: self.min_tokens, max_tokens });
        }
        integer("logprobs", self.logprobs.unwrap_or(0), -1, i32::MAX, "non-negative or -1")?;
        integer("prompt_logprobs", self.prompt_logprobs.unwrap_or(0), -1, i32::MAX, "non-negative or -1")?;
        for &(_, bias) in &self.logit_bias {
            float("logit_bias", bias, |x| !x.is_nan(), "a number")?;
        }
        if self.allowed_token_ids.as_ref().is_some_and(Vec::is_empty) {
            return Err(SamplingError::Empty { field: "allowed_token_ids" });
        }
        if self.bad_words.iter().any(Vec::is_empty) {
            return Err(SamplingError::Empty { field: "bad_words" });
        }
        if let Some(ids) = &self.logprob_token_ids {
            if ids.len() > MAX_LOGPROB_TOKEN_IDS {
                let (count, limit) = (ids.len(), MAX_LOGPROB_TOKEN_IDS);
                return Err(SamplingError::TooMany { field: "logprob_token_ids", count, limit });
            }
            if let Some(logprobs) = self.logprobs.filter(|&logprobs| i64::from(logprobs) != ids.len() as i64) {
                return Err(SamplingError::LogprobCountMismatch { num_ids: ids.len(), logprobs });
            }
        }
        if self.is_greedy() && self.n != 1 {
            return Err(SamplingError::GreedyChildren { n: self.n });
        }
        Ok(())
    }

    /// Checks what needs the model: ids lie in the vocabulary, no more than `max_logprobs` logprobs per position
    /// (-1 = as many as the vocabulary).
    ///
    /// # Errors
    /// [`SamplingError`] of the first field that is wrong.
    pub fn validate_for(&self, vocab_size: usize, max_logprobs: i32) -> Result<(), SamplingError> {
        let whole = |count: i32| usize::try_from(count).unwrap_or(vocab_size);
        let limit = whole(max_logprobs);
        for (field, asked) in [("logprobs", self.logprobs), ("prompt_logprobs", self.prompt_logprobs)] {
            // The explicit list has a limit of its own.
            let is_listed = field == "logprobs" && self.logprob_token_ids.is_some();
            if let Some(count) = asked.map(whole).filter(|&count| count > limit && !is_listed) {
                return Err(SamplingError::TooMany { field, count, limit });
            }
        }
        let known = |field, token_id: i32| match usize::try_from(token_id) {
            Ok(id) if id < vocab_size => Ok(()),
            _ => Err(SamplingError::OutOfVocabulary { field, token_id, vocab_size }),
        };
        self.logit_bias.iter().try_for_each(|&(id, _)| known("logit_bias", id))?;
        self.allowed_token_ids.iter().flatten().try_for_each(|&id| known("allowed_token_ids", id))?;
        self.logprob_token_ids.iter().flatten().try_for_each(|&id| known("logprob_token_ids", id))?;
        self.bad_words.iter().flatten().try_for_each(|&id| known("bad_words", id))
    }

    /// The columns that travel in the batch. `unseeded` is the seed of a request that names none: the caller draws it
    /// anew for each request, or equal prompts would draw equal tokens. Child i of n draws with seed + i.
    pub fn columns(&self, unseeded: i64) -> SamplingColumns {
        let seed = self.seed.filter(|&seed| seed != -1).unwrap_or(unseeded);
        if self.is_greedy() {
            return SamplingColumns { seed, ..SamplingColumns::GREEDY };
        }
        SamplingColumns {
            temperature_bits: self.temperature.max(LEAST_TEMPERATURE).to_bits(),
            top_p_bits: self.top_p.to_bits(),
            min_p_bits: (self.min_p + 0.0).to_bits(),
            top_k: self.top_k.max(0) as u32,
            seed,
        }
    }

    /// Whether the request needs the stateful [`crate::Sampler`]; if not, its columns say all.
    pub fn needs_host(&self) -> bool {
        self.changes_logits()
            || self.wants_logprobs()
            || self.prompt_logprobs.is_some()
            || self.has_grammar
            || self.has_processors
    }

    /// Whether the temperature asks for the greatest logit.
    pub fn is_greedy(&self) -> bool {
        self.temperature < GREEDY_BELOW
    }

    pub(crate) fn wants_logprobs(&self) -> bool {
        self.logprobs.is_some() || self.logprob_token_ids.is_some()
    }

    pub(crate) fn changes_logits(&self) -> bool {
        self.penalises()
            || !self.logit_bias.is_empty()
            || self.allowed_token_ids.is_some()
            || !self.bad_words.is_empty()
            || (self.min_tokens > 0 && !self.stop_and_eos_ids.is_empty())
    }

    pub(crate) fn penalises(&self) -> bool {
        self.presence_penalty != 0.0 || self.frequency_penalty != 0.0 || self.repetition_penalty != 1.0
    }

    /// Biases as they are added.
    pub(crate) fn clamped_bias(&self) -> impl Iterator<Item = (usize, f32)> {
        self.logit_bias.iter().map(|&(id, bias)| (id as usize, bias.clamp(-GREATEST_BIAS, GREATEST_BIAS)))
    }
}

fn integer(field: &'static str, value: i32, least: i32, most: i32, allowed: &'static str) -> Result<(), SamplingError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(SamplingError::OutOfRange { field, value: f64::from(value), allowed })
}

fn float(
    field: &'static str,
    value: f32,
    accepts: impl Fn(f32) -> bool,
    allowed: &'static str,
) -> Result<(), SamplingError> {
    if accepts(value) {
        return Ok(());
    }
    Err(SamplingError::OutOfRange { field, value: f64::from(value), allowed })
}
