//! The input batch: a scheduling decision as one flat buffer of 32-bit words.

pub(crate) mod buffer;
pub(crate) mod error;
pub mod layout;
pub(crate) mod view;
