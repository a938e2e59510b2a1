//! What must hold between any two calls. Slow, and for tests and debug builds.

use super::EngineCore;
use crate::sequence::SequenceStatus;

impl EngineCore {
    /// Checks that blocks are conserved, that queues and sequences agree, and that counts are what they count.
    ///
    /// # Errors
    /// A sentence about the first thing that does not hold: a bug in this crate.
    pub fn check_invariants(&self) -> Result<(), String> {
        let mut holders = vec![0; self.config.num_blocks as usize];
        let (mut num_unfinished, mut num_waiting, mut num_running, mut num_release_pending) = (0, 0, 0, 0);
        for (slot, sequence) in self.sequences.iter() {
            let id = sequence.id.0;
            let fail = |what: &str| Err(format!("sequence {id}: {what}"));
            num_unfinished += usize::from(sequence.status != SequenceStatus::Finished);
            num_waiting += usize::from(sequence.is_waiting());
            num_running += usize::from(sequence.status == SequenceStatus::Running);
            num_release_pending += u32::from(sequence.release_pending);
            let in_flight = self.in_flight.iter().flat_map(|step| &step.sequences);
            let num_in_flight = in_flight.filter(|row| row.slot == slot).count() as u32;
            if sequence.num_in_flight != num_in_flight {
                return fail("counts its steps in flight wrongly");
            }
            if sequence.release_pending && num_in_flight == 0 {
                return fail("waits for a step that is not in flight");
            }
            if sequence.status == SequenceStatus::Finished && num_in_flight == 0 {
                return fail("has ended and is still there");
            }
            if (sequence.status == SequenceStatus::Running) != self.scheduler.running.contains(&slot) {
                return fail("runs, or does not, against the list of those who run");
            }
            let table = &sequence.table;
            if sequence.is_waiting() && !sequence.release_pending && table.len() > 0 {
                return fail("waits and holds blocks");
            }
            if sequence.status == SequenceStatus::Running {
                if table.len() * self.config.block_size < sequence.num_computed_tokens {
                    return fail("has tokens without blocks");
                }
                if sequence.num_settled_tokens > sequence.num_computed_tokens {
                    return fail("has more tokens computed than scheduled");
                }
                let known = sequence.num_tokens() + sequence.num_output_placeholders;
                if sequence.num_computed_tokens > known && num_in_flight == 0 {
                    return fail("has more tokens computed than there are");
                }
            }
            for (index, id) in table.blocks().iter().enumerate() {
                if id.is_null() {
                    if self.config.sliding_window.is_none() || index as u32 >= table.num_leading_null() {
                        return fail("has the null block in its table");
                    }
                    continue;
                }
                holders[id.index()] += 1;
                let named = self.kv.pool.identity(*id);
                let expected = (index < table.num_registered() as usize).then(|| sequence.chain[index].hash);
                if sequence.status == SequenceStatus::Running && named.map(|named| named.hash) != expected {
                    return fail("holds a block under another name");
                }
            }
        }
        self.kv.pool.check(&holders)?;
        let max_num_seqs = self.config.max_num_seqs as usize;
        let expected = [
            ("unfinished sequences", num_unfinished, self.num_unfinished),
            ("waiting sequences", num_waiting, self.scheduler.waiting.len()),
            ("running sequences", num_running, self.scheduler.running.len()),
            ("vacant rows", max_num_seqs.wrapping_sub(num_running), self.scheduler.num_vacant_rows()),
            ("sequences", self.sequences.iter().count(), self.sequences.len()),
            ("pending releases", num_release_pending as usize, self.scheduler.num_release_pending as usize),
        ];
        for (what, counted, said) in expected {
            if counted != said {
                return Err(format!("{counted} {what}, {said} in the books"));
            }
        }
        Ok(())
    }
}
