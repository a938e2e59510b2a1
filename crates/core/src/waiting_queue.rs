//! Who waits, in which order. It holds names of sequences, not sequences: an entry whose sequence no longer waits is
//! dropped when it is met.

use crate::config::SchedulingPolicy;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A waiting sequence. The derived order is the priority policy's: priority, then arrival, then admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaitingEntry {
    pub(crate) priority: i32,
    pub(crate) arrival: u64,
    pub(crate) order: u64,
    pub(crate) slot: u32,
}

#[derive(Debug)]
pub(crate) struct WaitingQueue {
    policy: SchedulingPolicy,
    /// First come, first served: those passed over in earlier steps come before the others.
    passed_over: VecDeque<WaitingEntry>,
    waiting: VecDeque<WaitingEntry>,
    /// The priority policy's heap.
    heap: BinaryHeap<Reverse<WaitingEntry>>,
    /// Passed over in this step.
    passed_now: Vec<WaitingEntry>,
    /// Entries whose sequence still waits.
    num_waiting: usize,
}

impl WaitingQueue {
    pub(crate) fn new(policy: SchedulingPolicy) -> Self {
        Self {
            policy,
            passed_over: VecDeque::new(),
            waiting: VecDeque::new(),
            heap: BinaryHeap::new(),
            passed_now: Vec::new(),
            num_waiting: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.num_waiting
    }

    /// A new sequence: last, or where its priority puts it.
    pub(crate) fn push(&mut self, entry: WaitingEntry) {
        self.num_waiting += 1;
        match self.policy {
            SchedulingPolicy::FirstComeFirstServed => self.waiting.push_back(entry),
            SchedulingPolicy::Priority => self.heap.push(Reverse(entry)),
        }
    }

    /// A preempted sequence: first, or where its priority puts it.
    pub(crate) fn push_preempted(&mut self, entry: WaitingEntry) {
        self.num_waiting += 1;
        match self.policy {
            SchedulingPolicy::FirstComeFirstServed => self.waiting.push_front(entry),
            SchedulingPolicy::Priority => self.heap.push(Reverse(entry)),
        }
    }

    /// The next one in order. `waits` says whether an entry's sequence still waits.
    pub(crate) fn head(&mut self, waits: impl Fn(&WaitingEntry) -> bool) -> Option<WaitingEntry> {
        loop {
            let entry = match self.policy {
                SchedulingPolicy::FirstComeFirstServed => {
                    self.passed_over.front().or_else(|| self.waiting.front()).copied()
                }
                SchedulingPolicy::Priority => self.heap.peek().map(|entry| entry.0),
            }?;
            if waits(&entry) {
                return Some(entry);
            }
            self.remove_head();
        }
    }

    fn remove_head(&mut self) -> Option<WaitingEntry> {
        match self.policy {
            SchedulingPolicy::FirstComeFirstServed => self.passed_over.pop_front().or_else(|| self.waiting.pop_front()),
            SchedulingPolicy::Priority => self.heap.pop().map(|entry| entry.0),
        }
    }

    /// Takes the head out: it starts to run.
    pub(crate) fn pop(&mut self) {
        self.num_waiting -= 1;
        self.remove_head();
    }

    /// Lets those behind the head pass, until `restore`.
    pub(crate) fn pass_over(&mut self) {
        let head = self.remove_head();
        self.passed_now.extend(head);
    }

    /// Puts those passed over in this step back, ahead of the rest, in their order.
    pub(crate) fn restore(&mut self) {
        match self.policy {
            SchedulingPolicy::FirstComeFirstServed => {
                for entry in self.passed_now.drain(..).rev() {
                    self.passed_over.push_front(entry);
                }
            }
            SchedulingPolicy::Priority => self.heap.extend(self.passed_now.drain(..).map(Reverse)),
        }
    }

    /// A waiting sequence ended. Its entry is dropped when it is met, or here when many have piled up.
    pub(crate) fn forget(&mut self, waits: impl Fn(&WaitingEntry) -> bool) {
        self.num_waiting -= 1;
        let num_entries = self.passed_over.len() + self.waiting.len() + self.heap.len();
        if num_entries > 2 * self.num_waiting + 64 {
            self.passed_over.retain(&waits);
            self.waiting.retain(&waits);
            self.heap.retain(|entry| waits(&entry.0));
        }
    }
}
