//! A running sequence yields: its blocks go back, its tokens stay, and it is computed again when there is room. There
//! is no swapping.

use super::{Scheduler, Step};
use crate::config::SchedulingPolicy;
use crate::kv_cache_manager::KvCacheManager;
use crate::sequences::Sequences;

impl Scheduler {
    /// Index in `running` of the one that yields: the last to come, or the last in the order in which they wait.
    /// Equals in priority and arrival yield by order of admission, the youngest first: if the eldest did, equals would
    /// take each other's blocks in turn and none would ever end.
    pub(super) fn victim_index(&self, sequences: &Sequences) -> usize {
        match self.config.policy {
            SchedulingPolicy::FirstComeFirstServed => self.running.len() - 1,
            SchedulingPolicy::Priority => {
                let rank = |index: &usize| Self::entry(self.running[*index], sequences.get(self.running[*index]));
                (0..self.running.len()).max_by_key(rank).unwrap_or(0)
            }
        }
    }

    /// Takes the sequence at `index` of `running` out of the step, if it is in it, and makes it yield.
    pub(super) fn preempt(&mut self, step: &mut Step<'_>, index: usize) {
        let slot = self.running.remove(index);
        step.cancel(slot);
        step.output.preempted.push(step.sequences.get(slot).id);
        step.counters.totals.num_preemptions += 1;
        self.start_over(slot, step.sequences, step.kv);
    }

    /// Gives back what a sequence holds and lets it wait again. The caller has taken it out of `running`. Blocks that a
    /// step in flight reads or writes are given back when it returns.
    pub(crate) fn start_over(&mut self, slot: u32, sequences: &mut Sequences, kv: &mut KvCacheManager) {
        let sequence = sequences.get_mut(slot);
        self.vacate_row(sequence);
        sequence.start_over();
        if sequence.num_in_flight == 0 {
            kv.release(sequence);
        } else {
            sequence.release_pending = true;
            self.num_release_pending += 1;
        }
        self.waiting.push_preempted(Self::entry(slot, sequence));
    }
}
