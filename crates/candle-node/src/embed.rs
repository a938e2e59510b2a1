//! Sequences to vectors or scores, on a thread of the pool.

use napi::bindgen_prelude::Buffer;
use napi::{Env, Result, Task};
use napi_derive::napi;
use quire_runner::{EmbedBatch, EmbedOutput, EmbedPart, PoolingKind};
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::runner::{SharedRunner, with_runner};
use crate::words::{elements, elements_mut};

/// See `EmbedBatch` in the plugin contract.
#[napi(object)]
pub struct NativeEmbedBatch {
    /// Bytes of an Int32Array.
    pub token_ids: Buffer,
    /// Bytes of an Int32Array; empty = all types are 0.
    pub token_types: Buffer,
    /// Bytes of an Int32Array.
    pub start_loc: Buffer,
    /// A kind of pooling, or 'score'.
    pub output: String,
    /// Tokens of the sequence that earlier calls brought; with `num_tokens`.
    pub num_computed: Option<u32>,
    /// Tokens of the whole sequence.
    pub num_tokens: Option<u32>,
}

/// One call. The buffers keep JavaScript's arrays alive, which nobody touches until the promise settles.
pub struct Embed {
    pub(crate) runner: SharedRunner,
    pub(crate) batch: NativeEmbedBatch,
    pub(crate) out: Buffer,
}

impl Task for Embed {
    type Output = Outcome<bool>;
    type JsValue = Outcome<bool>;

    fn compute(&mut self) -> Result<Self::Output> {
        let Self { runner, batch, out } = self;
        Ok(with_runner(runner, |runner| {
            let part = match (batch.num_computed, batch.num_tokens) {
                (Some(computed), Some(whole)) => {
                    Some(EmbedPart { num_computed: computed as usize, num_tokens: whole as usize })
                }
                _ => None,
            };
            let embed = EmbedBatch {
                token_ids: elements(&batch.token_ids)?,
                token_types: elements(&batch.token_types)?,
                start_loc: elements(&batch.start_loc)?,
                output: output_called(&batch.output)?,
                part,
            };
            Ok(runner.embed(&embed, elements_mut(out)?).map(|()| true)?)
        }))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

fn output_called(name: &str) -> std::result::Result<EmbedOutput, Failure> {
    if name == "score" {
        return Ok(EmbedOutput::Score);
    }
    PoolingKind::from_name(name).map(EmbedOutput::Vector).ok_or_else(|| {
        let message = format!("pooling '{name}' is not one that this runner has");
        Failure::new("ERR_INVALID_ARGUMENT", message, json!({ "parameter": "pooling", "value": name }))
    })
}
