//! How a sequence fails while the others go on.

use napi_derive::napi;

use crate::failure::Failure;

/// A sequence that cannot go on, and why.
#[napi(object, object_from_js = false)]
pub struct SequenceFailure {
    pub sequence_id: u32,
    pub failure: Failure,
}
