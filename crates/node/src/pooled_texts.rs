//! Texts, and pairs of texts, as encoders take them. Runs off the JavaScript thread.

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Result, Task};
use napi_derive::napi;
use quire_text::{InputLimit, PooledText, TruncationSide};

use crate::failure::{Failure, Outcome, outcome};
use crate::tokenizer::Tokenizer;

/// How inputs are cut.
#[napi(object)]
pub struct PooledLimit {
    /// Most tokens of an input, special tokens included.
    pub max_tokens: u32,
    /// True drops the first tokens; absent = as the tokenizer's configuration says.
    pub from_left: Option<bool>,
}

/// Inputs end to end: the tokens of input `i` are those from `offsets[i]` to `offsets[i + 1]`.
#[napi(object)]
pub struct PooledInputs {
    pub offsets: Vec<u32>,
    pub token_ids: Vec<i32>,
    /// Which text of a pair each token belongs to.
    pub token_types: Vec<i32>,
}

#[napi]
impl Tokenizer {
    /// Ids and types of texts with the model's special tokens; `pairs` is empty, or has what is set against each text.
    #[napi(ts_return_type = "Promise<PooledInputs | Failure>")]
    pub fn encode_pooled(
        &self,
        texts: Vec<String>,
        pairs: Vec<String>,
        limit: Option<PooledLimit>,
    ) -> AsyncTask<EncodePooled> {
        AsyncTask::new(EncodePooled { tokenizer: self.inner.clone(), texts, pairs, limit })
    }
}

pub struct EncodePooled {
    tokenizer: quire_text::Tokenizer,
    texts: Vec<String>,
    pairs: Vec<String>,
    limit: Option<PooledLimit>,
}

impl Task for EncodePooled {
    type Output = Outcome<PooledInputs>;
    type JsValue = Outcome<PooledInputs>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| {
            let pair = |index: usize| self.pairs.get(index).map(String::as_str);
            let texts: Vec<PooledText<'_>> =
                self.texts.iter().enumerate().map(|(index, text)| PooledText { text, pair: pair(index) }).collect();
            let limit = self.limit.as_ref().map(|limit| InputLimit {
                max_tokens: (limit.max_tokens as usize).max(1),
                side: match limit.from_left {
                    Some(true) => TruncationSide::Left,
                    Some(false) => TruncationSide::Right,
                    None => self.tokenizer.truncation_side(),
                },
            });
            let inputs = self.tokenizer.encode_pooled(&texts, limit)?;
            let mut encoded = PooledInputs { offsets: vec![0], token_ids: Vec::new(), token_types: Vec::new() };
            for input in inputs {
                encoded.token_ids.extend(input.token_ids);
                encoded.token_types.extend(input.token_types);
                encoded.offsets.push(encoded.token_ids.len() as u32);
            }
            Ok::<_, Failure>(encoded)
        }))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}
