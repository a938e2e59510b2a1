//! What a caller may choose about a runner. Reads no environment.

#[cfg(not(target_family = "wasm"))]
use std::path::PathBuf;

use quire_kernels::{CacheType, ElementType, Isa};
use quire_models::Quantization;
use quire_weights::{DType, StoredFormat};

/// The type that weights are held and multiplied in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DTypeChoice {
    /// The checkpoint's own: bfloat16 stays bfloat16, float32 stays float32; float16 becomes float32, which holds every
    /// float16 exactly, as no CPU here multiplies float16. Beside weights of fewer bits everything is
    /// bfloat16.
    #[default]
    Auto,
    /// float32.
    Float32,
    /// bfloat16: half the memory, about three decimal digits.
    Bfloat16,
}

impl DTypeChoice {
    /// The type to pack a checkpoint that is stored as `stored`.
    pub fn resolve(self, stored: StoredFormat) -> ElementType {
        match (self, stored) {
            (DTypeChoice::Bfloat16, _)
            | (DTypeChoice::Auto, StoredFormat::Elements(DType::Bf16) | StoredFormat::Blocks(_) | StoredFormat::Int8) => {
                ElementType::Bf16
            }
            (DTypeChoice::Float32 | DTypeChoice::Auto, _) => ElementType::F32,
        }
    }

    /// The choice called `name`: `auto`, `float32`, `bfloat16`.
    pub fn from_name(name: &str) -> Option<DTypeChoice> {
        match name {
            "auto" => Some(DTypeChoice::Auto),
            "float32" => Some(DTypeChoice::Float32),
            "bfloat16" => Some(DTypeChoice::Bfloat16),
            _ => None,
        }
    }
}

/// What the KV cache stores keys and values as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KvCacheDTypeChoice {
    /// As the weights: bfloat16, or float32.
    #[default]
    Auto,
    /// This type.
    Type(CacheType),
}

impl KvCacheDTypeChoice {
    /// The type of a cache beside weights that are held as `weights`.
    pub fn resolve(self, weights: ElementType) -> CacheType {
        match self {
            KvCacheDTypeChoice::Auto => weights.into(),
            KvCacheDTypeChoice::Type(cache_type) => cache_type,
        }
    }

    /// The choice called `name`: `auto`, or one of [`KvCacheDTypeChoice::type_names`].
    pub fn from_name(name: &str) -> Option<KvCacheDTypeChoice> {
        match name {
            "auto" => Some(KvCacheDTypeChoice::Auto),
            "fp8" => Some(KvCacheDTypeChoice::Type(CacheType::Fp8E4m3)),
            _ => CacheType::ALL.into_iter().find(|kind| kind.name() == name).map(KvCacheDTypeChoice::Type),
        }
    }

    /// The names of all types; `fp8` is `fp8_e4m3`.
    pub fn type_names() -> Vec<String> {
        let names = CacheType::ALL.into_iter().flat_map(|kind| match kind {
            CacheType::Fp8E4m3 => vec!["fp8", kind.name()],
            _ => vec![kind.name()],
        });
        names.map(str::to_owned).collect()
    }
}

/// Which implementation computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackendKind {
    /// The CPU kernels.
    #[default]
    Cpu,
    /// candle's tensors in float32: slow, the one that the other is compared with. Not in WebAssembly.
    #[cfg(not(target_family = "wasm"))]
    Reference,
}

/// How to load a model.
#[derive(Clone, Debug)]
pub struct RunnerOptions {
    /// The type that weights are held in.
    pub dtype: DTypeChoice,
    /// Whether they are held in blocks. The reference backend widens everything.
    pub quantization: Quantization,
    /// A file with an importance matrix, by which errors count where blocks are made.
    #[cfg(not(target_family = "wasm"))]
    pub imatrix: Option<PathBuf>,
    /// A folder with packed weights, which the next start maps instead of packing its own.
    #[cfg(not(target_family = "wasm"))]
    pub packed_weights_cache: Option<PathBuf>,
    /// What the KV cache stores keys and values as.
    pub kv_cache_dtype: KvCacheDTypeChoice,
    /// Threads that compute, the caller of `execute` included; at least 1.
    pub threads: usize,
    /// Instruction set of the kernels; `None` = the best that this CPU has.
    pub isa: Option<Isa>,
    /// Which implementation computes.
    pub backend: BackendKind,
}

impl Default for RunnerOptions {
    fn default() -> RunnerOptions {
        RunnerOptions {
            dtype: DTypeChoice::Auto,
            quantization: Quantization::Stored,
            #[cfg(not(target_family = "wasm"))]
            imatrix: None,
            #[cfg(not(target_family = "wasm"))]
            packed_weights_cache: None,
            kv_cache_dtype: KvCacheDTypeChoice::Auto,
            threads: 1,
            isa: None,
            backend: BackendKind::Cpu,
        }
    }
}
