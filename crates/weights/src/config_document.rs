//! `config.json` as it was written: fields by name with typed errors. Must not know defaults; a [`ConfigClass`] has them.
//!
//! [`ConfigClass`]: crate::ConfigClass

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::json::{describe, parse_object, read_object};
use crate::{DType, ModelFiles, WeightsError};

/// Most bytes of a `config.json` that are read.
const MAX_CONFIG_BYTES: u64 = 4 << 20;
/// Largest number that a size, count or token id in a configuration may have: it has to fit an `i32` on the device.
const MAX_COUNT: u64 = i32::MAX as u64;

/// The JSON object of a configuration file and the path it came from.
#[derive(Clone, Debug)]
pub struct ConfigDocument {
    path: PathBuf,
    object: Map<String, Value>,
}

impl ConfigDocument {
    /// Reads the file at `path` of `files`.
    ///
    /// # Errors
    /// The file can't be read, is larger than 4 MiB, or is not a JSON object.
    pub fn read(files: &dyn ModelFiles, path: &Path) -> Result<ConfigDocument, WeightsError> {
        Ok(ConfigDocument { path: path.to_path_buf(), object: read_object(files, path, MAX_CONFIG_BYTES)? })
    }

    /// Parses `bytes`; errors call the file `path`.
    ///
    /// # Errors
    /// More than 4 MiB, or not a JSON object.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<ConfigDocument, WeightsError> {
        Ok(ConfigDocument { path: path.to_path_buf(), object: parse_object(path, bytes, MAX_CONFIG_BYTES)? })
    }

    /// What would be in the file: `object`, made of what the model at `path` says elsewhere.
    pub(crate) fn of_object(path: &Path, object: Map<String, Value>) -> ConfigDocument {
        ConfigDocument { path: path.to_path_buf(), object }
    }

    /// The class that the checkpoint was saved from: the first of `architectures`, such as `LlamaForCausalLM`.
    ///
    /// # Errors
    /// The field is there but is not a list that starts with a string.
    pub fn architecture(&self) -> Result<Option<&str>, WeightsError> {
        match self.get("architectures") {
            None => Ok(None),
            Some(Value::Array(names)) if names.is_empty() => Ok(None),
            Some(value) => match value.get(0) {
                Some(Value::String(name)) => Ok(Some(name)),
                _ => Err(self.invalid("architectures", value, "a list of class names")),
            },
        }
    }

    /// `model_type`, such as `llama`.
    ///
    /// # Errors
    /// The field is there but is not a string.
    pub fn model_type(&self) -> Result<Option<&str>, WeightsError> {
        self.text("model_type")
    }

    /// The raw value of `field`; null counts as absent.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    /// The names of all fields.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.object.keys().map(String::as_str)
    }

    /// Whether the document has no fields.
    pub fn is_empty(&self) -> bool {
        self.object.is_empty()
    }

    /// Whether `field` is written as null.
    pub fn is_null(&self, field: &str) -> bool {
        self.object.get(field).is_some_and(Value::is_null)
    }

    /// A nested object, `None` when absent or null.
    ///
    /// # Errors
    /// The field is something else.
    pub fn object(&self, field: &str) -> Result<Option<ConfigDocument>, WeightsError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(ConfigDocument { path: self.path.clone(), object: object.clone() })),
            Some(other) => Err(self.invalid(field, other, "an object or null")),
        }
    }

    /// A string, `None` when absent or null.
    ///
    /// # Errors
    /// The field is something else.
    pub fn text(&self, field: &str) -> Result<Option<&str>, WeightsError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.invalid(field, other, "a string")),
        }
    }

    /// A whole number from 0 to 2^31 - 1, `None` when absent or null.
    ///
    /// # Errors
    /// The field is something else.
    pub fn count(&self, field: &str) -> Result<Option<usize>, WeightsError> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => match value.as_u64().filter(|&number| number <= MAX_COUNT) {
                Some(number) => Ok(Some(number as usize)),
                None => Err(self.invalid(field, value, "a whole number from 0 to 2147483647")),
            },
        }
    }

    /// A finite number, `None` when absent or null.
    ///
    /// # Errors
    /// The field is something else.
    pub fn number(&self, field: &str) -> Result<Option<f64>, WeightsError> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => match value.as_f64().filter(|number| number.is_finite()) {
                Some(number) => Ok(Some(number)),
                None => Err(self.invalid(field, value, "a finite number")),
            },
        }
    }

    /// A list of finite numbers, `None` when absent or null.
    ///
    /// # Errors
    /// The field is something else.
    pub fn numbers(&self, field: &str) -> Result<Option<Vec<f64>>, WeightsError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let numbers = value.as_array().and_then(|list| {
            list.iter().map(|number| number.as_f64().filter(|number| number.is_finite())).collect::<Option<Vec<f64>>>()
        });
        numbers.map(Some).ok_or_else(|| self.invalid(field, value, "a list of finite numbers"))
    }

    /// A list of strings, `None` when absent or null.
    ///
    /// # Errors
    /// The field is something else.
    pub fn texts(&self, field: &str) -> Result<Option<Vec<&str>>, WeightsError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let texts = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        texts.map(Some).ok_or_else(|| self.invalid(field, value, "a list of strings"))
    }

    /// The document with the fields of the nested object `field` laid over its own: a part of a larger model as if it
    /// stood alone. Itself where there is no such object. Of which class the model is and whether its output matrix is the
    /// embedding, the whole says, whatever the part does.
    ///
    /// # Errors
    /// The field is something else than an object or null.
    pub fn overlaid(&self, field: &str) -> Result<ConfigDocument, WeightsError> {
        let Some(part) = self.object(field)? else { return Ok(self.clone()) };
        let of_whole = |name: &str| ["architectures", "model_type", "tie_word_embeddings"].contains(&name);
        let mut object = self.object.clone();
        object.remove(field);
        object.extend(part.object.into_iter().filter(|(name, _)| !of_whole(name)));
        Ok(ConfigDocument { path: self.path.clone(), object })
    }

    /// A truth value; `default` when absent, false when null (as Python takes it).
    ///
    /// # Errors
    /// The field is something else.
    pub fn flag(&self, field: &str, default: bool) -> Result<bool, WeightsError> {
        match self.object.get(field) {
            None => Ok(default),
            Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.invalid(field, other, "true or false")),
        }
    }

    /// Token ids from one number, a list of them, or null (none); `None` when absent.
    ///
    /// # Errors
    /// Something else, or an id that does not fit an `i32`.
    pub fn token_ids(&self, field: &str) -> Result<Option<Vec<i32>>, WeightsError> {
        let expected = "a token id, a list of token ids or null";
        let id = |value: &Value| match value.as_u64().filter(|&id| id <= MAX_COUNT) {
            Some(id) => Ok(id as i32),
            None => Err(self.invalid(field, value, expected)),
        };
        match self.object.get(field) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(Vec::new())),
            Some(Value::Array(values)) => values.iter().map(id).collect::<Result<_, _>>().map(Some),
            // Written by old exporters for "none".
            Some(value) if value.as_i64() == Some(-1) => Ok(Some(Vec::new())),
            Some(value) => Ok(Some(vec![id(value)?])),
        }
    }

    /// `dtype`, or else the older `torch_dtype`; `None` when absent or not a format that weights are read from.
    ///
    /// # Errors
    /// The field is not a string.
    pub fn dtype(&self) -> Result<Option<DType>, WeightsError> {
        let name = match self.text("dtype")? {
            Some(name) => Some(name),
            None => self.text("torch_dtype")?,
        };
        Ok(name.and_then(DType::from_name))
    }

    /// The error for a field that has a value it can't have.
    pub fn invalid(&self, field: &str, value: &Value, expected: &'static str) -> WeightsError {
        self.invalid_text(field, describe(value), expected)
    }

    /// The error for a field whose value, however it came about, is not allowed.
    pub fn invalid_text(&self, field: &str, found: String, expected: &'static str) -> WeightsError {
        WeightsError::InvalidField { path: self.path.clone(), field: field.to_string(), found, expected }
    }

    /// The file that the document came from.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
