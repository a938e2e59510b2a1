//! Memory that another process maps: there is none here.

use napi_derive::napi;
use serde_json::json;

use crate::failure::{Failure, Outcome};

/// Never made.
#[napi]
pub struct SharedMemory {}

#[napi]
impl SharedMemory {
    /// A failure.
    #[napi]
    pub fn create(_path: String, _byte_length: i64) -> Outcome<SharedMemory> {
        let message = "WebAssembly has no memory that is shared with another process";
        Outcome::B(Failure::new("ERR_NOT_SUPPORTED", message, json!({})))
    }
}
