//! A linear map with its optional bias.

use crate::Backend;

/// `x W^T + b`.
pub struct Linear<B: Backend> {
    /// `[outputs, inputs]`
    pub weight: B::Matrix,
    /// `[outputs]`
    pub bias: Option<B::Vector>,
}
