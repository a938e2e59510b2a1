//! The second phase of a step: waiting sequences start, strictly in order. One that does not fit stops those behind it
//! too; only blocked ones are passed over.

use super::{Scheduler, Step};
use crate::kv_cache_manager::Admission;
use crate::sequence::SequenceStatus;

impl Scheduler {
    pub(super) fn schedule_waiting(&mut self, step: &mut Step<'_>) {
        while step.budget.num_tokens > 0 && self.running.len() < self.config.max_num_seqs as usize {
            let Some(entry) = self.waiting.head(|entry| step.sequences.waits(entry)) else { break };
            if step.sequences.get(entry.slot).blocked {
                self.waiting.pass_over();
            } else if self.admit(step, entry.slot) {
                self.waiting.pop();
            } else {
                break;
            }
        }
        self.waiting.restore();
    }

    /// Starts a sequence; false if it has to wait.
    fn admit(&mut self, step: &mut Step<'_>, slot: u32) -> bool {
        let sequence = step.sequences.get_mut(slot);
        if sequence.num_in_flight > 0 {
            // It yielded while a step computed it: its blocks, and perhaps a token, come with that step's result.
            return false;
        }
        let num_cached = step.kv.find_cached_prefix(sequence);
        let num_tokens = sequence.num_tokens();
        let mut num_new_tokens = num_tokens - num_cached;
        if self.config.long_prefill_token_threshold > 0 {
            num_new_tokens = num_new_tokens.min(self.config.long_prefill_token_threshold);
        }
        if num_new_tokens > step.budget.num_tokens {
            if !self.config.enable_chunked_prefill {
                return false;
            }
            num_new_tokens = step.budget.num_tokens;
        }
        let sequence = step.sequences.get(slot);
        let num_new_tokens = step.cut_to_logits(sequence, num_cached, num_new_tokens);
        // Alone, a sequence may have every block: the watermark is there for those that run.
        let watermark_blocks = if self.running.is_empty() { 0 } else { self.config.watermark_blocks };
        let admission = Admission { num_new_tokens, watermark_blocks, step: step.output.step_id };
        let sequence = step.sequences.get_mut(slot);
        if !step.kv.admit(sequence, admission) {
            return false;
        }
        if self.config.enable_prefix_caching && sequence.reads_prefix_cache() {
            let again = sequence.status == SequenceStatus::Preempted;
            step.counters.record_admission(num_tokens, num_cached, again);
        }
        sequence.num_cached_tokens.get_or_insert(num_cached);
        sequence.status = SequenceStatus::Running;
        sequence.row = self.vacant_rows.pop().expect("every running sequence has a row of its own: this is a bug");
        self.running.push(slot);
        step.take(slot, num_new_tokens);
        true
    }
}
