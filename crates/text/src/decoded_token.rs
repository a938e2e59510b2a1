//! The text shown beside one token's logprob.

use crate::error::TextError;
use crate::tokenizer::Tokenizer;

const REPLACEMENT: char = '\u{FFFD}';
const MAX_EARLIER_IDS: usize = 4;

/// The text of `token_id` alone. If its bytes are only a part of a character, up to four of the ids before it
/// (`earlier_ids`, in order) are joined to it; if that gives no whole character, the text is empty.
///
/// # Errors
/// `UnknownTokenId`, `Decode`.
pub fn decoded_token(tokenizer: &Tokenizer, earlier_ids: &[i32], token_id: i32) -> Result<String, TextError> {
    let alone = tokenizer.decode(&[token_id], false)?;
    if !alone.ends_with(REPLACEMENT) {
        return Ok(alone);
    }
    for num_earlier in 1..=earlier_ids.len().min(MAX_EARLIER_IDS) {
        let joined = &earlier_ids[earlier_ids.len() - num_earlier..];
        let mut ids = joined.to_vec();
        ids.push(token_id);
        let text = tokenizer.decode(&ids, false)?;
        if text.ends_with(REPLACEMENT) {
            continue;
        }
        // Ids that were whole characters by themselves have been shown already.
        let mut num_whole = joined.len();
        while num_whole > 0 && tokenizer.decode(&[joined[num_whole - 1]], false)?.ends_with(REPLACEMENT) {
            num_whole -= 1;
        }
        let shown = tokenizer.decode(&joined[..num_whole], false)?;
        return Ok(text.strip_prefix(shown.as_str()).map(str::to_owned).unwrap_or(text));
    }
    Ok(String::new())
}
