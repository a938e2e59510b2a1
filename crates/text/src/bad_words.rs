//! Bad words as the ids that the sampler masks.

use crate::error::TextError;
use crate::tokenizer::Tokenizer;

/// Tokenizes each word bare and with one leading space, without special tokens. The spaced form is kept only if it
/// is as long as the bare form and begins with another id.
///
/// # Errors
/// `EmptyString` for a word without visible characters, `Encode` from the tokenizer.
pub fn bad_word_ids(tokenizer: &Tokenizer, words: &[String]) -> Result<Vec<Vec<i32>>, TextError> {
    let mut all = Vec::with_capacity(words.len() * 2);
    for word in words {
        let bare_word = word.trim_start();
        if bare_word.is_empty() {
            return Err(TextError::EmptyString { field: "bad_words" });
        }
        let bare = tokenizer.encode(bare_word, false)?;
        let spaced = tokenizer.encode(&format!(" {bare_word}"), false)?;
        let keep_spaced = spaced.len() == bare.len() && spaced.first() != bare.first();
        if !bare.is_empty() {
            all.push(bare);
        }
        if keep_spaced {
            all.push(spaced);
        }
    }
    Ok(all)
}
