//! What sampling must remember of one sequence, and the changes that this makes to its logits: allowed ids, bias,
//! min_tokens, processors, penalties, bad words, in this order. Temperature and what follows is the draw's.

use std::sync::Arc;

use quire_core::SequenceId;

use crate::error::SamplingError;
use crate::logits_processor::{self, LogitsProcessor, RowContext};
use crate::sampling_params::SamplingParams;
use crate::token_counts::TokenCounts;

#[derive(Debug)]
pub(crate) struct SequenceState {
    params: SamplingParams,
    processors: Vec<Arc<dyn LogitsProcessor>>,
    /// Kept only for prompt logprobs and processors.
    prompt_token_ids: Vec<i32>,
    /// Index of the next prompt id to describe; the first has nothing before it.
    next_prompt_logprob: usize,
    output_token_ids: Vec<i32>,
    counts: TokenCounts,
}

impl SequenceState {
    pub(crate) fn new(
        params: SamplingParams,
        prompt_token_ids: &[i32],
        vocab_size: usize,
        processors: Vec<Arc<dyn LogitsProcessor>>,
    ) -> Self {
        let prompt_ids = |wanted: bool| if wanted { prompt_token_ids } else { &[] };
        Self {
            prompt_token_ids: prompt_ids(params.prompt_logprobs.is_some() || !processors.is_empty()).to_vec(),
            processors,
            next_prompt_logprob: 1,
            output_token_ids: Vec::new(),
            counts: TokenCounts::of_prompt(prompt_ids(params.penalises()), vocab_size),
            params,
        }
    }

    pub(crate) fn params(&self) -> &SamplingParams {
        &self.params
    }

    pub(crate) fn num_output_tokens(&self) -> usize {
        self.output_token_ids.len()
    }

    pub(crate) fn append(&mut self, token_id: i32) {
        self.output_token_ids.push(token_id);
        if self.params.penalises() {
            self.counts.add_output(token_id as u32);
        }
    }

    pub(crate) fn truncate(&mut self, num_output_tokens: usize) {
        while self.output_token_ids.len() > num_output_tokens {
            if let Some(token_id) = self.output_token_ids.pop() {
                self.counts.remove_output(token_id as u32);
            }
        }
    }

    /// The prompt id at `index`, if its logprob is wanted and has not been delivered; marks it delivered.
    pub(crate) fn take_prompt_logprob(&mut self, index: usize) -> Option<i32> {
        if index < self.next_prompt_logprob {
            return None; // computed again after preemption
        }
        let token_id = *self.prompt_token_ids.get(index)?;
        self.next_prompt_logprob = index + 1;
        Some(token_id)
    }

    /// Whether the sequence's rules or processors would do anything.
    pub(crate) fn changes_logits(&self) -> bool {
        self.params.changes_logits() || self.has_processors()
    }

    pub(crate) fn has_processors(&self) -> bool {
        !self.processors.is_empty()
    }

    /// The rules that come before processors, on one row of logits.
    pub(crate) fn bias_and_mask(&self, logits: &mut [f32]) {
        self.mask_all_but_allowed(logits);
        for (id, bias) in self.params.clamped_bias() {
            logits[id] += bias;
        }
        self.mask_early_ends(logits);
    }

    /// What those rules made impossible, once more.
    pub(crate) fn mask_again(&self, logits: &mut [f32]) {
        self.mask_all_but_allowed(logits);
        self.mask_early_ends(logits);
    }

    /// Runs the processors over one row of logits.
    pub(crate) fn process(&self, sequence_id: SequenceId, logits: &mut [f32]) -> Result<(), SamplingError> {
        let Self { processors, prompt_token_ids, output_token_ids, .. } = self;
        logits_processor::run(processors, logits, &RowContext { sequence_id, prompt_token_ids, output_token_ids })
    }

    /// The rules that come after processors.
    pub(crate) fn penalise_and_forbid(&self, logits: &mut [f32]) {
        if self.params.penalises() {
            self.penalise(logits);
        }
        self.mask_bad_words(logits);
    }

    fn mask_early_ends(&self, logits: &mut [f32]) {
        if (self.output_token_ids.len() as i64) < i64::from(self.params.min_tokens) {
            for &id in &self.params.stop_and_eos_ids {
                if let Some(logit) = usize::try_from(id).ok().and_then(|id| logits.get_mut(id)) {
                    *logit = f32::NEG_INFINITY;
                }
            }
        }
    }

    fn mask_all_but_allowed(&self, logits: &mut [f32]) {
        let Some(allowed) = &self.params.allowed_token_ids else { return };
        let kept: Vec<f32> = allowed.iter().map(|&id| logits[id as usize]).collect();
        logits.fill(f32::NEG_INFINITY);
        for (&id, logit) in allowed.iter().zip(kept) {
            logits[id as usize] = logit;
        }
    }

    fn penalise(&self, logits: &mut [f32]) {
        let SamplingParams { repetition_penalty, frequency_penalty, presence_penalty, .. } = self.params;
        for count in self.counts.iter() {
            let logit = &mut logits[count.id as usize];
            *logit = if *logit > 0.0 { *logit / repetition_penalty } else { *logit * repetition_penalty };
            *logit -= frequency_penalty * count.num_outputs as f32;
            if count.num_outputs > 0 {
                *logit -= presence_penalty;
            }
        }
    }

    fn mask_bad_words(&self, logits: &mut [f32]) {
        for word in &self.params.bad_words {
            if let Some((&last, start)) = word.split_last()
                && self.output_token_ids.ends_with(start)
            {
                logits[last as usize] = f32::NEG_INFINITY;
            }
        }
    }
}
