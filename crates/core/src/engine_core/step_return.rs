//! What happens when a step returns: tokens are appended, sequences end, blocks that the step held on to go back.

use super::{EngineCore, SampledTokens};
use crate::errors::UpdateError;
use crate::prompt_lookup::PromptLookup;
use crate::scheduler_output::{ScheduledSequence, SchedulerOutput};
use crate::sequence::SequenceStatus;
use crate::step_output::{COMPLETE_TOKEN, FAILED_TOKEN, FinishReason};

impl EngineCore {
    /// Whether a result belongs to the oldest step in flight.
    pub(super) fn check_result(&self, step_id: u32, sampled: SampledTokens<'_>) -> Result<(), UpdateError> {
        let step = match self.in_flight.front() {
            Some(step) if step.step_word() == step_id => step,
            front => {
                let expected = front.map(SchedulerOutput::step_word);
                return Err(UpdateError::WrongStep { given: step_id, expected });
            }
        };
        if sampled.counts.len() != step.sequences.len() {
            let (given, expected) = (sampled.counts.len(), step.sequences.len());
            return Err(UpdateError::WrongNumRows { given, expected });
        }
        if !sampled.num_forced.is_empty() && sampled.num_forced.len() != step.sequences.len() {
            let (given, expected) = (sampled.num_forced.len(), step.sequences.len());
            return Err(UpdateError::WrongNumRows { given, expected });
        }
        let mut expected = 0;
        for (row, (scheduled, &given)) in step.sequences.iter().zip(sampled.counts).enumerate() {
            let (least, allowed) = if scheduled.samples { (1, 1 + scheduled.num_draft_tokens) } else { (0, 0) };
            let sequence_id = scheduled.sequence_id;
            let num_forced = sampled.num_forced_of(row);
            // What a later step in flight computes follows a token that would not be the next one any more.
            if num_forced < 0 || (num_forced > 0 && self.sequences.get(scheduled.slot).num_in_flight > 1) {
                return Err(UpdateError::ForcedTokens { row, sequence_id, given: num_forced });
            }
            let num_drawn = i64::from(given) - i64::from(num_forced);
            if num_drawn < least || num_drawn > i64::from(allowed) {
                return Err(UpdateError::WrongTokenCount { row, sequence_id, given, allowed });
            }
            expected += given as usize;
        }
        if sampled.token_ids.len() != expected {
            return Err(UpdateError::WrongNumTokens { given: sampled.token_ids.len(), expected });
        }
        let is_id = |token_id: &i32| *token_id >= FAILED_TOKEN || *token_id == COMPLETE_TOKEN;
        if let Some(index) = sampled.token_ids.iter().position(|token_id| !is_id(token_id)) {
            return Err(UpdateError::NegativeTokenId { index, token_id: sampled.token_ids[index] });
        }
        Ok(())
    }

    /// Takes the checked result of the oldest step in flight.
    pub(super) fn take_result(&mut self, sampled: SampledTokens<'_>) {
        let step = self.in_flight.pop_front().expect("a checked result has a step: this is a bug");
        self.output.clear();
        let mut token_ids = sampled.token_ids;
        let mut any_ended = false;
        for (index, (row, &count)) in step.sequences.iter().zip(sampled.counts).enumerate() {
            let (new_token_ids, rest) = token_ids.split_at(count as usize);
            token_ids = rest;
            any_ended |= self.take_row(row, step.step_id, new_token_ids, sampled.num_forced_of(index) as u32);
        }
        if any_ended {
            self.drop_ended_from_running();
        }
        self.spare.push(step);
        if let Some(how) = self.config.prompt_lookup {
            self.look_drafts_up(&how);
        }
    }

    /// Gives every sequence drafts that may have some.
    fn look_drafts_up(&mut self, how: &PromptLookup) {
        let most = how.drafts_each(self.scheduler.running.len() as u32);
        if most == 0 {
            return;
        }
        for &slot in &self.scheduler.running {
            let sequence = self.sequences.get_mut(slot);
            if sequence.request.speculates && sequence.takes_drafts() {
                sequence.look_drafts_up(how, most);
            }
        }
    }

    /// Takes one row of a result; true if its sequence ended by it. The last `num_forced` tokens were not drawn: there is no
    /// KV of what comes before them.
    fn take_row(&mut self, row: &ScheduledSequence, step_id: u64, new_token_ids: &[i32], num_forced: u32) -> bool {
        let sequence = self.sequences.get_mut(row.slot);
        sequence.num_in_flight -= 1;
        if sequence.status == SequenceStatus::Finished {
            self.settle(row.slot);
            return false;
        }
        if sequence.epoch == row.epoch {
            let num_drawn = new_token_ids.len() as u32 - num_forced;
            let num_rejected = if row.samples { 1 + row.num_draft_tokens - num_drawn } else { 0 };
            sequence.num_output_placeholders -= u32::from(row.samples);
            sequence.num_computed_tokens -= num_rejected;
            sequence.num_settled_tokens = row.num_computed_tokens + row.num_tokens - num_rejected;
            let num_accepted = row.num_draft_tokens - num_rejected;
            if row.samples {
                // Before these tokens are appended: what was drafted behind the accepted ones is not what stands there now.
                sequence.draft.keep(sequence.num_tokens() + num_accepted);
            }
            if row.num_draft_tokens > 0 {
                if let Some(how) = &self.config.prompt_lookup {
                    sequence.spoken.verified(row.num_draft_tokens, num_accepted, how);
                }
                if let Some(model) = &self.config.draft_model {
                    sequence.draft.pace.verified(row.num_draft_tokens, num_accepted, model.max_draft_tokens);
                }
                self.counters.record_drafts(row.num_draft_tokens, num_accepted);
            }
        }
        let discarded = sequence.discard_through.is_some_and(|last| step_id <= last);
        let mut finish = None;
        if !new_token_ids.is_empty() && !discarded {
            let mut num_taken = 0;
            while finish.is_none() && num_taken < new_token_ids.len() {
                if new_token_ids[num_taken] == FAILED_TOKEN {
                    finish = Some((FinishReason::Error, None));
                    break;
                }
                if new_token_ids[num_taken] == COMPLETE_TOKEN {
                    finish = Some((FinishReason::Complete, None));
                    break;
                }
                finish = sequence.append(new_token_ids[num_taken]);
                num_taken += 1;
            }
            self.counters.totals.num_generated_tokens += num_taken as u64;
            let num_cached_tokens = sequence.num_cached_tokens.unwrap_or(0);
            self.output.push(row.sequence_id, &new_token_ids[..num_taken], finish, num_cached_tokens);
        }
        if finish.is_some() {
            self.end(row.slot);
        } else {
            self.settle(row.slot);
        }
        finish.is_some()
    }

    /// Gives up the step at `index` of those in flight.
    pub(super) fn take_failure(&mut self, index: usize) {
        let step = self.in_flight.remove(index).expect("the step to give up is in flight: this is a bug");
        self.output.clear();
        for row in &step.sequences {
            let sequence = self.sequences.get_mut(row.slot);
            sequence.num_in_flight -= 1;
            if sequence.status == SequenceStatus::Finished {
                self.settle(row.slot);
                continue;
            }
            let num_cached_tokens = sequence.num_cached_tokens.unwrap_or(0);
            self.output.push(row.sequence_id, &[], Some((FinishReason::Error, None)), num_cached_tokens);
            self.end(row.slot);
        }
        self.drop_ended_from_running();
        // Blocks registered since then may never be filled. Whoever found them in the cache is computed again.
        let last_step_id = self.last_step_id;
        for position in (0..self.scheduler.running.len()).rev() {
            let slot = self.scheduler.running[position];
            if self.kv.holds_blocks_since(self.sequences.get(slot), step.step_id) {
                self.scheduler.running.remove(position);
                let sequence = self.sequences.get_mut(slot);
                sequence.discard_through = Some(last_step_id);
                sequence.num_prompt_logits = 0;
                if sequence.num_tokens() == sequence.num_prompt_tokens {
                    sequence.num_cached_tokens = None;
                }
                self.scheduler.start_over(slot, &mut self.sequences, &mut self.kv);
                self.counters.totals.num_preemptions += 1;
            }
        }
        self.kv.pool.unregister_since(step.step_id);
        self.spare.push(step);
    }

    /// Ends a sequence. If it ran, the caller takes it out of `running`.
    pub(super) fn end(&mut self, slot: u32) {
        let sequence = self.sequences.get_mut(slot);
        let waited = sequence.is_waiting();
        if !waited {
            self.scheduler.vacate_row(sequence);
        }
        sequence.status = SequenceStatus::Finished;
        sequence.draft_token_ids.clear();
        if sequence.num_in_flight > 0 && !sequence.release_pending {
            sequence.release_pending = true;
            self.scheduler.num_release_pending += 1;
        }
        if waited {
            self.scheduler.waiting.forget(|entry| self.sequences.waits(entry));
        }
        self.num_unfinished -= 1;
        self.settle(slot);
    }

    /// Gives back what a sequence no longer needs, as soon as no step in flight computes it.
    fn settle(&mut self, slot: u32) {
        let sequence = self.sequences.get_mut(slot);
        if sequence.num_in_flight > 0 {
            return;
        }
        let finished = sequence.status == SequenceStatus::Finished;
        if std::mem::take(&mut sequence.release_pending) {
            self.scheduler.num_release_pending -= 1;
            self.kv.release(sequence);
        } else if finished {
            self.kv.release(sequence);
        }
        if finished {
            self.sequences.remove(slot);
        }
    }

    fn drop_ended_from_running(&mut self) {
        let sequences = &self.sequences;
        self.scheduler.running.retain(|slot| sequences.runs(*slot));
    }
}
