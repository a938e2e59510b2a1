//! The layout of the input batch as constants, so that a test can compare it with what TypeScript reads.

use std::collections::HashMap;

use napi_derive::napi;
use quire_core::layout;

/// Every constant of the layout by its name in Rust: `MAGIC`, `INPUT_IDS`, ...
#[napi]
pub fn batch_layout() -> HashMap<String, i32> {
    layout::CONSTANTS.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}
