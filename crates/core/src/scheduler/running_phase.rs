//! The first phase of a step: every running sequence, in the order of admission, gets the tokens it lacks. When the
//! blocks run out, somebody yields.

use super::{Scheduler, Step};
use crate::sequence::Sequence;

impl Scheduler {
    /// Returns false if a sequence went without blocks that a step in flight will give back.
    pub(super) fn schedule_running(&mut self, step: &mut Step<'_>) -> bool {
        let mut index = 0;
        while index < self.running.len() && step.budget.num_tokens > 0 {
            let slot = self.running[index];
            let num_new_tokens = self.num_tokens_wanted(step, step.sequences.get(slot));
            if num_new_tokens == 0 {
                // Nothing to do for this one now; those behind it are served all the same.
                index += 1;
                continue;
            }
            loop {
                let sequence = step.sequences.get_mut(slot);
                if step.kv.extend(sequence, num_new_tokens, step.output.step_id) {
                    step.take(slot, num_new_tokens);
                    index += 1;
                    break;
                }
                // Blocks are on their way: nobody needs to yield for them.
                if self.num_release_pending > 0 {
                    return false;
                }
                let victim = self.victim_index(step.sequences);
                self.preempt(step, victim);
                if victim == index {
                    return true;
                }
                if victim < index {
                    index -= 1;
                }
            }
        }
        true
    }

    fn num_tokens_wanted(&self, step: &Step<'_>, sequence: &Sequence) -> u32 {
        if sequence.ends_in_flight() {
            return 0;
        }
        let total = sequence.num_tokens_with_drafts() + sequence.num_output_placeholders;
        let start = sequence.num_computed_tokens;
        let mut num_new_tokens = total.saturating_sub(start);
        if self.config.long_prefill_token_threshold > 0 {
            num_new_tokens = num_new_tokens.min(self.config.long_prefill_token_threshold);
        }
        // The last token of the longest sequence is sampled and never computed.
        let room = (self.longest_sequence - 1).saturating_sub(start);
        num_new_tokens = num_new_tokens.min(step.budget.num_tokens).min(room);
        if num_new_tokens == 0 { 0 } else { step.cut_to_logits(sequence, start, num_new_tokens) }
    }
}
