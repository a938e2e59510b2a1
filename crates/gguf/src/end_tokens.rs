//! Tokens that end an answer.

use crate::vocabulary::{TokenKind, Vocabulary};
use crate::{GgufProblem, Metadata};

/// Keys of tokens that end a text, a turn, a message.
const KEYS: [&str; 3] = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];

/// Control tokens that end a turn wherever they are: files often name only one of them.
const MARKS: [&str; 6] = ["<|eot_id|>", "<|im_end|>", "<|end|>", "<|end_of_text|>", "<|endoftext|>", "<end_of_turn>"];

/// The ids, the primary one first.
pub(crate) fn end_token_ids(metadata: &Metadata) -> Result<Vec<usize>, GgufProblem> {
    let mut ids = Vec::new();
    for key in KEYS {
        ids.extend(metadata.count(key)?);
    }
    if let Some(vocabulary) = Vocabulary::read(metadata)? {
        // Without an end of its own, a model has none that we could tell.
        if !ids.is_empty() {
            let is_mark = |id: &usize| {
                vocabulary.kind(*id) == TokenKind::Control && MARKS.contains(&vocabulary.tokens[*id].as_str())
            };
            ids.extend((0..vocabulary.tokens.len()).filter(is_mark));
        }
        ids.retain(|&id| id < vocabulary.tokens.len());
    }
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(*id));
    Ok(ids)
}
