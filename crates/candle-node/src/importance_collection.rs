//! Collecting how large the inputs of a model's matrices are, off the JavaScript thread.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi::bindgen_prelude::{AsyncTask, Buffer};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Result, Task};
use napi_derive::napi;
use quire_runner::{
    CollectError, CollectJob, QuantiseError, RunnerError, collect_importance, write_importance, write_whole_file,
};
use serde_json::json;

use crate::failure::{Failure, Outcome, outcome};
use crate::gguf_quantization::unwritten;
use crate::runner::Progress;

/// What the model is run over.
#[napi(object)]
pub struct NativeImportanceOptions {
    /// What the texts are called in the file.
    pub dataset: String,
    /// Tokens of a chunk, each of which is a sequence.
    pub chunk_tokens: u32,
    /// Threads that compute.
    pub threads: u32,
}

/// One run over texts.
#[napi]
pub struct ImportanceCollection {
    is_stopped: Arc<AtomicBool>,
}

#[napi]
impl ImportanceCollection {
    /// Nothing is done yet.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self { is_stopped: Arc::default() }
    }

    /// Runs the model at `source`, a GGUF file or a folder, over `token_ids`, the bytes of an Int32Array, and writes the file
    /// `output`; gives how many matrices it knows. `on_progress` hears shares from 0 to 1.
    #[napi(ts_return_type = "Promise<number | Failure>")]
    pub fn run(
        &self,
        source: String,
        output: String,
        token_ids: Buffer,
        options: NativeImportanceOptions,
        on_progress: Progress,
    ) -> AsyncTask<Collect> {
        let token_ids = token_ids.as_chunks::<4>().0.iter().map(|&bytes| i32::from_le_bytes(bytes)).collect();
        let (source, output, is_stopped) = (source.into(), output.into(), self.is_stopped.clone());
        AsyncTask::new(Collect { source, output, token_ids, options, on_progress, is_stopped })
    }

    /// Ends it before the next chunk; nothing is written.
    #[napi]
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}

/// The run, on a thread of the pool.
pub struct Collect {
    source: PathBuf,
    output: PathBuf,
    token_ids: Vec<i32>,
    options: NativeImportanceOptions,
    on_progress: Progress,
    is_stopped: Arc<AtomicBool>,
}

impl Task for Collect {
    type Output = Outcome<f64>;
    type JsValue = Outcome<f64>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| {
            let NativeImportanceOptions { dataset, chunk_tokens, threads } = &self.options;
            let chunk_tokens = *chunk_tokens as usize;
            let progress = |fraction: f64| {
                self.on_progress.call(fraction, ThreadsafeFunctionCallMode::NonBlocking);
                !self.is_stopped.load(Ordering::Relaxed)
            };
            let token_ids = &self.token_ids;
            let job = CollectJob { token_ids, chunk_tokens, threads: *threads as usize, progress: &progress };
            let sums = collect_importance(&self.source, &job).map_err(failure_of)?;
            let file = write_importance(&sums, dataset, token_ids.len() / chunk_tokens.max(1), chunk_tokens);
            write_whole_file::<Infallible>(&self.output, |out| out.write_all(&file).map_err(QuantiseError::Write))
                .map_err(|error| match error {
                    QuantiseError::Write(error) => unwritten(&self.output, &error),
                    other => Failure::bug(other),
                })?;
            Ok::<_, Failure>(sums.len() as f64)
        }))
    }

    fn resolve(&mut self, _: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

fn failure_of(error: CollectError) -> Failure {
    let refused = |parameter: &str| json!({ "parameter": parameter, "value": null });
    match error {
        CollectError::Model(error) => RunnerError::from(error).into(),
        CollectError::NoNames { .. } => Failure::new("ERR_MODEL_UNSUPPORTED", error, json!({})),
        CollectError::Stopped => Failure::new("ERR_ABORTED", "Collecting was stopped.", json!({})),
        CollectError::ChunkSize { .. } => Failure::new("ERR_INVALID_ARGUMENT", error, refused("chunkTokens")),
        error => Failure::new("ERR_INVALID_ARGUMENT", error, refused("tokenIds")),
    }
}
