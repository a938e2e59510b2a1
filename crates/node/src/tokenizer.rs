//! Text to token ids and back. Loading and long lists of texts run off the JavaScript thread.

use std::path::PathBuf;

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Result, Task};
use napi_derive::napi;

use crate::failure::{Failure, Outcome, outcome};

/// A model's tokenizer. Cheap to share: clones have the same tables.
#[napi]
pub struct Tokenizer {
    pub(crate) inner: quire_text::Tokenizer,
}

/// Reads the tokenizer of a model directory.
#[napi(ts_return_type = "Promise<Tokenizer | Failure>")]
pub fn load_tokenizer(directory: String) -> AsyncTask<LoadTokenizer> {
    AsyncTask::new(LoadTokenizer { directory: directory.into() })
}

#[napi]
impl Tokenizer {
    /// Ids of each text, off the JavaScript thread.
    #[napi(ts_return_type = "Promise<EncodedTexts | Failure>")]
    pub fn encode(&self, texts: Vec<String>, add_special_tokens: bool) -> AsyncTask<EncodeTexts> {
        AsyncTask::new(EncodeTexts { tokenizer: self.inner.clone(), texts, add_special_tokens })
    }

    /// The text of ids.
    #[napi]
    pub fn decode(&self, ids: &[i32], skip_special_tokens: bool) -> Outcome<String> {
        outcome(|| self.inner.decode(ids, skip_special_tokens))
    }

    /// The ids that a word to be avoided has: bare, and after a space where that differs.
    #[napi]
    pub fn bad_word_ids(&self, words: Vec<String>) -> Outcome<Vec<Vec<i32>>> {
        outcome(|| quire_text::bad_word_ids(&self.inner, &words))
    }

    /// The text shown for one id, joined with the ids before it where its bytes are a part of a character.
    #[napi]
    pub fn decoded_token(&self, earlier_ids: &[i32], token_id: i32) -> Outcome<String> {
        outcome(|| quire_text::decoded_token(&self.inner, earlier_ids, token_id))
    }

    /// One past the largest id that has a piece.
    #[napi]
    pub fn vocab_size(&self) -> u32 {
        self.inner.vocab_size() as u32
    }

    /// Id of the token that ends a text.
    #[napi]
    pub fn eos_id(&self) -> Option<i32> {
        self.inner.eos_id()
    }

    /// Id of the token that begins a text.
    #[napi]
    pub fn bos_id(&self) -> Option<i32> {
        self.inner.bos_id()
    }
}

/// Ids of several texts: those of text `i` are `tokenIds[offsets[i]..offsets[i + 1]]`.
#[napi(object)]
pub struct EncodedTexts {
    pub offsets: Vec<u32>,
    pub token_ids: Vec<i32>,
}

pub struct LoadTokenizer {
    directory: PathBuf,
}

impl Task for LoadTokenizer {
    type Output = Outcome<Tokenizer>;
    type JsValue = Outcome<Tokenizer>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| quire_text::Tokenizer::from_directory(&self.directory).map(|inner| Tokenizer { inner })))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

pub struct EncodeTexts {
    tokenizer: quire_text::Tokenizer,
    texts: Vec<String>,
    add_special_tokens: bool,
}

impl Task for EncodeTexts {
    type Output = Outcome<EncodedTexts>;
    type JsValue = Outcome<EncodedTexts>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| {
            let texts: Vec<&str> = self.texts.iter().map(String::as_str).collect();
            let ids = self.tokenizer.encode_batch(&texts, self.add_special_tokens)?;
            let mut offsets = vec![0u32];
            offsets.extend(ids.iter().scan(0, |end, ids| {
                *end += ids.len() as u32;
                Some(*end)
            }));
            Ok::<_, Failure>(EncodedTexts { offsets, token_ids: ids.concat() })
        }))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}
