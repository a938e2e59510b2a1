//! Text to token ids and back, over a Hugging Face `tokenizer.json`.
//! Immutable and shared: a clone is a reference, so that thousands of streams can hold one.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use tokenizers::Tokenizer as HfTokenizer;

use crate::decoder_plan::DecoderPlan;
use crate::decoder_tables::DecoderHead;
use crate::error::TextError;
use crate::gguf_texts;
use crate::llama_spaces::{self, Spaces};
use crate::piece_table::PieceTable;
use crate::special_tokens::{SpecialTokens, TokenizerFlags, parse_object};
use crate::text_files::{FileSystem, TextFiles, check_size, read_limited, read_text};
use crate::text_stream::TextStream;
use crate::tokenizer_limits::{self, MAX_CONFIG_BYTES, MAX_TOKENIZER_BYTES};
use crate::truncation::TruncationSide;

/// A tokenizer. Cheap to clone; safe to use from many threads.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    library: Library,
    plan: DecoderPlan,
    pieces: PieceTable,
    tokens: SpecialTokens,
    flags: TokenizerFlags,
    frame: Frame,
    spaces: Spaces,
    bos_id: Option<i32>,
    eos_id: Option<i32>,
    pad_id: Option<i32>,
    unk_id: Option<i32>,
}

/// The tokenizers library's own tokenizer, or what stands for it where no text is encoded.
#[derive(Debug)]
enum Library {
    Whole(Box<HfTokenizer>),
    /// The pieces as the vocabulary writes them, where they are asked for.
    Names(PieceTable),
}

/// Who adds the special tokens around a text.
#[derive(Debug)]
enum Frame {
    /// The post-processor of tokenizer.json.
    PostProcessor,
    /// We do, as `add_bos_token` and `add_eos_token` say.
    Flags { before: Option<i32>, after: Option<i32> },
}

/// Runs code of the tokenizers library, which panics on some inputs; a panic becomes its message.
pub(crate) fn guarded<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(format!("the tokenizers library panicked: {}", text.unwrap_or_else(|| "no message".to_owned())))
    })
}

impl Tokenizer {
    /// Builds a tokenizer from the bytes of `tokenizer.json` and, where the model has them, the texts of
    /// `tokenizer_config.json` and `special_tokens_map.json`. Truncation and padding of the file are ignored, as
    /// transformers does.
    ///
    /// # Errors
    /// `TooLarge`, `InvalidTokenizer`, `InvalidConfig`.
    pub fn from_json(
        bytes: &[u8],
        tokenizer_config: Option<&str>,
        special_tokens_map: Option<&str>,
    ) -> Result<Self, TextError> {
        check_size("tokenizer.json", bytes.len() as u64, MAX_TOKENIZER_BYTES)?;
        let config = parse_object("tokenizer_config.json", tokenizer_config.unwrap_or("{}"))?;
        let map = parse_object("special_tokens_map.json", special_tokens_map.unwrap_or("{}"))?;
        let invalid = |reason: String| TextError::InvalidTokenizer { reason };
        let mut root: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        tokenizer_limits::check(&root)?;
        let plan = DecoderPlan::read(root.get("decoder").unwrap_or(&serde_json::Value::Null));
        let spaces = llama_spaces::replace_pipeline(&mut root, &config);
        let changed = match spaces {
            Spaces::AsWritten => None,
            Spaces::KeepLeading => Some(root.to_string()),
        };
        drop(root);
        let (hf, pieces) = guarded(|| {
            let bytes = changed.as_ref().map_or(bytes, String::as_bytes);
            let mut hf = HfTokenizer::from_bytes(bytes).map_err(|error| error.to_string())?;
            hf.with_padding(None);
            hf.with_truncation(None).map_err(|error| error.to_string())?;
            let pieces = PieceTable::build(&hf, &plan)?;
            Ok((hf, pieces))
        })
        .map_err(invalid)?;
        let tokens = SpecialTokens::read(&config, &map);
        let flags = TokenizerFlags::read(&config);
        let find = |text: &Option<String>| {
            text.as_deref().and_then(|text| hf.token_to_id(text)).and_then(|id| i32::try_from(id).ok())
        };
        let (bos_id, eos_id) = (find(&tokens.bos), find(&tokens.eos));
        let (pad_id, unk_id) = (find(&tokens.pad), find(&tokens.unk));
        let frame = frame(&hf, &flags, bos_id, eos_id).map_err(invalid)?;
        let library = Library::Whole(Box::new(hf));
        let inner = Inner { library, plan, pieces, tokens, flags, frame, spaces, bos_id, eos_id, pad_id, unk_id };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) fn of_tables(head: DecoderHead, pieces: PieceTable, names: PieceTable) -> Self {
        let DecoderHead { plan, tokens, flags, bos_id, eos_id, pad_id, unk_id } = head;
        let (frame, spaces, library) = (Frame::PostProcessor, Spaces::AsWritten, Library::Names(names));
        let inner = Inner { library, plan, pieces, tokens, flags, frame, spaces, bos_id, eos_id, pad_id, unk_id };
        Self { inner: Arc::new(inner) }
    }

    /// `None` if this is one of tables already.
    pub(crate) fn decoder_head(&self) -> Option<DecoderHead> {
        let Inner { library: Library::Whole(_), plan, tokens, flags, bos_id, eos_id, pad_id, unk_id, .. } =
            &*self.inner
        else {
            return None;
        };
        let (plan, tokens, flags) = (plan.clone(), tokens.clone(), flags.clone());
        let (bos_id, eos_id, pad_id, unk_id) = (*bos_id, *eos_id, *pad_id, *unk_id);
        Some(DecoderHead { plan, tokens, flags, bos_id, eos_id, pad_id, unk_id })
    }

    /// Reads `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json` of a model directory; only the
    /// first must exist. `directory` may be a GGUF file instead, which has its tokenizer in it.
    ///
    /// # Errors
    /// `Read`, and those of `from_json`.
    pub fn from_directory(directory: &Path) -> Result<Self, TextError> {
        Self::from_files(&FileSystem, directory)
    }

    /// As `from_directory`, of `files`.
    ///
    /// # Errors
    /// As there.
    pub fn from_files(files: &dyn TextFiles, directory: &Path) -> Result<Self, TextError> {
        if let Some(metadata) = gguf_texts::read(files, directory)? {
            let config = gguf_texts::tokenizer_config(&metadata, directory)?;
            return Self::from_json(gguf_texts::tokenizer(&metadata, directory)?.as_bytes(), Some(&config), None);
        }
        let path = directory.join("tokenizer.json");
        let bytes = read_limited(files, &path, MAX_TOKENIZER_BYTES)?.ok_or_else(|| TextError::Read {
            path: path.clone(),
            reason: std::io::Error::new(std::io::ErrorKind::NotFound, "there is no such file"),
        })?;
        let config = read_text(files, &directory.join("tokenizer_config.json"), MAX_CONFIG_BYTES)?;
        let map = read_text(files, &directory.join("special_tokens_map.json"), MAX_CONFIG_BYTES)?;
        Self::from_json(&bytes, config.as_deref(), map.as_deref())
    }

    /// The token ids of `text`. `add_special_tokens` is what completions want; a rendered chat template has its own.
    ///
    /// # Errors
    /// `Encode`.
    pub fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<i32>, TextError> {
        let by_post_processor = add_special_tokens && matches!(self.inner.frame, Frame::PostProcessor);
        let text = self.inner.spaces.prepare(text);
        let encoding = guarded(|| self.hf()?.encode_fast(text.as_ref(), by_post_processor).map_err(|e| e.to_string()))
            .map_err(|reason| TextError::Encode { reason })?;
        self.framed(encoding.get_ids(), add_special_tokens)
    }

    /// The token ids of many texts, on all cores.
    ///
    /// # Errors
    /// `Encode`, for the first text that fails.
    pub fn encode_batch(&self, texts: &[&str], add_special_tokens: bool) -> Result<Vec<Vec<i32>>, TextError> {
        let by_post_processor = add_special_tokens && matches!(self.inner.frame, Frame::PostProcessor);
        let texts: Vec<Cow<'_, str>> = texts.iter().map(|text| self.inner.spaces.prepare(text)).collect();
        let encodings = guarded(|| self.hf()?.encode_batch_fast(texts, by_post_processor).map_err(|e| e.to_string()))
            .map_err(|reason| TextError::Encode { reason })?;
        encodings.iter().map(|encoding| self.framed(encoding.get_ids(), add_special_tokens)).collect()
    }

    fn framed(&self, ids: &[u32], add_special_tokens: bool) -> Result<Vec<i32>, TextError> {
        let mut token_ids = Vec::with_capacity(ids.len() + 2);
        let (before, after) = match &self.inner.frame {
            Frame::Flags { before, after } if add_special_tokens => (*before, *after),
            _ => (None, None),
        };
        token_ids.extend(before);
        for &id in ids {
            let id = i32::try_from(id)
                .map_err(|_| TextError::UnknownTokenId { token_id: i64::from(id), vocab_size: self.vocab_size() })?;
            token_ids.push(id);
        }
        token_ids.extend(after);
        Ok(token_ids)
    }

    /// The text of `ids` in one go. Ids without a piece (a padded vocabulary) have no text.
    ///
    /// # Errors
    /// `UnknownTokenId` for a negative id, `Decode`.
    pub fn decode(&self, ids: &[i32], skip_special_tokens: bool) -> Result<String, TextError> {
        let ids = ids.iter().map(|&id| self.checked(id)).collect::<Result<Vec<u32>, TextError>>()?;
        self.decode_checked(&ids, skip_special_tokens)
    }

    /// As `decode`, and then removes the spaces before punctuation where the configuration sets
    /// `clean_up_tokenization_spaces`. Streams of text never do.
    ///
    /// # Errors
    /// Those of `decode`.
    pub fn decode_cleaned(&self, ids: &[i32], skip_special_tokens: bool) -> Result<String, TextError> {
        let mut text = self.decode(ids, skip_special_tokens)?;
        if self.inner.flags.clean_up_tokenization_spaces {
            let pairs = [(" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't")];
            for (spaced, close) in
                pairs.into_iter().chain([(" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re")])
            {
                text = text.replace(spaced, close);
            }
        }
        Ok(text)
    }

    pub(crate) fn decode_checked(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String, TextError> {
        if matches!(self.inner.library, Library::Names(_)) {
            return self.text_stream(skip_special_tokens).whole(ids);
        }
        guarded(|| self.hf()?.decode(ids, skip_special_tokens).map_err(|error| error.to_string()))
            .map_err(|reason| TextError::Decode { reason })
    }

    pub(crate) fn checked(&self, token_id: i32) -> Result<u32, TextError> {
        u32::try_from(token_id)
            .map_err(|_| TextError::UnknownTokenId { token_id: i64::from(token_id), vocab_size: self.vocab_size() })
    }

    pub(crate) fn text_stream(&self, skip_special_tokens: bool) -> TextStream {
        TextStream::new(self, skip_special_tokens)
    }

    /// The library's own tokenizer, which `decoder_tables` lack.
    pub(crate) fn hf(&self) -> Result<&HfTokenizer, String> {
        match &self.inner.library {
            Library::Whole(hf) => Ok(hf),
            Library::Names(_) => Err("only the part of this tokenizer that turns ids into text is here".to_owned()),
        }
    }

    /// What a text goes through before it is encoded.
    pub(crate) fn spaces(&self) -> Spaces {
        self.inner.spaces
    }

    /// Special tokens before and after a text, where they are not the post-processor's.
    pub(crate) fn frame_ids(&self) -> Option<(Option<i32>, Option<i32>)> {
        match self.inner.frame {
            Frame::PostProcessor => None,
            Frame::Flags { before, after } => Some((before, after)),
        }
    }

    pub(crate) fn plan(&self) -> &DecoderPlan {
        &self.inner.plan
    }

    pub(crate) fn pieces(&self) -> &PieceTable {
        &self.inner.pieces
    }

    /// The piece of an id as the vocabulary writes it (`Ġthe`, `▁the`, `<0x0A>`). Decoder tables have those of added tokens,
    /// and others where a decoder needs them.
    #[must_use]
    pub fn id_to_piece(&self, token_id: i32) -> Option<String> {
        let id = u32::try_from(token_id).ok()?;
        match &self.inner.library {
            Library::Whole(hf) => hf.id_to_token(id),
            Library::Names(names) => String::from_utf8(names.bytes(id)?.to_vec()).ok(),
        }
    }

    /// The id of a piece, added tokens included; `None` of all where only decoder tables are here.
    #[must_use]
    pub fn piece_to_id(&self, piece: &str) -> Option<i32> {
        i32::try_from(self.hf().ok()?.token_to_id(piece)?).ok()
    }

    /// The bytes that an id adds to a text in the middle of it; `None` for ids without a piece. The bytes of one id
    /// need not be UTF-8.
    #[must_use]
    pub fn token_bytes(&self, token_id: i32) -> Option<&[u8]> {
        self.inner.pieces.bytes(u32::try_from(token_id).ok()?)
    }

    /// Whether `token_bytes` tells the whole truth: each id adds the same bytes wherever it stands.
    #[must_use]
    pub fn has_exact_bytes(&self) -> bool {
        !matches!(self.inner.plan, DecoderPlan::Window)
    }

    /// True for the ids that `skip_special_tokens` drops.
    #[must_use]
    pub fn is_special(&self, token_id: i32) -> bool {
        u32::try_from(token_id).is_ok_and(|id| self.inner.pieces.is_special(id))
    }

    /// One past the largest id. A model's vocabulary may be padded beyond it.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.inner.pieces.len()
    }

    /// The ids that `skip_special_tokens` drops, ascending.
    #[must_use]
    pub fn special_ids(&self) -> Vec<i32> {
        (0..self.vocab_size() as u32).filter(|&id| self.inner.pieces.is_special(id)).map(|id| id as i32).collect()
    }

    /// The named special tokens.
    #[must_use]
    pub fn special_tokens(&self) -> &SpecialTokens {
        &self.inner.tokens
    }

    /// The id of `bos_token`.
    #[must_use]
    pub fn bos_id(&self) -> Option<i32> {
        self.inner.bos_id
    }

    /// The id of `eos_token`: the primary end of a text.
    #[must_use]
    pub fn eos_id(&self) -> Option<i32> {
        self.inner.eos_id
    }

    /// The id of `pad_token`.
    #[must_use]
    pub fn pad_id(&self) -> Option<i32> {
        self.inner.pad_id
    }

    /// The id of `unk_token`.
    #[must_use]
    pub fn unk_id(&self) -> Option<i32> {
        self.inner.unk_id
    }

    /// The side that `truncation_side` names; right when it names none.
    #[must_use]
    pub fn truncation_side(&self) -> TruncationSide {
        if self.inner.flags.truncation_left { TruncationSide::Left } else { TruncationSide::Right }
    }
}

/// Explicit flags win over a post-processor that only adds `bos` or `eos`; one that adds anything else is left alone.
fn frame(hf: &HfTokenizer, flags: &TokenizerFlags, bos_id: Option<i32>, eos_id: Option<i32>) -> Result<Frame, String> {
    if flags.add_bos_token.is_none() && flags.add_eos_token.is_none() {
        return Ok(Frame::PostProcessor);
    }
    let added = guarded(|| hf.encode_fast("", true).map_err(|error| error.to_string()))?;
    let added: Vec<Option<i32>> = added.get_ids().iter().map(|&id| i32::try_from(id).ok()).collect();
    let (adds_bos, adds_eos) = match added.as_slice() {
        [] => (false, false),
        [one] if *one == bos_id => (true, false),
        [one] if *one == eos_id => (false, true),
        [first, last] if *first == bos_id && *last == eos_id => (true, true),
        _ => return Ok(Frame::PostProcessor),
    };
    Ok(Frame::Flags {
        before: bos_id.filter(|_| flags.add_bos_token.unwrap_or(adds_bos)),
        after: eos_id.filter(|_| flags.add_eos_token.unwrap_or(adds_eos)),
    })
}
