//! What a GGUF file says of itself, read without its weights and off the JavaScript thread.

use std::fs::File;
use std::io::Error;
use std::path::{Path, PathBuf};

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Result, Task};
use napi_derive::napi;
use quire_gguf::{GgufProblem, GgufSummary, SplitName};
use serde_json::json;

use crate::failure::{Failure, Outcome, outcome};

/// A GGUF file, or the first part of a split one.
#[napi(object, object_from_js = false)]
pub struct NativeGgufSummary {
    /// The class of transformers, such as `LlamaForCausalLM`.
    pub architecture: String,
    /// `general.name`.
    pub name: Option<String>,
    /// Parts of the file.
    pub num_parts: u32,
    /// Tensors of this part.
    pub num_tensors: u32,
    /// Numbers in them.
    pub num_parameters: f64,
    /// What tensors are stored as, most first.
    pub formats: Vec<NativeFormatCount>,
    /// The kind of vocabulary.
    pub tokenizer: Option<String>,
    /// How texts are split before they are tokenized.
    pub pre_tokenizer: Option<String>,
    /// Whether it has a chat template.
    pub has_chat_template: bool,
}

/// How many tensors are stored so.
#[napi(object, object_from_js = false)]
pub struct NativeFormatCount {
    /// ggml's name, such as `Q4_K`.
    pub name: String,
    /// Tensors.
    pub num_tensors: u32,
}

/// Reads the header of the GGUF file at `path`; of a split one, that of its first part.
#[napi(ts_return_type = "Promise<NativeGgufSummary | Failure>")]
pub fn gguf_summary(path: String) -> AsyncTask<SummarizeGguf> {
    AsyncTask::new(SummarizeGguf { path: path.into() })
}

/// Reading.
pub struct SummarizeGguf {
    path: PathBuf,
}

impl Task for SummarizeGguf {
    type Output = Outcome<NativeGgufSummary>;
    type JsValue = Outcome<NativeGgufSummary>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| {
            let name = self.path.file_name().and_then(|name| name.to_str()).and_then(SplitName::parse);
            let path = name.map_or_else(|| self.path.clone(), |name| self.path.with_file_name(name.of_part(0)));
            match read(&path) {
                Ok(Ok(summary)) => Ok(summary.into()),
                Ok(Err(problem)) => Err(unusable(&path, &problem)),
                Err(error) => {
                    let message = format!("Cannot read {}: {error}", path.display());
                    Err(Failure::new("ERR_MODEL_NOT_FOUND", message, json!({ "path": path })))
                }
            }
        }))
    }

    fn resolve(&mut self, _: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

fn read(path: &Path) -> std::result::Result<std::result::Result<GgufSummary, GgufProblem>, Error> {
    let mut file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    GgufSummary::read(&mut file, file_bytes)
}

fn unusable(path: &Path, problem: &GgufProblem) -> Failure {
    let code = if problem.is_unsupported() { "ERR_MODEL_UNSUPPORTED" } else { "ERR_MODEL_INVALID" };
    let message = format!("{} is not a GGUF file that can be used: {problem}", path.display());
    Failure::new(code, message, json!({ "path": path }))
}

impl From<GgufSummary> for NativeGgufSummary {
    fn from(summary: GgufSummary) -> Self {
        let count = |(format, num_tensors): &(quire_gguf::TensorType, usize)| NativeFormatCount {
            name: format.name().to_owned(),
            num_tensors: *num_tensors as u32,
        };
        Self {
            architecture: summary.architecture.class().to_owned(),
            name: summary.name,
            num_parts: summary.num_parts as u32,
            num_tensors: summary.num_tensors as u32,
            num_parameters: summary.num_parameters as f64,
            formats: summary.formats.iter().map(count).collect(),
            tokenizer: summary.tokenizer,
            pre_tokenizer: summary.pre_tokenizer,
            has_chat_template: summary.has_chat_template,
        }
    }
}
