//! What there is to run on, known without loading a model.

use napi_derive::napi;
use quire_runner::{Isa, KvCacheDTypeChoice, Quantization, RunnerError, architectures, check_config, cpu_features};

use crate::failure::{Outcome, outcome};

/// The CPU, the kernels that it can run, and the models that the runner knows.
#[napi(object)]
pub(crate) struct CpuFacts {
    /// Version of this build.
    pub version: String,
    /// Features that the kernels look at, of those that this CPU has.
    pub features: Vec<String>,
    /// Kernels that this CPU can run, best first.
    pub kernels: Vec<String>,
    /// Architectures that can be loaded.
    pub architectures: Vec<String>,
    /// Formats that weights can be quantised to when they are loaded.
    pub quantizations: Vec<String>,
    /// Whether errors of those that are made of blocks can be weighed by an importance matrix.
    pub imatrix: bool,
    /// Whether packed weights can be kept in files.
    pub packed_weights_cache: bool,
    /// What the KV cache can store keys and values as.
    pub kv_cache_dtypes: Vec<String>,
}

/// Looks at the CPU.
#[napi]
pub(crate) fn cpu_facts() -> CpuFacts {
    CpuFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        features: cpu_features().into_iter().map(str::to_owned).collect(),
        kernels: Isa::available().map(|isa| isa.name().to_owned()).collect(),
        architectures: architectures().into_iter().map(str::to_owned).collect(),
        quantizations: Quantization::format_names(),
        imatrix: cfg!(not(target_family = "wasm")),
        packed_weights_cache: cfg!(not(target_family = "wasm")),
        kv_cache_dtypes: KvCacheDTypeChoice::type_names(),
    }
}

/// Gives true if nothing in a `config.json`, which errors call `name`, says that its model cannot be run.
#[napi]
pub(crate) fn check_model_config(text: String, name: String) -> Outcome<bool> {
    outcome(|| check_config(&text, &name).map(|()| true).map_err(RunnerError::from))
}
