//! Where the pool's threads come from, how they wait, and what of it the platform has: the operating system's threads and
//! clock, or, in a WebAssembly module with shared memory, Workers that JavaScript [lends](lend_thread).

#[cfg(not(target_family = "wasm"))]
pub(crate) use native::{LEAST_CHUNK_WORK, Spin, Worker, give_way, is_to_give_way, pause, relax};
#[cfg(target_family = "wasm")]
pub(crate) use wasm::{LEAST_CHUNK_WORK, Spin, Worker, give_way, is_to_give_way, pause, relax};
#[cfg(target_family = "wasm")]
pub use wasm::{lend_thread, thread_failed};

#[cfg(not(target_family = "wasm"))]
mod native {
    use std::{
        cell::Cell,
        io,
        thread::{self, JoinHandle},
        time::{Duration, Instant},
    };

    /// Multiplications below which a chunk is not worth another thread's attention.
    pub(crate) const LEAST_CHUNK_WORK: usize = 32 * 1024;

    /// How long an idle worker looks for the next region before it sleeps.
    const SPIN: Duration = Duration::from_micros(30);

    /// How long a thread computes before it lets a waiting thread have its core.
    const GIVE_WAY: Duration = Duration::from_micros(400);

    thread_local! {
        /// When this thread last gave way.
        static GAVE_WAY: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    /// A thread of the operating system.
    pub(crate) struct Worker(JoinHandle<()>);

    impl Worker {
        pub(crate) fn spawn(name: String, life: impl FnOnce() + Send + 'static) -> io::Result<Worker> {
            thread::Builder::new().name(name).spawn(life).map(Worker)
        }

        /// Waits for its end.
        pub(crate) fn join(self) {
            // A worker catches its task's panics, so joining it does not fail.
            let _ = self.0.join();
        }
    }

    /// A short look-out for the next region.
    pub(crate) struct Spin(Instant);

    impl Spin {
        pub(crate) fn begin() -> Spin {
            Spin(Instant::now() + SPIN)
        }

        pub(crate) fn is_over(&mut self) -> bool {
            Instant::now() >= self.0
        }
    }

    /// Whether this thread last gave way [`GIVE_WAY`] ago.
    pub(crate) fn is_to_give_way() -> bool {
        GAVE_WAY.get().is_none_or(|last| last.elapsed() >= GIVE_WAY)
    }

    /// Yields the core.
    pub(crate) fn give_way() {
        thread::yield_now();
        GAVE_WAY.set(Some(Instant::now()));
    }

    /// Lets the other thread of the core compute between two looks at a word in memory.
    #[inline]
    pub(crate) fn relax() {
        std::hint::spin_loop();
    }

    /// Lets others have the core while this thread waits for them.
    pub(crate) fn pause() {
        thread::yield_now();
    }
}

#[cfg(target_family = "wasm")]
mod wasm {
    use std::{
        collections::VecDeque,
        io,
        sync::{
            Condvar, Mutex, PoisonError,
            atomic::{AtomicBool, Ordering, fence},
        },
        thread,
        time::Duration,
    };

    /// Multiplications below which a chunk is not worth another thread's attention: it takes some 20 microseconds to get that
    /// of a Worker that sleeps, and as long to learn that it is done.
    pub(crate) const LEAST_CHUNK_WORK: usize = 128 * 1024;

    /// Looks at the state word before a worker sleeps, by 64: some 50 microseconds, and there is no clock.
    const SPINS: u32 = 50;

    /// How long a thread sleeps that waits for another one.
    const PAUSE: Duration = Duration::from_micros(20);

    /// The lives that wait for a thread.
    static LIVES: Mutex<VecDeque<Life>> = Mutex::new(VecDeque::new());
    static NEWS: Condvar = Condvar::new();

    /// Whether a lent thread trapped: nothing that it has begun will end.
    static FAILED: AtomicBool = AtomicBool::new(false);

    type Life = Box<dyn FnOnce() + Send>;

    /// A thread that JavaScript lends, as soon as it does. A region does without workers that have not come.
    pub(crate) struct Worker;

    impl Worker {
        pub(crate) fn spawn(_name: String, life: impl FnOnce() + Send + 'static) -> io::Result<Worker> {
            LIVES.lock().unwrap_or_else(PoisonError::into_inner).push_back(Box::new(life));
            NEWS.notify_one();
            Ok(Worker)
        }

        /// It ends by itself: what it uses is its own share of the pool.
        pub(crate) fn join(self) {}
    }

    /// Makes the calling thread a worker of whichever pool wants one, for ever.
    pub fn lend_thread() -> ! {
        loop {
            let mut lives = LIVES.lock().unwrap_or_else(PoisonError::into_inner);
            let life = loop {
                match lives.pop_front() {
                    Some(life) => break life,
                    None => lives = NEWS.wait(lives).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(lives);
            life();
        }
    }

    /// Says that a lent thread trapped, so that nobody waits for it.
    pub fn thread_failed() {
        FAILED.store(true, Ordering::SeqCst);
    }

    /// A short look-out for the next region.
    pub(crate) struct Spin(u32);

    impl Spin {
        pub(crate) fn begin() -> Spin {
            Spin(0)
        }

        pub(crate) fn is_over(&mut self) -> bool {
            self.0 += 1;
            self.0 > SPINS
        }
    }

    /// A Worker cannot yield its core.
    pub(crate) fn is_to_give_way() -> bool {
        false
    }

    /// Is not called.
    pub(crate) fn give_way() {}

    /// Lets the other thread of the core compute between two looks at a word in memory: WebAssembly has no instruction to pause,
    /// but a fence takes about as long as that of processors.
    #[inline]
    pub(crate) fn relax() {
        fence(Ordering::SeqCst);
    }

    /// Sleeps a little while this thread waits for another.
    ///
    /// # Panics
    /// If that one trapped.
    pub(crate) fn pause() {
        assert!(!FAILED.load(Ordering::SeqCst), "a thread of the pool ended; its own failure was told before");
        thread::sleep(PAUSE);
    }
}
