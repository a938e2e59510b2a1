//! Threads: Workers with instances of this module over one shared memory, in builds that have it.

use napi_derive::napi;

/// Makes the calling Worker a thread of the kernels' pool. Never returns.
#[napi]
pub fn lend_thread() -> bool {
    quire_runner::lend_thread()
}

/// Says that a lent thread trapped: the call that waits for it fails too.
#[napi]
pub fn thread_failed() -> bool {
    quire_runner::thread_failed();
    true
}
