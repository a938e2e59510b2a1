//! Measuring what this machine can do and what the kernels make of it, off the JavaScript thread.

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Result, Task};
use napi_derive::napi;
use quire_runner::{Isa, measure_kernels};
use serde_json::json;

use crate::failure::{Failure, Outcome, outcome};

/// What is measured.
#[napi(object)]
pub(crate) struct NativeMeasurementOptions {
    /// Threads that compute.
    pub threads: u32,
    /// Kernels of `cpuFacts()`; absent = the best.
    pub kernels: Option<String>,
    /// Formats of weights, as checkpoints and files call them; unknown ones are passed over.
    pub formats: Vec<String>,
}

/// How near the products of weights in a format come to the limits.
#[napi(object)]
pub(crate) struct NativeFormatShares {
    pub format: String,
    /// Of the rate at which memory is read: one token.
    pub decode: f64,
    /// Of the rate of multiply-adds: 512 tokens of a prompt.
    pub prefill: f64,
}

/// Rates for a second.
#[napi(object)]
pub(crate) struct NativeKernelMeasurement {
    /// The kernels that were measured.
    pub kernels: String,
    /// Bytes read from memory.
    pub read_bytes: f64,
    /// Operations of float32; a multiply-add is two.
    pub float32_operations: f64,
    /// Operations of bfloat16.
    pub bfloat16_operations: f64,
    /// Operations of bytes.
    pub int8_operations: f64,
    /// Those of the formats that are known.
    pub formats: Vec<NativeFormatShares>,
}

/// Measures for about a second, and a second for each format.
#[napi(ts_return_type = "Promise<NativeKernelMeasurement | Failure>")]
pub(crate) fn measure(options: NativeMeasurementOptions) -> AsyncTask<Measure> {
    AsyncTask::new(Measure { options })
}

/// The measurement, on a thread of the pool.
pub(crate) struct Measure {
    options: NativeMeasurementOptions,
}

impl Task for Measure {
    type Output = Outcome<NativeKernelMeasurement>;
    type JsValue = Outcome<NativeKernelMeasurement>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| {
            let NativeMeasurementOptions { threads, kernels, formats } = &self.options;
            let isa = kernels.as_deref().map(Isa::parse).transpose().map_err(|error| {
                Failure::new("ERR_INVALID_ARGUMENT", error, json!({ "parameter": "kernels", "value": kernels }))
            })?;
            let found = measure_kernels(isa, *threads as usize, formats)?;
            let shares = |(format, shares): (String, quire_runner::ProductShares)| NativeFormatShares {
                format,
                decode: shares.decode,
                prefill: shares.prefill,
            };
            Ok::<_, Failure>(NativeKernelMeasurement {
                kernels: found.isa.name().to_owned(),
                read_bytes: found.limits.read_bytes,
                float32_operations: found.limits.f32_operations,
                bfloat16_operations: found.limits.bf16_operations,
                int8_operations: found.limits.int8_operations,
                formats: found.formats.into_iter().map(shares).collect(),
            })
        }))
    }

    fn resolve(&mut self, _: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}
