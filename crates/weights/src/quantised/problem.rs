//! What can be wrong with the tensors of a quantised weight, as fields.

/// The rule that a tensor of a quantised weight breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantisedProblem {
    /// Its shape does not follow from the others'.
    #[error("its shape is {found:?}; expected {expected}")]
    Shape {
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape, or the rule for it.
        expected: String,
    },
    /// It is stored as something else.
    #[error("it is stored as {found}; expected {expected}")]
    Format {
        /// The format in the file.
        found: String,
        /// What can be read.
        expected: &'static str,
    },
    /// An input is in a group that there is not.
    #[error("input {input} is in group {found}, and there are {num_groups}")]
    Group {
        /// The input.
        input: usize,
        /// Its group in the file.
        found: i32,
        /// Groups that there are.
        num_groups: usize,
    },
    /// The weight is there a second time, as it is.
    #[error("it is there beside its quantised form")]
    StoredTwice,
}
