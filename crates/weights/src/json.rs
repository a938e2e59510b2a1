//! Reading small JSON files of a model with a limit on their size. The parser itself limits the depth to 128.

use std::path::Path;

use serde_json::{Map, Value};

use crate::{ModelFiles, WeightsError};

/// Reads the JSON object in the file at `path`, at most `allowed` bytes.
pub(crate) fn read_object(
    files: &dyn ModelFiles,
    path: &Path,
    allowed: u64,
) -> Result<Map<String, Value>, WeightsError> {
    parse_object(path, &read_bytes(files, path, allowed)?, allowed)
}

/// Reads the JSON list in the file at `path`, at most `allowed` bytes.
pub(crate) fn read_array(files: &dyn ModelFiles, path: &Path, allowed: u64) -> Result<Vec<Value>, WeightsError> {
    match parse(path, &read_bytes(files, path, allowed)?, allowed)? {
        Value::Array(values) => Ok(values),
        other => Err(unexpected(path, "a list", &other)),
    }
}

/// The file's bytes, one more than is allowed at most.
fn read_bytes(files: &dyn ModelFiles, path: &Path, allowed: u64) -> Result<Vec<u8>, WeightsError> {
    files.read(path, allowed + 1).map_err(|source| WeightsError::Io { path: path.to_path_buf(), source })
}

/// Parses `bytes`, which came from `path`, as a JSON object of at most `allowed` bytes.
pub(crate) fn parse_object(path: &Path, bytes: &[u8], allowed: u64) -> Result<Map<String, Value>, WeightsError> {
    match parse(path, bytes, allowed)? {
        Value::Object(object) => Ok(object),
        other => Err(unexpected(path, "an object", &other)),
    }
}

fn parse(path: &Path, bytes: &[u8], allowed: u64) -> Result<Value, WeightsError> {
    if bytes.len() as u64 > allowed {
        return Err(WeightsError::FileTooLarge { path: path.to_path_buf(), allowed });
    }
    let invalid =
        |error: serde_json::Error| WeightsError::InvalidJson { path: path.to_path_buf(), reason: error.to_string() };
    serde_json::from_slice(bytes).or_else(|error| match with_words_quoted(bytes) {
        Some(quoted) => serde_json::from_slice(&quoted).map_err(invalid),
        None => Err(invalid(error)),
    })
}

/// `Infinity`, `-Infinity` and `NaN`, which Python writes and JSON does not have, as texts: no field that wants a number takes
/// these. `None` where there are none.
fn with_words_quoted(bytes: &[u8]) -> Option<Vec<u8>> {
    const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut quoted = Vec::with_capacity(bytes.len() + 16);
    let (mut rest, mut in_text, mut any) = (bytes, false, false);
    while let Some(&byte) = rest.first() {
        let word = WORDS.into_iter().find(|word| !in_text && rest.starts_with(word));
        let length = match word {
            Some(word) => word.len(),
            // What is escaped ends no text.
            None if in_text && byte == b'\\' => rest.len().min(2),
            None => 1,
        };
        let (taken, others) = rest.split_at(length);
        in_text ^= byte == b'"';
        any |= word.is_some();
        quoted.extend(word.map(|_| b'"'));
        quoted.extend_from_slice(taken);
        quoted.extend(word.map(|_| b'"'));
        rest = others;
    }
    any.then_some(quoted)
}

fn unexpected(path: &Path, expected: &str, found: &Value) -> WeightsError {
    let reason = format!("expected {expected}, found {}", describe(found));
    WeightsError::InvalidJson { path: path.to_path_buf(), reason }
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
