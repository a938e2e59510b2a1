//! The scheduler: adds and aborts requests, decides steps, takes their tokens back. Microseconds each, so all are synchronous.

use napi::bindgen_prelude::{BufferSlice, Uint8Array};
use napi_derive::napi;
use quire_core::{
    DraftModel, EngineConfig, InputBatchBuffer, PromptLookup, SampledTokens, SchedulingPolicy, SequenceId, StepOutput,
};

use crate::core_request::CoreRequest;
use crate::failure::{Failure, Outcome, outcome};
use crate::words::fill;

/// How drafts are looked up in what a sequence has said before; see `PromptLookup` in crates/core.
#[napi(object)]
pub struct NativePromptLookup {
    /// Drafts of one sequence in a step, at most.
    pub max_draft_tokens: u32,
    /// Tokens that must have stood there before, at least.
    pub min_match: u32,
    /// So many are looked for first.
    pub max_match: u32,
    /// Tokens that a step of running sequences may grow to by drafts.
    pub max_step_tokens: u32,
}

/// The model that drafts; see `DraftModel` in crates/core.
#[napi(object)]
pub struct NativeDraftModel {
    /// Drafts of one sequence in a step, at most.
    pub max_draft_tokens: u32,
    /// Tokens that a step of running sequences may grow to by drafts.
    pub max_step_tokens: u32,
    /// Tokens of the longest sequence that it computes.
    pub max_model_len: u32,
    /// Ids that both models have.
    pub vocab_size: u32,
}

/// What a scheduler is made with; see `EngineConfig` in crates/core.
#[napi(object)]
pub struct EngineCoreOptions {
    /// KV slots per block.
    pub block_size: u32,
    /// Blocks, the null block included.
    pub num_blocks: u32,
    pub max_num_seqs: u32,
    pub max_num_batched_tokens: u32,
    pub max_model_len: u32,
    /// Rows of logits in one step.
    pub max_logits_rows: u32,
    pub enable_prefix_caching: bool,
    pub enable_chunked_prefill: bool,
    /// 0 = no limit.
    pub long_prefill_token_threshold: u32,
    /// First come, first served; or by priority.
    #[napi(ts_type = "'fcfs' | 'priority'")]
    pub policy: String,
    /// Tokens that attention looks back.
    pub sliding_window: Option<u32>,
    /// Absent: no drafts.
    pub prompt_lookup: Option<NativePromptLookup>,
    /// Absent: no model drafts. Not beside `promptLookup` or `slidingWindow`.
    pub draft_model: Option<NativeDraftModel>,
    /// 16 random bytes, drawn once per process: the key of the block hashes.
    pub hash_secret: Uint8Array,
}

impl EngineCoreOptions {
    fn to_config(&self) -> Result<EngineConfig, Failure> {
        let secret = self.hash_secret.as_ref().try_into().map_err(Failure::bug)?;
        Ok(EngineConfig {
            max_num_seqs: self.max_num_seqs,
            max_num_batched_tokens: self.max_num_batched_tokens,
            max_logits_rows: self.max_logits_rows,
            enable_prefix_caching: self.enable_prefix_caching,
            enable_chunked_prefill: self.enable_chunked_prefill,
            long_prefill_token_threshold: self.long_prefill_token_threshold,
            policy: match self.policy.as_str() {
                "priority" => SchedulingPolicy::Priority,
                _ => SchedulingPolicy::FirstComeFirstServed,
            },
            sliding_window: self.sliding_window,
            prompt_lookup: self.prompt_lookup.as_ref().map(|lookup| PromptLookup {
                max_draft_tokens: lookup.max_draft_tokens,
                min_match: lookup.min_match,
                max_match: lookup.max_match,
                max_step_tokens: lookup.max_step_tokens,
            }),
            num_lookahead_tokens: self.draft_model.as_ref().map_or(0, |model| model.max_draft_tokens),
            draft_model: self.draft_model.as_ref().map(|model| DraftModel {
                max_draft_tokens: model.max_draft_tokens,
                max_step_tokens: model.max_step_tokens,
                max_model_len: model.max_model_len,
                vocab_size: model.vocab_size,
            }),
            ..EngineConfig::new(self.block_size, self.num_blocks, self.max_model_len, secret)
        })
    }
}

/// The sequences of an admitted request: `first`, `first + 1`, ...
#[napi(object)]
pub struct NativeAdmission {
    /// Id of the first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Counts for whoever watches; those that count events only grow.
#[napi(object)]
pub struct CoreStats {
    pub num_running: f64,
    pub num_waiting: f64,
    pub num_free_blocks: f64,
    pub num_usable_blocks: f64,
    pub num_cached_blocks: f64,
    pub num_steps: f64,
    pub num_scheduled_tokens: f64,
    pub num_generated_tokens: f64,
    pub num_drafted_rows: f64,
    pub num_draft_tokens: f64,
    pub num_accepted_draft_tokens: f64,
    pub num_preemptions: f64,
    pub prefix_cache_queries: f64,
    pub prefix_cache_hits: f64,
    /// `num_accepted_draft_tokens` by position in a row's drafts; empty without speculation.
    pub num_accepted_draft_tokens_by_position: Vec<f64>,
}

/// Scheduling and KV blocks of one engine.
#[napi]
pub struct EngineCore {
    core: quire_core::EngineCore,
    batch: InputBatchBuffer,
    draft_batch: InputBatchBuffer,
    output: Vec<i32>,
}

#[napi]
impl EngineCore {
    /// A scheduler without requests.
    #[napi]
    pub fn create(options: EngineCoreOptions) -> Outcome<EngineCore> {
        outcome(|| {
            let core = quire_core::EngineCore::new(options.to_config()?)?;
            Ok::<_, Failure>(Self {
                core,
                batch: InputBatchBuffer::new(),
                draft_batch: InputBatchBuffer::new(),
                output: Vec::new(),
            })
        })
    }

    /// Takes a request; its sequences wait from now on.
    #[napi]
    pub fn add(&mut self, request: CoreRequest) -> Outcome<NativeAdmission> {
        outcome(|| {
            let admitted = self.core.add(request.into())?;
            Ok::<_, Failure>(NativeAdmission { first: admitted.first.0, count: admitted.count })
        })
    }

    /// Ends a sequence, wherever it is; it appears in no output any more. False if it is not there.
    #[napi]
    pub fn abort(&mut self, sequence_id: u32) -> Outcome<bool> {
        outcome(|| Ok::<_, Failure>(self.core.abort(SequenceId(sequence_id))))
    }

    /// Decides the next step. Gives its length in words, 0 if there is nothing to run. `words` (the bytes of an Int32Array)
    /// is filled if the step fits; if not, `readBatch` fills a longer one.
    #[napi]
    pub fn schedule(&mut self, mut words: BufferSlice<'_>) -> Outcome<u32> {
        outcome(|| match self.core.schedule(&mut self.batch) {
            true if words.len() < size_of_val(self.batch.words()) => Ok(self.batch.words().len() as u32),
            true => fill(&mut words, self.batch.words()),
            false => Ok(0),
        })
    }

    /// Copies the step that `schedule` decided.
    #[napi]
    pub fn read_batch(&self, mut words: BufferSlice<'_>) -> Outcome<u32> {
        outcome(|| fill(&mut words, self.batch.words()))
    }

    /// Decides the next batch of the model that drafts, between two steps; `token_ids` are those that it drew in the batch before, one
    /// for each row that sampled. Gives its length in words, 0 if the round is over; `words` as of `schedule`, with `readDraftBatch`.
    #[napi]
    pub fn draft(&mut self, token_ids: &[i32], mut words: BufferSlice<'_>) -> Outcome<u32> {
        outcome(|| match self.core.draft(token_ids, &mut self.draft_batch)? {
            true if words.len() < size_of_val(self.draft_batch.words()) => Ok(self.draft_batch.words().len() as u32),
            true => fill(&mut words, self.draft_batch.words()),
            false => Ok(0),
        })
    }

    /// Copies the batch that `draft` decided.
    #[napi]
    pub fn read_draft_batch(&self, mut words: BufferSlice<'_>) -> Outcome<u32> {
        outcome(|| fill(&mut words, self.draft_batch.words()))
    }

    /// Ends a round of drafts before its end: the model that drafts has failed.
    #[napi]
    pub fn end_drafts(&mut self) -> Outcome<bool> {
        outcome(|| {
            self.core.end_drafts();
            Ok::<_, Failure>(true)
        })
    }

    /// Takes a step's tokens: `counts[row]` of them for each row, `token_ids` end to end; the last `num_forced[row]` of a row
    /// were not drawn (an empty array: none of any row). Gives the length of its output in
    /// words, which `readOutput` copies.
    #[napi]
    pub fn update(&mut self, step_id: u32, counts: &[i32], token_ids: &[i32], num_forced: &[i32]) -> Outcome<u32> {
        outcome(|| {
            let output = self.core.update(step_id, SampledTokens { counts, token_ids, num_forced })?;
            Ok::<_, Failure>(keep(output, &mut self.output))
        })
    }

    /// Gives up a step whose runner failed: its sequences end with reason 4, the others go on. As `update`.
    #[napi]
    pub fn fail_step(&mut self, step_id: u32) -> Outcome<u32> {
        outcome(|| Ok::<_, Failure>(keep(self.core.fail_step(step_id)?, &mut self.output)))
    }

    /// Copies the output of the last step: `num_sequences`, `num_token_ids`, then the columns sequence ids, numbers of
    /// tokens, finish reasons (0 = goes on), stop token ids (-1 = none), cached prompt tokens, then the token ids.
    #[napi]
    pub fn read_output(&self, mut words: BufferSlice<'_>) -> Outcome<u32> {
        outcome(|| fill(&mut words, &self.output))
    }

    /// Whether sequences wait or run, or steps are in flight.
    #[napi]
    pub fn has_unfinished(&self) -> bool {
        self.core.has_unfinished()
    }

    /// A snapshot.
    #[napi]
    pub fn stats(&self) -> CoreStats {
        let stats = self.core.stats();
        CoreStats {
            num_running: stats.num_running as f64,
            num_waiting: stats.num_waiting as f64,
            num_free_blocks: stats.num_free_blocks as f64,
            num_usable_blocks: stats.num_usable_blocks as f64,
            num_cached_blocks: stats.num_cached_blocks as f64,
            num_steps: stats.num_steps as f64,
            num_scheduled_tokens: stats.num_scheduled_tokens as f64,
            num_generated_tokens: stats.num_generated_tokens as f64,
            num_drafted_rows: stats.num_drafted_rows as f64,
            num_draft_tokens: stats.num_draft_tokens as f64,
            num_accepted_draft_tokens: stats.num_accepted_draft_tokens as f64,
            num_preemptions: stats.num_preemptions as f64,
            prefix_cache_queries: stats.prefix_cache_queries as f64,
            prefix_cache_hits: stats.prefix_cache_hits as f64,
            num_accepted_draft_tokens_by_position: self
                .core
                .num_accepted_draft_tokens_by_position()
                .iter()
                .map(|count| *count as f64)
                .collect(),
        }
    }

    /// The numbers of `stats`, in the order of its fields, into the bytes of a Float64Array: for who reads them after every step.
    #[napi]
    pub fn read_stats(&self, mut numbers: BufferSlice<'_>) -> Outcome<u32> {
        let CoreStats {
            num_running,
            num_waiting,
            num_free_blocks,
            num_usable_blocks,
            num_cached_blocks,
            num_steps,
            num_scheduled_tokens,
            num_generated_tokens,
            num_drafted_rows,
            num_draft_tokens,
            num_accepted_draft_tokens,
            num_preemptions,
            prefix_cache_queries,
            prefix_cache_hits,
            num_accepted_draft_tokens_by_position,
        } = self.stats();
        let values = [
            num_running,
            num_waiting,
            num_free_blocks,
            num_usable_blocks,
            num_cached_blocks,
            num_steps,
            num_scheduled_tokens,
            num_generated_tokens,
            num_drafted_rows,
            num_draft_tokens,
            num_accepted_draft_tokens,
            num_preemptions,
            prefix_cache_queries,
            prefix_cache_hits,
        ];
        let values = [&values[..], &num_accepted_draft_tokens_by_position].concat();
        outcome(|| fill(&mut numbers, &values))
    }

    /// Empties the prefix cache. False, and nothing changed, while a block is held.
    #[napi]
    pub fn reset_prefix_cache(&mut self) -> Outcome<bool> {
        outcome(|| Ok::<_, Failure>(self.core.reset_prefix_cache()))
    }

    /// Fails, naming it, if an invariant of the block manager does not hold.
    #[napi]
    pub fn check_invariants(&self) -> Outcome<bool> {
        outcome(|| self.core.check_invariants().map(|()| true).map_err(Failure::bug))
    }
}

fn keep(output: &StepOutput, words: &mut Vec<i32>) -> u32 {
    output.write_words(words);
    words.len() as u32
}
