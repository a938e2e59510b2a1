//! All sequences that live, by slot and by id. It owns them and nothing else.

use crate::ids::SequenceId;
use crate::sequence::{Sequence, SequenceStatus};
use crate::waiting_queue::WaitingEntry;
use rustc_hash::FxHashMap;

const NOT_THERE: &str = "a slot in use holds a sequence: this is a bug";

#[derive(Debug, Default)]
pub(crate) struct Sequences {
    slots: Vec<Option<Sequence>>,
    vacant: Vec<u32>,
    by_id: FxHashMap<SequenceId, u32>,
    last_id: u32,
}

impl Sequences {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// An id that no live sequence has: the next one, beginning again when they are used up.
    pub(crate) fn next_id(&mut self) -> SequenceId {
        loop {
            self.last_id = if self.last_id >= SequenceId::MAX.0 { 1 } else { self.last_id + 1 };
            let id = SequenceId(self.last_id);
            if !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    /// The first of `count` consecutive ids that no live sequence has; they are given out by this.
    pub(crate) fn next_ids(&mut self, count: u32) -> SequenceId {
        'search: loop {
            let first = self.next_id();
            if first.0 > SequenceId::MAX.0 - (count - 1) {
                self.last_id = SequenceId::MAX.0;
                continue;
            }
            for id in first.0 + 1..first.0 + count {
                if self.by_id.contains_key(&SequenceId(id)) {
                    self.last_id = id;
                    continue 'search;
                }
            }
            self.last_id = first.0 + (count - 1);
            return first;
        }
    }

    pub(crate) fn insert(&mut self, sequence: Sequence) -> u32 {
        let id = sequence.id;
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(sequence);
                slot
            }
            None => {
                self.slots.push(Some(sequence));
                self.slots.len() as u32 - 1
            }
        };
        self.by_id.insert(id, slot);
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        let sequence = self.slots[slot as usize].take().expect(NOT_THERE);
        self.by_id.remove(&sequence.id);
        self.vacant.push(slot);
    }

    pub(crate) fn slot_of(&self, id: SequenceId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn get(&self, slot: u32) -> &Sequence {
        self.slots[slot as usize].as_ref().expect(NOT_THERE)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut Sequence {
        self.slots[slot as usize].as_mut().expect(NOT_THERE)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Sequence)> {
        self.slots.iter().enumerate().filter_map(|(slot, sequence)| Some((slot as u32, sequence.as_ref()?)))
    }

    /// Whether the slot holds a sequence that runs.
    pub(crate) fn runs(&self, slot: u32) -> bool {
        let sequence = self.slots[slot as usize].as_ref();
        sequence.is_some_and(|sequence| sequence.status == SequenceStatus::Running)
    }

    /// Whether the sequence that an entry of the waiting queue means is there and waits.
    pub(crate) fn waits(&self, entry: &WaitingEntry) -> bool {
        let sequence = self.slots[entry.slot as usize].as_ref();
        sequence.is_some_and(|sequence| sequence.order == entry.order && sequence.is_waiting())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RequestId;
    use crate::request::Request;
    use std::sync::Arc;

    #[test]
    fn ids_begin_again_and_skip_the_living() {
        let mut sequences = Sequences::default();
        let request = Arc::new(Request::new(vec![1]));
        let insert = |sequences: &mut Sequences, id: SequenceId| {
            sequences.insert(Sequence::new(id, RequestId(1), 0, Arc::clone(&request), 0, vec![1], 9))
        };
        let first = sequences.next_ids(2);
        assert_eq!(first, SequenceId(1));
        insert(&mut sequences, SequenceId(2));
        sequences.last_id = SequenceId::MAX.0 - 2;
        // Two are left before the end, three are asked for: from the start, and behind the living one.
        assert_eq!(sequences.next_ids(3), SequenceId(3));
        sequences.last_id = SequenceId::MAX.0 - 2;
        assert_eq!(sequences.next_ids(2), SequenceId(SequenceId::MAX.0 - 1));
        assert_eq!(sequences.next_ids(1), SequenceId(1));
        assert_eq!(sequences.next_ids(1), SequenceId(3));
    }
}
