//! The oracle: every operation on candle tensors in f32, the obvious way. Slow on purpose; must not share code with the
//! kernels beyond the memory of the cache.

mod attention;
mod backend;
mod cache;

pub use backend::ReferenceBackend;
