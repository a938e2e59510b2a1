//! The text of one continuation as its ids arrive: hold-back, stop strings, the last id of a stop token.
//! Does not decide when a continuation ends by id or length; it is told.

use crate::error::TextError;
use crate::stop_matcher::StopMatcher;
use crate::text_stream::TextStream;
use crate::tokenizer::Tokenizer;

/// What a detokenizer needs to know of its request.
#[derive(Debug, Clone)]
pub struct DetokenizerOptions<'a> {
    /// The prompt that the text continues.
    pub prompt_token_ids: &'a [i32],
    /// Stop strings, none of them empty, in order of preference.
    pub stop: &'a [String],
    /// Keeps a matched stop string, and the text of a stop token, in the text.
    pub include_stop_str_in_output: bool,
    /// Drops special ids from the text.
    pub skip_special_tokens: bool,
    /// False: an added token that follows another has no space before it.
    pub spaces_between_special_tokens: bool,
    /// No stop string may end in the text of the first `min_tokens` ids.
    pub min_tokens: usize,
}

impl Default for DetokenizerOptions<'_> {
    fn default() -> Self {
        Self {
            prompt_token_ids: &[],
            stop: &[],
            include_stop_str_in_output: false,
            skip_special_tokens: true,
            spaces_between_special_tokens: true,
            min_tokens: 0,
        }
    }
}

/// Why no more ids will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishKind {
    /// The last id is a stop token or the end token: it is not turned into text, unless
    /// `include_stop_str_in_output`.
    StopToken,
    /// Length, abort, an error: all ids are text.
    Other,
}

/// The news of one `push`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// The text that is final now.
    pub text: String,
    /// The index of the stop string that was found. The text is complete then; later pushes give nothing.
    pub stop: Option<usize>,
}

/// Turns the ids of one continuation into text. The concatenated deltas are the whole text.
#[derive(Debug, Clone)]
pub struct Detokenizer {
    stream: TextStream,
    matcher: StopMatcher,
    /// Text that could begin a stop string.
    held: String,
    include_stop_str_in_output: bool,
    close_added_tokens: bool,
    last_was_added: bool,
    min_tokens: usize,
    num_tokens: usize,
    finished: bool,
    tokenizer: Tokenizer,
}

impl Detokenizer {
    /// # Errors
    /// `EmptyString` for an empty stop string, `UnknownTokenId` for a negative id in the prompt.
    pub fn new(tokenizer: &Tokenizer, options: &DetokenizerOptions<'_>) -> Result<Self, TextError> {
        if options.stop.iter().any(String::is_empty) {
            return Err(TextError::EmptyString { field: "stop" });
        }
        let mut stream = tokenizer.text_stream(options.skip_special_tokens);
        stream.prime(options.prompt_token_ids)?;
        Ok(Self {
            stream,
            matcher: StopMatcher::new(options.stop),
            held: String::new(),
            include_stop_str_in_output: options.include_stop_str_in_output,
            close_added_tokens: !options.skip_special_tokens && !options.spaces_between_special_tokens,
            last_was_added: false,
            min_tokens: options.min_tokens,
            num_tokens: 0,
            finished: false,
            tokenizer: tokenizer.clone(),
        })
    }

    /// Ids taken so far; those behind the one that ended in a stop string are not.
    #[must_use]
    pub fn num_tokens(&self) -> usize {
        self.num_tokens
    }

    /// Takes the ids of one step, in order, and why the continuation ended if it did. Text that could begin a stop
    /// string is kept back until it cannot, or until the end. A stop string wins over a stop token of the same step.
    ///
    /// # Errors
    /// `UnknownTokenId` for a negative id, `Decode`.
    pub fn push(&mut self, token_ids: &[i32], finish: Option<FinishKind>) -> Result<Delta, TextError> {
        if self.finished {
            return Ok(Delta::default());
        }
        let drop_last = finish == Some(FinishKind::StopToken) && !self.include_stop_str_in_output;
        let num_shown = token_ids.len() - usize::from(drop_last && !token_ids.is_empty());
        let mut fresh = String::new();
        for &token_id in &token_ids[..num_shown] {
            fresh.clear();
            self.decode_next(token_id, &mut fresh)?;
            self.num_tokens += 1;
            if let Some(delta) = self.take(&fresh) {
                return Ok(delta);
            }
        }
        self.num_tokens += token_ids.len() - num_shown;
        if finish.is_some() {
            fresh.clear();
            self.stream.finish(&mut fresh)?;
            if let Some(delta) = self.take(&fresh) {
                return Ok(delta);
            }
            self.finished = true;
            return Ok(Delta { text: std::mem::take(&mut self.held), stop: None });
        }
        let num_held = if self.include_stop_str_in_output { 0 } else { self.matcher.num_held() };
        let kept = self.held.split_off(self.held.len() - num_held);
        Ok(Delta { text: std::mem::replace(&mut self.held, kept), stop: None })
    }

    fn decode_next(&mut self, token_id: i32, out: &mut String) -> Result<(), TextError> {
        if !self.close_added_tokens {
            return self.stream.push(token_id, out);
        }
        let is_added = u32::try_from(token_id).is_ok_and(|id| self.tokenizer.pieces().is_added(id));
        let follows_added = std::mem::replace(&mut self.last_was_added, is_added);
        if is_added && follows_added { self.stream.push_raw(token_id, out) } else { self.stream.push(token_id, out) }
    }

    /// Appends `fresh` to the held text and looks for stop strings in it.
    fn take(&mut self, fresh: &str) -> Option<Delta> {
        let shielded = self.num_tokens <= self.min_tokens && self.min_tokens > 0;
        for (at, byte) in fresh.bytes().enumerate() {
            let Some(stop) = self.matcher.push(byte).filter(|_| !shielded) else { continue };
            self.held.push_str(&fresh[..=at]);
            if !self.include_stop_str_in_output {
                self.held.truncate(self.held.len() - self.matcher.num_bytes(stop));
            }
            self.finished = true;
            return Some(Delta { text: std::mem::take(&mut self.held), stop: Some(stop) });
        }
        self.held.push_str(fresh);
        None
    }
}
