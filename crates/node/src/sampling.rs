//! The part of a request's sampling parameters that touches logits, as TypeScript hands it over: checked there, once.

use napi::bindgen_prelude::BigInt;
use napi_derive::napi;
use quire_sampler::SamplingParams;

/// Sampling parameters of one request. Absent = off.
#[napi(object)]
pub struct NativeSampling {
    /// Continuations of the prompt.
    pub n: i32,
    /// See `SamplingOptions` for this and the next ones.
    pub presence_penalty: f64,
    pub frequency_penalty: f64,
    pub repetition_penalty: f64,
    pub temperature: f64,
    pub top_p: f64,
    pub top_k: i32,
    pub min_p: f64,
    /// 64 bits, always given: for a request without a seed the caller has drawn one. Child i draws with seed + i.
    pub seed: BigInt,
    pub max_tokens: Option<i32>,
    pub min_tokens: i32,
    /// Ids that may not be drawn before `minTokens`.
    pub stop_and_eos_ids: Vec<i32>,
    pub logprobs: Option<i32>,
    pub prompt_logprobs: Option<i32>,
    pub logprob_token_ids: Option<Vec<i32>>,
    /// Ids of `logitBiases`.
    pub logit_bias_ids: Vec<i32>,
    /// What is added to the logit of each.
    pub logit_biases: Vec<f64>,
    pub allowed_token_ids: Option<Vec<i32>>,
    /// Token ids of each word.
    pub bad_words: Vec<Vec<i32>>,
    /// A grammar masks every row of the request's sequences.
    pub has_grammar: bool,
    /// Processors of JavaScript change every row of the request's sequences.
    pub has_processors: Option<bool>,
}

impl NativeSampling {
    /// The seed as the core keeps it.
    pub(crate) fn seed(&self) -> i64 {
        self.seed.get_i64().0
    }

    pub(crate) fn to_params(&self) -> SamplingParams {
        SamplingParams {
            n: self.n,
            presence_penalty: self.presence_penalty as f32,
            frequency_penalty: self.frequency_penalty as f32,
            repetition_penalty: self.repetition_penalty as f32,
            temperature: self.temperature as f32,
            top_p: self.top_p as f32,
            top_k: self.top_k,
            min_p: self.min_p as f32,
            seed: Some(self.seed()),
            max_tokens: self.max_tokens,
            min_tokens: self.min_tokens,
            stop_and_eos_ids: self.stop_and_eos_ids.clone(),
            logprobs: self.logprobs,
            prompt_logprobs: self.prompt_logprobs,
            logprob_token_ids: self.logprob_token_ids.clone(),
            logit_bias: self
                .logit_bias_ids
                .iter()
                .copied()
                .zip(self.logit_biases.iter().map(|bias| *bias as f32))
                .collect(),
            allowed_token_ids: self.allowed_token_ids.clone(),
            bad_words: self.bad_words.clone(),
            has_grammar: self.has_grammar,
            has_processors: self.has_processors.unwrap_or(false),
        }
    }
}

/// Whether the request needs the stateful sampler on the host; if not, its columns in the batch say all.
#[napi]
pub fn needs_host_sampling(sampling: NativeSampling) -> bool {
    sampling.to_params().needs_host()
}
