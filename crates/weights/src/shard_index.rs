//! `model.safetensors.index.json`: which shard holds which tensor. The names are untrusted: none may leave the directory.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use crate::json::{describe, read_object};
use crate::{ModelFiles, WeightsError};

/// Most bytes of an index that are read; the largest real ones have a few megabytes.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// The `weight_map` of the index at `path`: tensor name -> file name inside the model's directory.
pub(crate) fn read_shard_index(files: &dyn ModelFiles, path: &Path) -> Result<HashMap<String, String>, WeightsError> {
    let object = read_object(files, path, MAX_INDEX_BYTES)?;
    let invalid = |field: String, value: Option<&Value>, expected| WeightsError::InvalidField {
        path: path.to_path_buf(),
        field,
        found: value.map_or_else(|| "absent".to_string(), describe),
        expected,
    };
    let Some(Value::Object(weight_map)) = object.get("weight_map") else {
        let expected = "an object from tensor names to file names";
        return Err(invalid("weight_map".to_string(), object.get("weight_map"), expected));
    };
    let mut shards = HashMap::with_capacity(weight_map.len());
    for (tensor, file) in weight_map {
        let Value::String(file) = file else {
            return Err(invalid(format!("weight_map.{tensor}"), Some(file), "a file name"));
        };
        if !is_plain_file_name(file) {
            return Err(WeightsError::ShardOutsideDirectory {
                path: path.to_path_buf(),
                tensor: tensor.clone(),
                file: file.clone(),
            });
        }
        shards.insert(tensor.clone(), file.clone());
    }
    Ok(shards)
}

/// One component, no separator of any platform, not a device or drive name, no NUL.
fn is_plain_file_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', ':', '\0'])
}
