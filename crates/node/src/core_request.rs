//! One request as TypeScript hands it to the core.

use napi::bindgen_prelude::Int32Array;
use napi_derive::napi;
use quire_core::{RepetitionDetection, Request};

use crate::sampling::NativeSampling;

/// Ends a sequence whose output ends in a pattern said again and again.
#[napi(object)]
pub struct NativeRepetitionDetection {
    /// Shortest pattern in tokens.
    pub min_pattern_size: u32,
    /// Longest pattern in tokens.
    pub max_pattern_size: u32,
    /// How often the pattern must stand in a row.
    pub min_count: u32,
}

/// A request: a prompt, how long to go on, and how its sequences are sampled.
#[napi(object)]
pub struct CoreRequest {
    /// The prompt; copied.
    pub prompt_token_ids: Int32Array,
    /// Ends a sequence without being named as the reason.
    pub eos_token_id: Option<i32>,
    /// End a sequence and are named as the reason.
    pub stop_token_ids: Vec<i32>,
    pub ignore_eos: bool,
    /// Lower comes first under the priority policy.
    pub priority: i32,
    /// Order of arrival.
    pub arrival: f64,
    /// Only requests with the same salt share blocks.
    pub cache_salt: Option<String>,
    pub skip_reading_prefix_cache: bool,
    pub repetition_detection: Option<NativeRepetitionDetection>,
    pub sampling: NativeSampling,
}

impl From<CoreRequest> for Request {
    fn from(request: CoreRequest) -> Self {
        let params = request.sampling.to_params();
        Self {
            num_sequences: u32::try_from(params.n).unwrap_or(0),
            max_tokens: params.max_tokens.map(|tokens| u32::try_from(tokens).unwrap_or(0)),
            min_tokens: u32::try_from(params.min_tokens).unwrap_or(0),
            eos_token_id: request.eos_token_id,
            stop_token_ids: request.stop_token_ids,
            ignore_eos: request.ignore_eos,
            priority: request.priority,
            arrival: request.arrival as u64,
            cache_salt: request.cache_salt.map(String::into_bytes),
            prompt_logprobs: params.prompt_logprobs.is_some(),
            skip_reading_prefix_cache: request.skip_reading_prefix_cache,
            repetition_detection: request.repetition_detection.map(|limits| RepetitionDetection {
                min_pattern_size: limits.min_pattern_size,
                max_pattern_size: limits.max_pattern_size,
                min_count: limits.min_count,
            }),
            sampling: params.columns(request.sampling.seed()),
            host_sampling: params.needs_host(),
            // Grammars and processors must know each token before the next is drawn.
            speculates: !params.has_grammar && !params.has_processors,
            ..Self::new(request.prompt_token_ids.to_vec())
        }
    }
}
