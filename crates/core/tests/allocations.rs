//! A steady step allocates nothing: counted by an allocator that counts.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait; this one adds a counter to the system's")]

use quire_core::{EngineConfig, EngineCore, InputBatchBuffer, Request, SampledTokens};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    /// Of this thread: what the test's harness allocates meanwhile in its own does not count.
    static NUM_ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    NUM_ALLOCATIONS.set(NUM_ALLOCATIONS.get() + 1);
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, which is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: the pointer came from `alloc` above, which is the system's.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
#[cfg_attr(debug_assertions, ignore = "debug builds check the invariants after every step, and that allocates")]
fn a_steady_step_does_not_allocate() {
    let mut config = EngineConfig::new(16, 8192, 4096, [0; 16]);
    config.max_num_seqs = 64;
    let mut engine = EngineCore::new(config).expect("an engine");
    for index in 0..64 {
        let mut request = Request::new((0..200).map(|token| token * 64 + index).collect());
        request.max_tokens = None;
        engine.add(request).expect("a request");
    }
    // The buffer grows with the sequences: room for their end is made at the start.
    let mut buffer = InputBatchBuffer::with_capacity(1 << 18);
    let (counts, token_ids) = ([1; 64], [3; 64]);
    let mut step = |engine: &mut EngineCore| {
        assert!(engine.schedule(&mut buffer));
        let view = buffer.view().expect("a batch");
        let num_sampled = view.sample_index().iter().filter(|index| **index >= 0).count();
        let (step_id, num_rows) = (view.step_id(), view.num_rows());
        let mut row_counts = [0; 64];
        for (count, sample) in row_counts.iter_mut().zip(view.sample_index()) {
            *count = i32::from(*sample >= 0) * counts[0];
        }
        let sampled =
            SampledTokens { counts: &row_counts[..num_rows], token_ids: &token_ids[..num_sampled], num_forced: &[] };
        engine.update(step_id, sampled).expect("a result that belongs to the step");
    };
    for _ in 0..40 {
        step(&mut engine);
    }
    let before = NUM_ALLOCATIONS.get();
    for _ in 0..1000 {
        step(&mut engine);
    }
    assert_eq!(NUM_ALLOCATIONS.get() - before, 0);
    assert_eq!(engine.stats().num_running, 64);
}
