//! Texts, and pairs of texts, as encoders take them: ids and types of tokens, cut to a length inside the special tokens.

use std::borrow::Cow;

use tokenizers::{
    Encoding, PostProcessor, TruncationDirection, TruncationParams, TruncationStrategy, truncate_encodings,
};

use crate::error::TextError;
use crate::tokenizer::{Tokenizer, guarded};
use crate::truncation::TruncationSide;

/// A text, or two that are read as a pair.
#[derive(Debug, Clone, Copy)]
pub struct PooledText<'a> {
    /// The text.
    pub text: &'a str,
    /// What is set against it: the document of a query.
    pub pair: Option<&'a str>,
}

/// The most tokens of an input, special tokens included, and the end at which the rest is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputLimit {
    /// At least 1.
    pub max_tokens: usize,
    /// Where a text is cut. Of a pair, the longer text is cut first.
    pub side: TruncationSide,
}

/// One input of a model that pools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PooledInput {
    /// Token ids, special tokens among them.
    pub token_ids: Vec<i32>,
    /// The type of each token: which of the two texts it belongs to.
    pub token_types: Vec<i32>,
}

impl Tokenizer {
    /// Ids and types of many texts, on all cores, with the model's special tokens.
    ///
    /// # Errors
    /// `Encode`, for the first text that fails.
    pub fn encode_pooled(
        &self,
        texts: &[PooledText<'_>],
        limit: Option<InputLimit>,
    ) -> Result<Vec<PooledInput>, TextError> {
        let prepared = |text| self.spaces().prepare(text);
        let parts: Vec<Cow<'_, str>> =
            texts.iter().flat_map(|text| [Some(text.text), text.pair]).flatten().map(prepared).collect();
        let is_pair = texts.iter().map(|text| text.pair.is_some());
        guarded(|| {
            // Each input as its own texts: special tokens come after the cut.
            let parts = self.hf()?.encode_batch_fast(parts, false).map_err(|error| error.to_string())?;
            let mut parts = parts.into_iter();
            is_pair
                .map(|is_pair| {
                    let text = parts.next().ok_or("an encoding is missing")?;
                    let mut pair = if is_pair { Some(parts.next().ok_or("an encoding is missing")?) } else { None };
                    if let Some(pair) = &mut pair {
                        // A post-processor writes types anew.
                        pair.set_type_ids(vec![1; pair.len()]);
                    }
                    self.assemble(text, pair, limit)
                })
                .collect::<Result<Vec<PooledInput>, String>>()
        })
        .map_err(|reason| TextError::Encode { reason })
    }

    /// Cuts, then adds the special tokens.
    fn assemble(
        &self,
        text: Encoding,
        pair: Option<Encoding>,
        limit: Option<InputLimit>,
    ) -> Result<PooledInput, String> {
        let framed = self.frame_ids();
        let num_added = match framed {
            Some((before, after)) => usize::from(before.is_some()) + usize::from(after.is_some()),
            None => self.hf()?.get_post_processor().map_or(0, |frame| frame.added_tokens(pair.is_some())),
        };
        let (text, pair) = match limit {
            None => (text, pair),
            Some(limit) => {
                let params = TruncationParams {
                    max_length: limit.max_tokens.saturating_sub(num_added),
                    strategy: TruncationStrategy::LongestFirst,
                    stride: 0,
                    direction: match limit.side {
                        TruncationSide::Left => TruncationDirection::Left,
                        TruncationSide::Right => TruncationDirection::Right,
                    },
                };
                truncate_encodings(text, pair, &params).map_err(|error| error.to_string())?
            }
        };
        let (before, after) = framed.unwrap_or_default();
        let encoding = self.hf()?.post_process(text, pair, framed.is_none()).map_err(|error| error.to_string())?;
        let num_tokens = encoding.get_ids().len() + 2;
        let mut input =
            PooledInput { token_ids: Vec::with_capacity(num_tokens), token_types: Vec::with_capacity(num_tokens) };
        input.token_ids.extend(before);
        input.token_ids.extend(encoding.get_ids().iter().map(|&id| id as i32));
        input.token_ids.extend(after);
        input.token_types.resize(usize::from(before.is_some()), 0);
        input.token_types.extend(encoding.get_type_ids().iter().map(|&kind| kind as i32));
        input.token_types.resize(input.token_ids.len(), 0);
        if let Some(limit) = limit {
            // Special tokens alone may be too many for a limit that nobody should set.
            input.token_ids.truncate(limit.max_tokens);
            input.token_types.truncate(limit.max_tokens);
        }
        Ok(input)
    }
}
