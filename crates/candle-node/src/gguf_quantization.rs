//! Writing a model as a GGUF file, off the JavaScript thread.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi::bindgen_prelude::AsyncTask;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Result, Task};
use napi_derive::napi;
use quire_runner::{FileType, ImportanceError, ImportanceMatrix, QuantiseError, QuantiseJob, quantise_to_gguf};
use serde_json::json;

use crate::failure::{Failure, Outcome, outcome};
use crate::runner::Progress;

/// What is written.
#[napi(object)]
pub struct NativeGgufOptions {
    /// One of `ggufFileTypes()`.
    pub file_type: String,
    /// Every matrix in the one format, as quantising on load makes them.
    pub pure: bool,
    /// A file of how much columns count, which searches for scales then weigh errors by.
    pub imatrix: Option<String>,
    /// Threads that compute.
    pub threads: u32,
}

/// What files can be written as, most bits first.
#[napi]
pub(crate) fn gguf_file_types() -> Vec<&'static str> {
    FileType::names()
}

/// One file that is written.
#[napi]
pub struct GgufQuantization {
    is_stopped: Arc<AtomicBool>,
}

#[napi]
impl GgufQuantization {
    /// Nothing is done yet.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self { is_stopped: Arc::default() }
    }

    /// Writes the model at `source`, a GGUF file or a folder, to `output`; gives the new file's bytes. `on_progress` hears
    /// shares from 0 to 1.
    #[napi(ts_return_type = "Promise<number | Failure>")]
    pub fn run(
        &self,
        source: String,
        output: String,
        options: NativeGgufOptions,
        on_progress: Progress,
    ) -> AsyncTask<Quantize> {
        let (source, output, is_stopped) = (source.into(), output.into(), self.is_stopped.clone());
        AsyncTask::new(Quantize { source, output, options, on_progress, is_stopped })
    }

    /// Ends it before the next tensor; what was written is removed.
    #[napi]
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}

/// Quantising on a thread of the pool.
pub struct Quantize {
    source: PathBuf,
    output: PathBuf,
    options: NativeGgufOptions,
    on_progress: Progress,
    is_stopped: Arc<AtomicBool>,
}

impl Task for Quantize {
    type Output = Outcome<f64>;
    type JsValue = Outcome<f64>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| {
            let NativeGgufOptions { file_type: name, pure, imatrix, threads } = &self.options;
            let file_type =
                FileType::from_name(name).ok_or_else(|| Failure::bug(format!("no file is written as {name}")))?;
            let progress = |fraction: f64| {
                self.on_progress.call(fraction, ThreadsafeFunctionCallMode::NonBlocking);
                !self.is_stopped.load(Ordering::Relaxed)
            };
            let file_type = if *pure { file_type.pure() } else { file_type };
            let refuse = |error: &dyn Display| {
                Failure::new("ERR_INVALID_ARGUMENT", error, json!({ "parameter": "imatrix", "value": imatrix }))
            };
            let refused = |error: ImportanceError| refuse(&error);
            if imatrix.is_some() && !file_type.weighs_errors() {
                return Err(refuse(
                    &"an importance matrix weighs errors of q4_0, q4_k_m and q6_k: give one of them as the type",
                ));
            }
            let importance = imatrix.as_ref().map(|path| ImportanceMatrix::open(path.as_ref())).transpose();
            let importance = importance.map_err(refused)?;
            let importance = importance.as_ref();
            let job = QuantiseJob { file_type, importance, threads: *threads as usize, progress: &progress };
            let written = quantise_to_gguf(&self.source, &self.output, &job).map(|bytes| bytes as f64);
            written.map_err(|error| match error {
                QuantiseError::Source(error) => quire_runner::RunnerError::from(error).into(),
                QuantiseError::Write(error) => unwritten(&self.output, &error),
                QuantiseError::Importance(error) => refused(error),
                QuantiseError::Stopped => Failure::new("ERR_ABORTED", "Quantising was stopped.", json!({})),
            })
        }))
    }

    fn resolve(&mut self, _: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

/// Why a file was not written.
pub(crate) fn unwritten(output: &Path, error: &std::io::Error) -> Failure {
    let is_full = matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
    let code = if is_full { "ERR_DISK_FULL" } else { "ERR_INVALID_ARGUMENT" };
    let message = format!("{} cannot be written: {error}", output.display());
    Failure::new(code, message, json!({ "parameter": "output", "value": output }))
}
