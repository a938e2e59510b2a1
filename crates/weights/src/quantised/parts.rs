//! The tensors that a quantised weight is made of: taken out of the checkpoint's list, their formats and shapes checked.

use std::collections::BTreeMap;

use crate::tensor_entry::TensorEntry;
use crate::{QuantisedProblem, WeightsError};

/// Tensors by name: the file, and where it lies in it.
pub(crate) type Tensors = BTreeMap<String, (usize, TensorEntry)>;

/// One tensor, for messages by its name.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) file: usize,
    pub(crate) entry: TensorEntry,
}

/// Formats that scales are stored in.
const SCALE_FORMATS: [&str; 3] = ["F32", "F16", "BF16"];

/// The tensors of one layer.
pub(crate) struct Layer<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) tensors: &'a mut Tensors,
}

impl Layer<'_> {
    /// Takes the tensor `prefix.suffix`.
    pub(crate) fn part(&mut self, suffix: &str) -> Result<Part, WeightsError> {
        let num_tensors = self.tensors.len();
        self.optional(suffix)
            .ok_or_else(|| WeightsError::MissingTensor { name: format!("{}.{suffix}", self.prefix), num_tensors })
    }

    /// Takes the tensor `prefix.suffix` if it is there.
    pub(crate) fn optional(&mut self, suffix: &str) -> Option<Part> {
        let name = format!("{}.{suffix}", self.prefix);
        self.tensors.remove(&name).map(|(file, entry)| Part { name, file, entry })
    }

    /// That the weight is not there by itself too.
    pub(crate) fn expect_no_weight(&self) -> Result<(), WeightsError> {
        let tensor = format!("{}.weight", self.prefix);
        if self.tensors.contains_key(&tensor) {
            return Err(WeightsError::InvalidQuantised { tensor, problem: QuantisedProblem::StoredTwice });
        }
        Ok(())
    }
}

impl Part {
    pub(crate) fn is_stored_as(&self, format: &str) -> bool {
        self.entry.format_name == format
    }

    pub(crate) fn expect_words(self) -> Result<Part, WeightsError> {
        if self.is_stored_as("I32") { Ok(self) } else { Err(self.wrong_format("I32")) }
    }

    pub(crate) fn expect_scales(self) -> Result<Part, WeightsError> {
        let known = SCALE_FORMATS.contains(&self.entry.format_name.as_str());
        if known { Ok(self) } else { Err(self.wrong_format("F32, F16 or BF16")) }
    }

    pub(crate) fn expect_shape(self, expected: &[usize]) -> Result<Part, WeightsError> {
        if self.entry.shape == expected { Ok(self) } else { Err(self.wrong_shape(format!("{expected:?}"))) }
    }

    /// The two sizes of a matrix, neither of them 0.
    pub(crate) fn matrix(&self) -> Result<[usize; 2], WeightsError> {
        match self.entry.shape[..] {
            [rows, columns] if rows > 0 && columns > 0 => Ok([rows, columns]),
            _ => Err(self.wrong_shape("two sizes above 0".to_string())),
        }
    }

    pub(crate) fn wrong_format(&self, expected: &'static str) -> WeightsError {
        self.invalid(QuantisedProblem::Format { found: self.entry.format_name.clone(), expected })
    }

    pub(crate) fn wrong_shape(&self, expected: String) -> WeightsError {
        self.invalid(QuantisedProblem::Shape { found: self.entry.shape.clone(), expected })
    }

    pub(crate) fn invalid(&self, problem: QuantisedProblem) -> WeightsError {
        WeightsError::InvalidQuantised { tensor: self.name.clone(), problem }
    }
}
