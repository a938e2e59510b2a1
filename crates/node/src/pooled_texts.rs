//! Texts, and pairs of texts, as encoders take them. Runs off the JavaScript thread.

use napi::bindgen_prelude::{AsyncTask, BufferSlice};
use napi::{Env, Result, Task};
use napi_derive::napi;
use quire_text::{InputLimit, PooledText, TruncationSide};

use crate::failure::{Failure, Outcome, outcome};
use crate::tokenizer::{Tokenizer, group_length};
use crate::words::fill;

/// How inputs are cut.
#[napi(object)]
pub struct PooledLimit {
    /// Most tokens of an input, special tokens included.
    pub max_tokens: u32,
    /// True drops the first tokens; absent = as the tokenizer's configuration says.
    pub from_left: Option<bool>,
}

/// Inputs of a model that pools, until JavaScript has read them.
#[napi]
pub struct PooledInputs {
    offsets: Vec<u32>,
    token_ids: Vec<i32>,
    token_types: Vec<i32>,
}

#[napi]
impl PooledInputs {
    /// Tokens of all inputs.
    #[napi]
    pub fn num_tokens(&self) -> u32 {
        self.token_ids.len() as u32
    }

    /// As `EncodedTexts.read`; `token_types` gets which text of a pair each token belongs to.
    #[napi]
    pub fn read(
        &self,
        mut offsets: BufferSlice<'_>,
        mut token_ids: BufferSlice<'_>,
        mut token_types: BufferSlice<'_>,
    ) -> Outcome<u32> {
        outcome(|| {
            fill(&mut offsets, &self.offsets)?;
            fill(&mut token_ids, &self.token_ids)?;
            fill(&mut token_types, &self.token_types)
        })
    }
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

impl EncodePooled {
    fn encode(&self) -> std::result::Result<PooledInputs, Failure> {
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
        let mut encoded = PooledInputs { offsets: vec![0], token_ids: Vec::new(), token_types: Vec::new() };
        let mut rest = texts.as_slice();
        while !rest.is_empty() {
            let lengths = rest.iter().map(|text| text.text.len() + text.pair.map_or(0, str::len));
            let (group, later) = rest.split_at(group_length(lengths));
            for input in self.tokenizer.encode_pooled(group, limit)? {
                encoded.token_ids.extend(input.token_ids);
                encoded.token_types.extend(input.token_types);
                encoded.offsets.push(encoded.token_ids.len() as u32);
            }
            rest = later;
        }
        Ok(encoded)
    }
}

impl Task for EncodePooled {
    type Output = Outcome<PooledInputs>;
    type JsValue = Outcome<PooledInputs>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| self.encode()))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}
