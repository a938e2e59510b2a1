//! The native door to core, sampler and text: convert, call, convert.
