//! Tensors in host memory: what the candle framework adapter is made of.

use napi::bindgen_prelude::BufferSlice;
use napi_derive::napi;
use quire_runner::{HostDType, HostTensor};
use serde_json::json;

use crate::failure::{Failure, Outcome, outcome};

/// A strided tensor; narrowed and viewed ones share its memory.
#[napi]
#[derive(Clone)]
pub struct NativeTensor {
    pub(crate) inner: HostTensor,
}

#[napi]
impl NativeTensor {
    /// Zeros, row-major.
    #[napi]
    pub fn zeros(shape: Vec<f64>, dtype: String) -> Outcome<NativeTensor> {
        outcome(|| wrap(HostTensor::zeros(&sizes(&shape)?, dtype_called(&dtype)?)))
    }

    /// Unspecified contents, row-major.
    #[napi]
    pub fn empty(shape: Vec<f64>, dtype: String) -> Outcome<NativeTensor> {
        outcome(|| wrap(HostTensor::empty(&sizes(&shape)?, dtype_called(&dtype)?)))
    }

    /// The numbers converted to `dtype`, `[numbers]`.
    #[napi]
    pub fn from_numbers(numbers: &[f64], dtype: String) -> Outcome<NativeTensor> {
        outcome(|| wrap(HostTensor::from_numbers(numbers, dtype_called(&dtype)?)))
    }

    /// Sizes, outermost first.
    #[napi]
    pub fn shape(&self) -> Vec<f64> {
        self.inner.shape().iter().map(|&size| size as f64).collect()
    }

    /// Elements from one index of each dimension to the next.
    #[napi]
    pub fn strides(&self) -> Vec<f64> {
        self.inner.strides().iter().map(|&stride| stride as f64).collect()
    }

    /// Name of the element type.
    #[napi]
    pub fn dtype(&self) -> String {
        self.inner.dtype().name().to_owned()
    }

    /// A range of one dimension, sharing memory.
    #[napi]
    pub fn narrow(&self, dim: f64, start: f64, length: f64) -> Outcome<NativeTensor> {
        outcome(|| wrap(self.inner.narrow(size(dim)?, size(start)?, size(length)?)))
    }

    /// Another shape, sharing memory; a failure where that would need a copy.
    #[napi]
    pub fn view(&self, shape: Vec<f64>) -> Outcome<NativeTensor> {
        outcome(|| wrap(self.inner.view(&sizes(&shape)?)))
    }

    /// Overwrites all elements with bytes in row-major order.
    #[napi]
    pub fn copy_from_host(&self, source: BufferSlice<'_>) -> Outcome<bool> {
        outcome(|| self.inner.copy_from_host(&source).map(|()| true))
    }

    /// Copies all elements out in row-major order.
    #[napi]
    pub fn copy_to_host(&self, mut target: BufferSlice<'_>) -> Outcome<bool> {
        outcome(|| self.inner.copy_to_host(&mut target).map(|()| true))
    }

    /// Copies blocks: from, to, from, to.
    #[napi]
    pub fn copy_blocks(&self, pairs: &[i32]) -> Outcome<bool> {
        outcome(|| self.inner.copy_blocks(pairs).map(|()| true))
    }
}

fn wrap(tensor: Result<HostTensor, quire_runner::RunnerError>) -> Result<NativeTensor, Failure> {
    Ok(NativeTensor { inner: tensor? })
}

fn sizes(shape: &[f64]) -> Result<Vec<usize>, Failure> {
    shape.iter().map(|&value| size(value)).collect()
}

/// A size or index as JavaScript has it: a number that must be a whole one that memory can have.
fn size(value: f64) -> Result<usize, Failure> {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    if value.fract() == 0.0 && (0.0..=LARGEST).contains(&value) {
        return Ok(value as usize);
    }
    let message = format!("A size or index must be a whole number that is not negative, got {value}");
    Err(Failure::new("ERR_INVALID_ARGUMENT", message, json!({ "parameter": "shape", "value": value })))
}

fn dtype_called(name: &str) -> Result<HostDType, Failure> {
    HostDType::from_name(name).ok_or_else(|| {
        Failure::new("ERR_NOT_SUPPORTED", format!("candle has no dtype '{name}' here"), json!({ "dtype": name }))
    })
}
