//! Ids in, text out, one id at a time and in constant time; knows nothing of stop strings.
//!
//! The concatenated text equals the decoder's one-shot text. One deliberate difference: the one-shot decoder of
//! byte-fallback tokenizers turns a whole run of byte pieces into U+FFFD when any of them is invalid; a stream has
//! shown the run's valid characters by then, so only the invalid bytes become U+FFFD.

use crate::decoder_plan::DecoderPlan;
use crate::error::TextError;
use crate::piece_table::first_text;
use crate::tokenizer::Tokenizer;

const REPLACEMENT: char = '\u{FFFD}';
/// How many ids of a prompt are replayed to learn the state at its end; a character has at most four bytes.
const MAX_PRIMING_IDS: usize = 64;
/// A window decoder that has shown nothing for so many ids shows what it has.
const MAX_WINDOW_IDS: usize = 32;

#[derive(Debug, Clone)]
pub(crate) struct TextStream {
    tokenizer: Tokenizer,
    skip_special_tokens: bool,
    /// False until a piece that is not skipped has come.
    started: bool,
    /// Leading characters of the whole text that are still to be dropped.
    strip_left: usize,
    /// The bytes of an unfinished character.
    pending: [u8; 4],
    num_pending: usize,
    /// For `DecoderPlan::Window`: the ids whose text may still change, of which `num_shown` have been shown.
    window: Vec<u32>,
    num_shown: usize,
}

impl TextStream {
    pub(crate) fn new(tokenizer: &Tokenizer, skip_special_tokens: bool) -> Self {
        let strip_left = match tokenizer.plan() {
            DecoderPlan::ByteFallback { strip: Some((_, count)), .. } => *count,
            _ => 0,
        };
        Self {
            tokenizer: tokenizer.clone(),
            skip_special_tokens,
            started: false,
            strip_left,
            pending: [0; 4],
            num_pending: 0,
            window: Vec::new(),
            num_shown: 0,
        }
    }

    /// Takes the state at the end of a prompt, so that its continuation keeps its leading space and finishes its last
    /// character. Reads the last ids only.
    pub(crate) fn prime(&mut self, prompt_token_ids: &[i32]) -> Result<(), TextError> {
        let mut discarded = String::new();
        let split = prompt_token_ids.len().saturating_sub(MAX_PRIMING_IDS);
        let (head, tail) = prompt_token_ids.split_at(split);
        if head.iter().rev().any(|&id| u32::try_from(id).is_ok_and(|id| self.shows(id))) {
            self.started = true;
            self.strip_left = 0;
        }
        for &id in tail {
            self.push(id, &mut discarded)?;
        }
        Ok(())
    }

    fn shows(&self, id: u32) -> bool {
        let pieces = self.tokenizer.pieces();
        pieces.bytes(id).is_some() && !(self.skip_special_tokens && pieces.is_special(id))
    }

    /// Appends the text that `token_id` completes to `out`.
    pub(crate) fn push(&mut self, token_id: i32, out: &mut String) -> Result<(), TextError> {
        let id = self.tokenizer.checked(token_id)?;
        if !self.shows(id) {
            return Ok(());
        }
        if *self.tokenizer.plan() == DecoderPlan::Window {
            return self.push_to_window(id, out);
        }
        let is_first = !std::mem::replace(&mut self.started, true);
        let tokenizer = self.tokenizer.clone();
        if is_first
            && let Some(piece) = tokenizer.id_to_piece(token_id)
            && let Some(text) = first_text(tokenizer.plan(), &piece)
        {
            out.push_str(&text);
            return Ok(());
        }
        let bytes = tokenizer.pieces().bytes(id).unwrap_or_default();
        match tokenizer.plan() {
            DecoderPlan::ByteFallback { .. } if !tokenizer.pieces().is_byte(id) => {
                self.flush_bytes(out);
                self.feed(bytes, out);
            }
            _ => self.feed(bytes, out),
        }
        Ok(())
    }

    /// The text of `ids` in one go, as the decoder gives it: where any byte of a run of byte pieces is invalid, all of them are.
    pub(crate) fn whole(mut self, ids: &[u32]) -> Result<String, TextError> {
        let mut text = String::new();
        let shown: Vec<u32> = ids.iter().copied().filter(|&id| self.shows(id)).collect();
        let tokenizer = self.tokenizer.clone();
        let pieces = tokenizer.pieces();
        for run in shown.chunk_by(|&a, &b| pieces.is_byte(a) && pieces.is_byte(b)) {
            let bytes: Vec<u8> = run.iter().filter_map(|&id| pieces.bytes(id)).flatten().copied().collect();
            if run.first().is_some_and(|&id| pieces.is_byte(id)) && std::str::from_utf8(&bytes).is_err() {
                self.started = true;
                self.emit_replacements(bytes.len(), &mut text);
                continue;
            }
            for &id in run {
                self.push(id as i32, &mut text)?;
            }
        }
        self.finish(&mut text)?;
        Ok(text)
    }

    /// As `push`, but the text of an added token is its content as it is, without what a decoder puts before it.
    pub(crate) fn push_raw(&mut self, token_id: i32, out: &mut String) -> Result<(), TextError> {
        let mut spaced = String::new();
        self.push(token_id, &mut spaced)?;
        match self.tokenizer.id_to_piece(token_id) {
            Some(piece) if !spaced.is_empty() => out.push_str(&piece),
            _ => out.push_str(&spaced),
        }
        Ok(())
    }

    /// Shows what was kept back: an unfinished character becomes U+FFFD.
    pub(crate) fn finish(&mut self, out: &mut String) -> Result<(), TextError> {
        if !self.window.is_empty() {
            self.show_window(true, out)?;
        }
        self.flush_bytes(out);
        Ok(())
    }

    fn feed(&mut self, mut bytes: &[u8], out: &mut String) {
        while self.num_pending > 0 && !bytes.is_empty() {
            self.pending[self.num_pending] = bytes[0];
            let candidate = &self.pending[..=self.num_pending];
            match std::str::from_utf8(candidate) {
                Ok(text) => {
                    let text = text.to_owned();
                    self.num_pending = 0;
                    self.emit(&text, out);
                    bytes = &bytes[1..];
                }
                Err(error) if error.error_len().is_none() => {
                    self.num_pending += 1;
                    bytes = &bytes[1..];
                }
                // The new byte cannot go on the character: it begins something else.
                Err(_) => self.flush_bytes(out),
            }
        }
        while !bytes.is_empty() {
            let (valid, invalid) = match std::str::from_utf8(bytes) {
                Ok(text) => (text, None),
                Err(error) => {
                    let text = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
                    (text, Some(error.error_len()))
                }
            };
            self.emit(valid, out);
            bytes = &bytes[valid.len()..];
            match invalid {
                None => return,
                Some(None) => {
                    self.pending[..bytes.len()].copy_from_slice(bytes);
                    self.num_pending = bytes.len();
                    return;
                }
                Some(Some(num_invalid)) => {
                    self.emit_replacements(num_invalid, out);
                    bytes = &bytes[num_invalid..];
                }
            }
        }
    }

    fn flush_bytes(&mut self, out: &mut String) {
        let num_pending = std::mem::take(&mut self.num_pending);
        if num_pending > 0 {
            self.emit_replacements(num_pending, out);
        }
    }

    /// Byte-level decoders show one U+FFFD for an invalid sequence, byte-fallback decoders one for each of its bytes.
    fn emit_replacements(&mut self, num_bytes: usize, out: &mut String) {
        let per_byte = matches!(self.tokenizer.plan(), DecoderPlan::ByteFallback { .. });
        for _ in 0..if per_byte { num_bytes } else { 1 } {
            self.emit(REPLACEMENT.encode_utf8(&mut [0; 4]), out);
        }
    }

    fn emit(&mut self, mut text: &str, out: &mut String) {
        if self.strip_left > 0
            && !text.is_empty()
            && let DecoderPlan::ByteFallback { strip: Some((content, _)), .. } = self.tokenizer.plan()
        {
            while self.strip_left > 0 && !text.is_empty() {
                match text.strip_prefix(*content) {
                    Some(rest) => {
                        text = rest;
                        self.strip_left -= 1;
                    }
                    None => self.strip_left = 0,
                }
            }
        }
        out.push_str(text);
    }

    fn push_to_window(&mut self, id: u32, out: &mut String) -> Result<(), TextError> {
        self.window.push(id);
        self.show_window(self.window.len() - self.num_shown > MAX_WINDOW_IDS, out)
    }

    fn show_window(&mut self, force: bool, out: &mut String) -> Result<(), TextError> {
        let shown = self.tokenizer.decode_checked(&self.window[..self.num_shown], self.skip_special_tokens)?;
        let text = self.tokenizer.decode_checked(&self.window, self.skip_special_tokens)?;
        let grown = text.len() > shown.len() && !text.ends_with(REPLACEMENT);
        if !grown && !force {
            return Ok(());
        }
        let common = text
            .char_indices()
            .zip(shown.chars())
            .take_while(|((_, a), b)| a == b)
            .map(|((at, a), _)| at + a.len_utf8());
        out.push_str(&text[common.last().unwrap_or(0)..]);
        self.window.drain(..self.num_shown);
        self.num_shown = self.window.len();
        Ok(())
    }
}
