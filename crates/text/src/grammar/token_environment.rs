//! The vocabulary as llguidance walks it: a trie of the exact bytes of every id, and the tokenizer for forced text.

use llguidance::toktrie::{TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use std::sync::Arc;

use super::error::GrammarError;
use crate::tokenizer::Tokenizer;

/// Begins the bytes of a special token, so that no text can be mistaken for it. No UTF-8 has this byte.
const MARKER: u8 = TokTrie::SPECIAL_TOKEN_MARKER;

struct TokenEnvironment {
    tokenizer: Tokenizer,
    trie: TokTrie,
}

/// Builds the environment; a second or so for a vocabulary of 128 k. Ids from `vocab_size` on do not exist for the model.
/// Without an end id that the model has, the end is never drawn: the id one past the vocabulary stands for it.
pub(super) fn build(tokenizer: &Tokenizer, vocab_size: usize, eos_ids: &[i32]) -> Result<TokEnv, GrammarError> {
    if !tokenizer.has_exact_bytes() {
        let reason = "its decoder does not tell the text of single ids".to_owned();
        return Err(GrammarError::Tokenizer { reason });
    }
    let mut words: Vec<Vec<u8>> = (0..vocab_size as i32).map(|id| word(tokenizer, id)).collect();
    let mut eos: Vec<TokenId> =
        eos_ids.iter().filter_map(|&id| u32::try_from(id).ok()).filter(|&id| (id as usize) < vocab_size).collect();
    if eos.is_empty() {
        eos.push(words.len() as TokenId);
        words.push(Vec::new());
    }
    for &id in &eos {
        // The end is no text, even where the vocabulary does not call it special.
        if words[id as usize].first() != Some(&MARKER) {
            words[id as usize].clear();
        }
    }
    let info = TokRxInfo::new(words.len() as u32, eos[0]);
    let trie = TokTrie::from(&info, &words).with_eos_tokens(&eos);
    Ok(Arc::new(TokenEnvironment { tokenizer: tokenizer.clone(), trie }))
}

/// The bytes of an id; empty: it is never drawn.
fn word(tokenizer: &Tokenizer, id: i32) -> Vec<u8> {
    let Some(bytes) = tokenizer.token_bytes(id) else { return Vec::new() };
    if tokenizer.is_special(id) {
        let Some(piece) = tokenizer.id_to_piece(id) else { return Vec::new() };
        return [&[MARKER], piece.as_bytes()].concat();
    }
    if bytes.contains(&MARKER) || bytes.len() > usize::from(u8::MAX) * 4 {
        return Vec::new();
    }
    bytes.to_vec()
}

impl TokenEnvironment {
    /// The ids of `text` as the tokenizer writes it, if they add exactly `text`.
    fn exact(&self, text: &str) -> Option<Vec<TokenId>> {
        let ids = self.tokenizer.encode(text, false).ok()?;
        let ids: Vec<TokenId> = ids.into_iter().map(|id| id as TokenId).collect();
        self.spells(&ids, text.as_bytes()).then_some(ids)
    }

    /// The same behind a line break, for tokenizers that put a space before the first word of a text.
    fn exact_within(&self, text: &str) -> Option<Vec<TokenId>> {
        let anchor = self.tokenizer.encode("\n", false).ok()?;
        let ids = self.tokenizer.encode(&format!("\n{text}"), false).ok()?;
        let rest: Vec<TokenId> = ids.strip_prefix(anchor.as_slice())?.iter().map(|&id| id as TokenId).collect();
        self.spells(&rest, text.as_bytes()).then_some(rest)
    }

    fn spells(&self, ids: &[TokenId], bytes: &[u8]) -> bool {
        let mut rest = Some(bytes);
        for &id in ids {
            if id as usize >= self.trie.vocab_size() {
                return false;
            }
            let word = self.trie.token(id);
            rest = rest.filter(|_| !word.is_empty()).and_then(|rest| rest.strip_prefix(word));
        }
        rest == Some(&[])
    }
}

impl TokenizerEnv for TokenEnvironment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        let whole = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        };
        let mut ids = match self.exact(whole).or_else(|| self.exact_within(whole)) {
            Some(ids) => ids,
            None => self.trie.greedy_tokenize(whole.as_bytes()),
        };
        // A character that is not complete yet.
        ids.extend(self.trie.greedy_tokenize(&bytes[whole.len()..]));
        ids
    }
}
