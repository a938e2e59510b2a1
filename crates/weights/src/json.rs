//! Reading small JSON files of a model with a limit on their size. The parser itself limits the depth to 128.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use crate::WeightsError;

/// Reads the JSON object in the file at `path`, at most `allowed` bytes.
pub(crate) fn read_object(path: &Path, allowed: u64) -> Result<Map<String, Value>, WeightsError> {
    let io = |source| WeightsError::Io { path: path.to_path_buf(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(allowed + 1).read_to_end(&mut bytes).map_err(io)?;
    parse_object(path, &bytes, allowed)
}

/// Parses `bytes`, which came from `path`, as a JSON object of at most `allowed` bytes.
pub(crate) fn parse_object(path: &Path, bytes: &[u8], allowed: u64) -> Result<Map<String, Value>, WeightsError> {
    if bytes.len() as u64 > allowed {
        return Err(WeightsError::FileTooLarge { path: path.to_path_buf(), allowed });
    }
    let invalid = |reason: String| WeightsError::InvalidJson { path: path.to_path_buf(), reason };
    match serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))? {
        Value::Object(object) => Ok(object),
        other => Err(invalid(format!("expected an object, found {}", describe(&other)))),
    }
}

/// A value as an error message shows it: JSON, cut to 60 characters.
pub(crate) fn describe(value: &Value) -> String {
    const SHOWN: usize = 60;
    match value {
        Value::Object(_) => "an object".to_string(),
        Value::Array(values) => format!("a list of {} values", values.len()),
        other => {
            let text = other.to_string();
            if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN).collect::<String>() + "..." }
        }
    }
}
