//! A fork-join pool for regions of a few microseconds: the caller works too, workers spin a little and then sleep, and
//! an atomic cursor hands out chunks. Knows nothing of what the chunks compute.
//!
//! A region ends when its chunks are done, not when every worker has come by: a worker that another process keeps from
//! running costs its share of speed and nothing else. With a thread on every core, whoever else wakes (the JavaScript
//! thread above all) would wait for the rest of a time slice of some milliseconds; so the pool's threads give way often, and
//! a worker first leaves the region, which does not wait for it to have a core again.

use std::{
    any::Any,
    cell::{Cell, UnsafeCell},
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use crate::{
    KernelsError,
    threads::{Spin, Worker, give_way, is_to_give_way, pause, relax},
};

/// Threads that share the chunks of one region at a time.
///
/// Calls from several threads take turns; a call from inside a region runs inline.
pub struct ThreadPool {
    shared: Arc<Shared>,
    turn: Mutex<()>,
    workers: Vec<Worker>,
}

/// What a region runs: the worker's index (0 is the caller) and a range of items.
type Task<'a> = &'a (dyn Fn(usize, Range<usize>) + Sync);

struct Shared {
    /// `region number << 32 | OPEN | workers inside`. A worker may enter only while OPEN, by adding itself.
    state: AtomicU64,
    /// The open region. Written only while no worker is inside.
    job: UnsafeCell<Option<Job>>,
    cursor: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    num_sleepers: AtomicUsize,
    sleep: Mutex<Sleep>,
    wake: Condvar,
}

#[derive(Default)]
struct Sleep {
    shutdown: bool,
}

#[derive(Clone, Copy)]
struct Job {
    /// The caller's task; the region outlives every use of it.
    task: *const (dyn Fn(usize, Range<usize>) + Sync),
    num_items: usize,
    chunk: usize,
}

/// Why a thread takes no more chunks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chunks {
    /// There are none.
    Done,
    /// It is time to give way.
    Left,
}

const OPEN: u64 = 1 << 31;
const INSIDE: u64 = OPEN - 1;

// SAFETY: `job` is written by the caller while no worker is inside, and read by workers that entered after; the state
// word's acquire and release order the two. Everything else is synchronised by itself.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is used only while the region that it belongs to runs.
unsafe impl Send for Shared {}

thread_local! {
    /// Whether this thread is inside a region, of any pool.
    static IN_REGION: Cell<bool> = const { Cell::new(false) };
}

impl ThreadPool {
    /// A pool of `threads` threads: the caller of [`ThreadPool::run`] and `threads - 1` workers.
    ///
    /// # Errors
    /// [`KernelsError::NoThreads`] for 0; [`KernelsError::ThreadSpawn`] when the system refuses a worker.
    pub fn new(threads: usize) -> Result<ThreadPool, KernelsError> {
        if threads == 0 {
            return Err(KernelsError::NoThreads);
        }
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(None),
            cursor: AtomicUsize::new(0),
            panic: Mutex::new(None),
            num_sleepers: AtomicUsize::new(0),
            sleep: Mutex::default(),
            wake: Condvar::new(),
        });
        let mut pool = ThreadPool { shared, turn: Mutex::new(()), workers: Vec::with_capacity(threads - 1) };
        for index in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let worker = Worker::spawn(format!("quire-kernels-{index}"), move || shared.work(index))
                .map_err(|source| KernelsError::ThreadSpawn { index, threads, source })?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// Threads that share the work, the caller included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `task` over `0..num_items` in ranges of at most `chunk` items, each exactly once, in any order, and
    /// returns when all are done.
    ///
    /// A panic of the task is rethrown here, after the other threads have left the region; items not yet begun are
    /// then dropped. The pool stays usable.
    pub fn run(&self, num_items: usize, chunk: usize, task: &(dyn Fn(Range<usize>) + Sync)) {
        self.run_indexed(num_items, chunk, &|_, range| task(range));
    }

    /// As [`ThreadPool::run`], and tells the task which of the pool's threads runs it: an index below
    /// [`ThreadPool::threads`] that no two threads of a region share.
    pub fn run_indexed(&self, num_items: usize, chunk: usize, task: Task<'_>) {
        let chunk = chunk.max(1);
        if num_items == 0 {
            return;
        }
        if num_items <= chunk || self.workers.is_empty() || IN_REGION.get() {
            let mut start = 0;
            while start < num_items {
                let end = num_items.min(start.saturating_add(chunk));
                task(0, start..end);
                start = end;
            }
            return;
        }
        let _turn = lock(&self.turn);
        self.shared.run_region(Job { task: erase(task), num_items, chunk });
    }
}

/// Forgets how long the task lives; [`Shared::run_region`] returns only when no thread uses it any more.
fn erase(task: Task<'_>) -> *const (dyn Fn(usize, Range<usize>) + Sync) {
    // SAFETY: only the lifetime changes. The pointer is used inside the region, which ends before the borrow does.
    unsafe { std::mem::transmute::<Task<'_>, Task<'static>>(task) }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        lock(&self.shared.sleep).shutdown = true;
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            worker.join();
        }
    }
}

impl std::fmt::Debug for ThreadPool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ThreadPool").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn run_region(&self, job: Job) {
        let region = (self.state.load(Ordering::Relaxed) >> 32).wrapping_add(1);
        // SAFETY: the last region closed with nobody inside, and none opens but by the store below.
        unsafe { *self.job.get() = Some(job) };
        self.cursor.store(0, Ordering::Relaxed);
        self.state.store((region << 32) | OPEN, Ordering::SeqCst);
        if self.num_sleepers.load(Ordering::SeqCst) > 0 {
            // A worker counts itself asleep under the lock and then looks at the state again before it waits, so
            // taking the lock here means that it either saw the region or hears the call.
            drop(lock(&self.sleep));
            self.wake.notify_all();
        }
        while self.take_chunks(0, job) == Chunks::Left {
            give_way();
        }
        self.state.fetch_and(!OPEN, Ordering::AcqRel);
        let mut spins = 0_u32;
        while self.state.load(Ordering::Acquire) & INSIDE != 0 {
            spins += 1;
            if spins < 2_000 {
                relax();
            } else {
                pause();
            }
        }
        let panic = lock(&self.panic).take();
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }

    /// Takes chunks until none is left or it is time to give way. A panic empties the cursor, so that the others stop too.
    fn take_chunks(&self, worker: usize, job: Job) -> Chunks {
        IN_REGION.set(true);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            loop {
                // Compared before adding, so that late comers cannot carry the cursor past usize::MAX.
                if self.cursor.load(Ordering::Relaxed) >= job.num_items {
                    return Chunks::Done;
                }
                let start = self.cursor.fetch_add(job.chunk, Ordering::Relaxed);
                if start >= job.num_items {
                    return Chunks::Done;
                }
                // SAFETY: the caller waits in `run_region` while this thread is inside, so the task is alive.
                let task = unsafe { &*job.task };
                task(worker, start..job.num_items.min(start.saturating_add(job.chunk)));
                if is_to_give_way() {
                    return Chunks::Left;
                }
            }
        }));
        IN_REGION.set(false);
        outcome.unwrap_or_else(|payload| {
            self.cursor.store(job.num_items, Ordering::Relaxed);
            lock(&self.panic).get_or_insert(payload);
            Chunks::Done
        })
    }

    /// A worker's life: wait for a region, enter it if it is still open, share its chunks, leave.
    fn work(&self, worker: usize) {
        let mut seen = 0;
        while let Some(state) = self.next_region(seen) {
            seen = state >> 32;
            while self.enter(state) {
                // SAFETY: this worker is counted inside, so the caller does not write the job until it leaves.
                let job = unsafe { *self.job.get() };
                let chunks = job.map_or(Chunks::Done, |job| self.take_chunks(worker, job));
                self.state.fetch_sub(1, Ordering::Release);
                if chunks == Chunks::Done {
                    break;
                }
                give_way();
            }
        }
    }

    /// Counts this worker into the region of `state`, unless that has closed.
    fn enter(&self, state: u64) -> bool {
        let mut current = self.state.load(Ordering::Acquire);
        while current >> 32 == state >> 32 && current & OPEN != 0 {
            match self.state.compare_exchange_weak(current, current + 1, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return true,
                Err(found) => current = found,
            }
        }
        false
    }

    /// The state word once it shows an open region other than `seen`; None when the pool shuts down.
    fn next_region(&self, seen: u64) -> Option<u64> {
        let is_new = |state: u64| state >> 32 != seen && state & OPEN != 0;
        let mut spin = Spin::begin();
        loop {
            for _ in 0..64 {
                let state = self.state.load(Ordering::Acquire);
                if is_new(state) {
                    return Some(state);
                }
                relax();
            }
            if spin.is_over() {
                break;
            }
        }
        let mut sleep = lock(&self.sleep);
        self.num_sleepers.fetch_add(1, Ordering::SeqCst);
        let found = loop {
            if sleep.shutdown {
                break None;
            }
            let state = self.state.load(Ordering::SeqCst);
            if is_new(state) {
                break Some(state);
            }
            sleep = self.wake.wait(sleep).unwrap_or_else(PoisonError::into_inner);
        };
        self.num_sleepers.fetch_sub(1, Ordering::SeqCst);
        found
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    fn check_every_item_once(pool: &ThreadPool, num_items: usize, chunk: usize) {
        let hits: Vec<AtomicUsize> = (0..num_items).map(|_| AtomicUsize::new(0)).collect();
        pool.run(num_items, chunk, &|range| {
            assert!(range.len() <= chunk.max(1));
            for index in range {
                hits[index].fetch_add(1, Ordering::Relaxed);
            }
        });
        assert!(hits.iter().all(|hit| hit.load(Ordering::Relaxed) == 1), "{num_items} items by {chunk}");
    }

    #[test]
    fn every_item_runs_once() {
        for threads in [1, 2, 3, 8] {
            let pool = ThreadPool::new(threads).expect("pool");
            assert_eq!(pool.threads(), threads);
            for (num_items, chunk) in [(0, 1), (1, 1), (2, 1), (7, 3), (100, 0), (1000, 7), (5, usize::MAX)] {
                check_every_item_once(&pool, num_items, chunk);
            }
        }
    }

    #[test]
    fn many_regions_with_and_without_sleep() {
        let pool = ThreadPool::new(3).expect("pool");
        for round in 0..2000 {
            check_every_item_once(&pool, 17, 2);
            if round % 500 == 0 {
                thread::sleep(Duration::from_millis(2));
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = ThreadPool::new(2).expect("pool");
        for bad in [0, 1, 50, 99] {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                pool.run(100, 1, &|range| assert!(!range.contains(&bad), "item {bad}"));
            }));
            let payload = outcome.expect_err("the panic is rethrown");
            assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some(&*format!("item {bad}")));
            check_every_item_once(&pool, 100, 3);
        }
    }

    #[test]
    fn nested_calls_run_inline_and_callers_take_turns() {
        let pool = ThreadPool::new(2).expect("pool");
        let total = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        pool.run(8, 1, &|outer| {
                            pool.run(4, 1, &|inner| {
                                total.fetch_add(outer.len() * inner.len(), Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 4 * 50 * 8 * 4);
    }

    #[test]
    fn no_threads_is_an_error() {
        assert!(matches!(ThreadPool::new(0), Err(KernelsError::NoThreads)));
    }
}
