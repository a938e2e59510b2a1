//! Safetensors checkpoints whose matrices are stored as small numbers and scales in tensors of their own: which tensors make
//! a weight, and what weight they make.

mod convert;
mod float8;
mod grid;
mod levels;
mod parts;
mod problem;
mod scheme;
mod tensor;
mod zeros;

pub use convert::WeightForm;
pub(crate) use convert::convert;
pub(crate) use parts::{Part, Tensors};
pub use problem::QuantisedProblem;
pub(crate) use scheme::QuantisationScheme;
pub use scheme::check_quantisation;
pub(crate) use tensor::{QuantisedTensor, assemble};
