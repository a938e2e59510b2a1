//! What the runner's errors are called on the other side of the door.

use quire_runner::RunnerError;
use serde_json::Value;

use crate::failure::Failure;

impl From<RunnerError> for Failure {
    fn from(error: RunnerError) -> Self {
        Self::new(error.code(), &error, Value::Null)
    }
}
