//! Text to token ids and back. Loading, texts and long lists of ids run off the JavaScript thread.

use std::path::PathBuf;

use napi::bindgen_prelude::{AsyncTask, BufferSlice};
use napi::{Env, Result, Task};
use napi_derive::napi;

use crate::failure::{Failure, Outcome, outcome};
use crate::files::text_files;
use crate::words::fill;

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

/// A tokenizer of decoder tables: it decodes, and does not encode.
#[napi]
pub fn tokenizer_of_tables(tables: BufferSlice<'_>) -> Outcome<Tokenizer> {
    outcome(|| quire_text::Tokenizer::from_decoder_tables(&tables).map(|inner| Tokenizer { inner }))
}

#[napi]
impl Tokenizer {
    /// Ids of each text, off the JavaScript thread.
    #[napi(ts_return_type = "Promise<EncodedTexts | Failure>")]
    pub fn encode(&self, texts: Vec<String>, add_special_tokens: bool) -> AsyncTask<EncodeTexts> {
        AsyncTask::new(EncodeTexts { tokenizer: self.inner.clone(), texts, add_special_tokens })
    }

    /// Ids of a few short texts, in the calling thread: another one would cost more than they do.
    #[napi]
    pub fn encode_short(&self, texts: Vec<String>, add_special_tokens: bool) -> Outcome<EncodedTexts> {
        outcome(|| EncodeTexts { tokenizer: self.inner.clone(), texts, add_special_tokens }.encode())
    }

    /// The text of many ids, off the JavaScript thread.
    #[napi(ts_return_type = "Promise<string | Failure>")]
    pub fn decode_many(&self, ids: &[i32], skip_special_tokens: bool) -> AsyncTask<DecodeIds> {
        AsyncTask::new(DecodeIds { tokenizer: self.inner.clone(), ids: ids.to_vec(), skip_special_tokens })
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

    /// What turns ids into text, to be handed to another thread; null where only the whole tokenizer can.
    #[napi]
    pub fn decoder_tables(&self) -> Option<DecoderTables> {
        self.inner.decoder_tables().map(|bytes| DecoderTables { bytes })
    }

    /// One past the largest id that has a piece.
    #[napi]
    pub fn vocab_size(&self) -> u32 {
        self.inner.vocab_size() as u32
    }

    /// Bytes of the longest token: no token stands for more characters. Looks at all of them.
    #[napi]
    pub fn longest_token_bytes(&self) -> u32 {
        let ids = 0..self.inner.vocab_size() as i32;
        ids.filter_map(|id| self.inner.token_bytes(id)).map(<[u8]>::len).max().unwrap_or(0) as u32
    }

    /// True if the tokenizer's configuration drops the beginning of texts that are too long, rather than the end.
    #[napi]
    pub fn truncates_left(&self) -> bool {
        self.inner.truncation_side() == quire_text::TruncationSide::Left
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

/// Decoder tables, until JavaScript has read them.
#[napi]
pub struct DecoderTables {
    bytes: Vec<u8>,
}

#[napi]
impl DecoderTables {
    /// How long they are.
    #[napi]
    pub fn num_bytes(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// Copies them. Gives `num_bytes`.
    #[napi]
    pub fn read(&self, mut bytes: BufferSlice<'_>) -> Outcome<u32> {
        outcome(|| fill(&mut bytes, &self.bytes))
    }
}

/// Ids of several texts, until JavaScript has read them.
#[napi]
pub struct EncodedTexts {
    offsets: Vec<u32>,
    token_ids: Vec<i32>,
}

#[napi]
impl EncodedTexts {
    /// Tokens of all texts.
    #[napi]
    pub fn num_tokens(&self) -> u32 {
        self.token_ids.len() as u32
    }

    /// Copies the ids end to end into `token_ids` (the bytes of an Int32Array); those of text `i` go from `offsets[i]` to
    /// `offsets[i + 1]` (the bytes of a Uint32Array with one element more than there are texts). Gives `num_tokens`.
    #[napi]
    pub fn read(&self, mut offsets: BufferSlice<'_>, mut token_ids: BufferSlice<'_>) -> Outcome<u32> {
        outcome(|| {
            fill(&mut offsets, &self.offsets)?;
            fill(&mut token_ids, &self.token_ids)
        })
    }
}

pub struct LoadTokenizer {
    directory: PathBuf,
}

impl Task for LoadTokenizer {
    type Output = Outcome<Tokenizer>;
    type JsValue = Outcome<Tokenizer>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| {
            quire_text::Tokenizer::from_files(text_files(), &self.directory).map(|inner| Tokenizer { inner })
        }))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

/// Bytes of texts that are encoded in one call: the library keeps a hundred bytes and more for each of their tokens.
const GROUP_BYTES: usize = 1 << 20;

/// How many of the first texts make a group: one at least.
pub(crate) fn group_length(lengths: impl Iterator<Item = usize>) -> usize {
    let sums = lengths.scan(0, |sum, num_bytes| {
        *sum += num_bytes;
        Some(*sum)
    });
    sums.take_while(|&sum| sum <= GROUP_BYTES).count().max(1)
}

pub struct EncodeTexts {
    tokenizer: quire_text::Tokenizer,
    texts: Vec<String>,
    add_special_tokens: bool,
}

impl EncodeTexts {
    fn encode(&self) -> std::result::Result<EncodedTexts, Failure> {
        let mut encoded = EncodedTexts { offsets: vec![0], token_ids: Vec::new() };
        let texts: Vec<&str> = self.texts.iter().map(String::as_str).collect();
        let mut rest = texts.as_slice();
        while !rest.is_empty() {
            let (group, later) = rest.split_at(group_length(rest.iter().map(|text| text.len())));
            for ids in self.tokenizer.encode_batch(group, self.add_special_tokens)? {
                encoded.token_ids.extend(ids);
                encoded.offsets.push(encoded.token_ids.len() as u32);
            }
            rest = later;
        }
        Ok(encoded)
    }
}

impl Task for EncodeTexts {
    type Output = Outcome<EncodedTexts>;
    type JsValue = Outcome<EncodedTexts>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| self.encode()))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

pub struct DecodeIds {
    tokenizer: quire_text::Tokenizer,
    ids: Vec<i32>,
    skip_special_tokens: bool,
}

impl Task for DecodeIds {
    type Output = Outcome<String>;
    type JsValue = Outcome<String>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| self.tokenizer.decode(&self.ids, self.skip_special_tokens)))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}
