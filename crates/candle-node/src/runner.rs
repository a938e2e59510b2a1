//! One loaded model. Loading, warming up and steps run off the JavaScript thread, one at a time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{AsyncTask, Buffer, BufferSlice, ClassInstance};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Result, Status, Task};
use napi_derive::napi;
use quire_runner::{
    BackendKind, BatchLimits, CandleRunner, DTypeChoice, HostTensor, Isa, KvCacheDTypeChoice, Quantization,
    RunnerError, RunnerOptions,
};
use serde_json::json;

use crate::embed::{Embed, NativeEmbedBatch};
use crate::failure::{Failure, Outcome, outcome};
use crate::files::model_files;
use crate::runner_info::{NativeKvCacheSpec, NativeMemoryProfile, NativeModelInfo};
use crate::step::{Step, Warmup, execute};
use crate::tensor::NativeTensor;

/// How to load a model.
#[napi(object)]
pub struct NativeRunnerOptions {
    /// 'auto', 'float32' or 'bfloat16'.
    pub dtype: String,
    /// 'auto', 'none' or one of `cpuFacts().quantizations`; absent = 'auto'.
    pub quantization: Option<String>,
    /// A file with an importance matrix, by which errors count where weights are quantised; absent = all alike.
    pub imatrix: Option<String>,
    /// A folder with packed weights, which are mapped if they are of this model; absent = weights are packed.
    pub packed_weights_cache: Option<String>,
    /// 'auto' or one of `cpuFacts().kvCacheDtypes`; absent = 'auto'.
    pub kv_cache_dtype: Option<String>,
    /// Threads that compute.
    pub threads: u32,
    /// Kernels of `cpuFacts()`, or 'reference'; absent = the best.
    pub kernels: Option<String>,
}

/// See `BatchLimits` in the plugin contract.
#[napi(object)]
pub struct NativeBatchLimits {
    pub max_num_batched_tokens: u32,
    pub max_logits_rows: u32,
    pub max_model_len: u32,
}

/// The runner, or nothing once it is closed.
pub(crate) type SharedRunner = Arc<Mutex<Option<CandleRunner>>>;

/// Calls with the runner that is there. A panic in an earlier call has left nothing half locked that matters: the engine
/// closes on `ERR_INTERNAL`.
pub(crate) fn with_runner<T>(
    runner: &SharedRunner,
    call: impl FnOnce(&mut CandleRunner) -> std::result::Result<T, Failure>,
) -> Outcome<T> {
    outcome(|| match &mut *runner.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(runner) => call(runner),
        None => Err(Failure::new("ERR_CLOSED", "The model runner is closed.", json!({}))),
    })
}

/// A model on the CPU.
#[napi]
pub struct Runner {
    pub(crate) inner: SharedRunner,
}

#[napi]
impl Runner {
    /// Loads the model in the directory at `path`; `on_progress` hears shares from 0 to 1.
    #[napi(ts_return_type = "Promise<Runner | Failure>")]
    pub fn load(path: String, options: NativeRunnerOptions, on_progress: Progress) -> AsyncTask<Load> {
        AsyncTask::new(Load { path: path.into(), options, on_progress })
    }

    /// Facts of the model.
    #[napi]
    pub fn model_info(&self) -> Outcome<NativeModelInfo> {
        with_runner(&self.inner, |runner| Ok(runner.model_info().into()))
    }

    /// The cache of blocks of `block_size` tokens.
    #[napi]
    pub fn kv_cache_spec(&self, block_size: u32) -> Outcome<NativeKvCacheSpec> {
        with_runner(&self.inner, |runner| Ok(runner.kv_cache_spec(block_size as usize).into()))
    }

    /// Memory that steps within `limits` take.
    #[napi]
    pub fn profile(&self, limits: NativeBatchLimits) -> Outcome<NativeMemoryProfile> {
        let limits = BatchLimits {
            max_num_batched_tokens: limits.max_num_batched_tokens as usize,
            max_logits_rows: limits.max_logits_rows as usize,
            max_model_len: limits.max_model_len as usize,
        };
        with_runner(&self.inner, |runner| Ok(runner.profile(&limits).into()))
    }

    /// Takes one tensor per layer; the memory stays shared.
    #[napi]
    pub fn bind_kv_cache(&self, layers: Vec<ClassInstance<'_, NativeTensor>>) -> Outcome<bool> {
        let layers: Vec<HostTensor> = layers.iter().map(|layer| layer.inner.clone()).collect();
        with_runner(&self.inner, |runner| Ok(runner.bind_kv_cache(&layers).map(|()| true)?))
    }

    /// Runs a step that leaves nothing behind.
    #[napi(ts_return_type = "Promise<boolean | Failure>")]
    pub fn warmup(&self) -> AsyncTask<Warmup> {
        AsyncTask::new(Warmup { runner: self.inner.clone() })
    }

    /// Runs the step in `words` (the bytes of an input batch). `logits` are the bytes of a Float32Array, `token_ids` those of
    /// an Int32Array with an element per row. Gives how many token ids there are, or -1 if `logits` were filled instead. All
    /// three arrays belong to the runner until the promise settles.
    #[napi(ts_return_type = "Promise<number | Failure>")]
    pub fn execute(&self, words: Buffer, logits: Buffer, token_ids: Buffer) -> AsyncTask<Step> {
        AsyncTask::new(Step { runner: self.inner.clone(), words, logits, token_ids })
    }

    /// As `execute`, on the thread that calls, which nothing else can use meanwhile.
    #[napi]
    pub fn execute_here(
        &self,
        words: BufferSlice<'_>,
        mut logits: BufferSlice<'_>,
        mut token_ids: BufferSlice<'_>,
    ) -> Outcome<i32> {
        execute(&self.inner, &words, &mut logits, &mut token_ids)
    }

    /// Makes a vector or a score of each sequence, into the front of `out`, the bytes of a Float32Array. The arrays belong to
    /// the runner until the promise settles.
    #[napi(ts_return_type = "Promise<boolean | Failure>")]
    pub fn embed(&self, batch: NativeEmbedBatch, out: Buffer) -> AsyncTask<Embed> {
        AsyncTask::new(Embed { runner: self.inner.clone(), batch, out })
    }

    /// Frees the model, after the step that is running.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn close(&self) -> AsyncTask<Close> {
        AsyncTask::new(Close { runner: self.inner.clone() })
    }
}

/// Hears how much of the weights is loaded; does not keep the process alive.
pub(crate) type Progress = ThreadsafeFunction<f64, (), f64, Status, false, true>;

/// Loads a model on a thread of the pool.
pub struct Load {
    path: PathBuf,
    options: NativeRunnerOptions,
    on_progress: Progress,
}

impl Task for Load {
    type Output = Outcome<Runner>;
    type JsValue = Outcome<Runner>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| {
            let options = runner_options(&self.options)?;
            let progress = |fraction: f64| {
                self.on_progress.call(fraction, ThreadsafeFunctionCallMode::NonBlocking);
            };
            let runner = CandleRunner::load(model_files(), &self.path, &options, &progress);
            let runner = runner.map_err(|error| match error.parameter() {
                Some("imatrix") => refused(&error, "imatrix", &self.options.imatrix),
                Some(parameter) => refused(&error, parameter, &self.options.packed_weights_cache),
                None => Failure::from(error),
            })?;
            Ok::<_, Failure>(Runner { inner: Arc::new(Mutex::new(Some(runner))) })
        }))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

/// Frees a model on a thread of the pool: gigabytes take a while to unmap.
pub struct Close {
    runner: SharedRunner,
}

impl Task for Close {
    type Output = bool;
    type JsValue = bool;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(self.runner.lock().unwrap_or_else(PoisonError::into_inner).take().is_some())
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

fn refused(error: &RunnerError, parameter: &str, value: &Option<String>) -> Failure {
    Failure::new(error.code(), error, json!({ "parameter": parameter, "value": value }))
}

fn runner_options(options: &NativeRunnerOptions) -> std::result::Result<RunnerOptions, Failure> {
    let refuse = |parameter: &str, value: &str| {
        let message = format!("{parameter} '{value}' is not one that this runner has");
        Failure::new("ERR_INVALID_ARGUMENT", message, json!({ "parameter": parameter, "value": value }))
    };
    let dtype = DTypeChoice::from_name(&options.dtype).ok_or_else(|| refuse("dtype", &options.dtype))?;
    let quantization = options.quantization.as_deref().unwrap_or("auto");
    let quantization = Quantization::from_name(quantization).ok_or_else(|| refuse("quantization", quantization))?;
    let kv_cache_dtype = options.kv_cache_dtype.as_deref().unwrap_or("auto");
    let kv_cache_dtype =
        KvCacheDTypeChoice::from_name(kv_cache_dtype).ok_or_else(|| refuse("kvCacheDtype", kv_cache_dtype))?;
    let (backend, isa) = match options.kernels.as_deref() {
        None => (BackendKind::Cpu, None),
        #[cfg(not(target_family = "wasm"))]
        Some("reference") => (BackendKind::Reference, None),
        Some(name) => (BackendKind::Cpu, Some(Isa::parse(name).map_err(|_| refuse("kernels", name))?)),
    };
    #[cfg(target_family = "wasm")]
    for (parameter, value) in [("imatrix", &options.imatrix), ("packedWeightsCache", &options.packed_weights_cache)] {
        if let Some(value) = value {
            return Err(refuse(parameter, value));
        }
    }
    Ok(RunnerOptions {
        dtype,
        quantization,
        #[cfg(not(target_family = "wasm"))]
        imatrix: options.imatrix.as_ref().map(PathBuf::from),
        #[cfg(not(target_family = "wasm"))]
        packed_weights_cache: options.packed_weights_cache.as_ref().map(PathBuf::from),
        kv_cache_dtype,
        threads: options.threads as usize,
        isa,
        backend,
    })
}
