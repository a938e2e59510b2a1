//! The tokens of a `tokenizer.json` by their ids, and what kind each is, as files list them.

use serde_json::Value;

/// What a token is for, as the number that files have for it.
pub(crate) mod kinds {
    pub(crate) const NORMAL: i64 = 1;
    pub(crate) const UNKNOWN: i64 = 2;
    pub(crate) const CONTROL: i64 = 3;
    pub(crate) const USER_DEFINED: i64 = 4;
    pub(crate) const UNUSED: i64 = 5;
    pub(crate) const BYTE: i64 = 6;
}

/// Texts and kinds by id, as many as the model has rows for.
pub(crate) struct ListedTokens {
    pub(crate) texts: Vec<String>,
    pub(crate) kinds: Vec<i64>,
}

impl ListedTokens {
    /// The pieces of `tokenizer` and its added tokens. Ids without a token are filled up; tokens without a row are left out.
    pub(crate) fn of(tokenizer: &Value, num_rows: usize) -> ListedTokens {
        let model = &tokenizer["model"];
        let falls_back_to_bytes = model["byte_fallback"] == true;
        let unknown = model["unk_token"].as_str();
        let mut tokens = ListedTokens {
            texts: (0..num_rows).map(|id| format!("[PAD{id}]")).collect(),
            kinds: vec![kinds::UNUSED; num_rows],
        };
        for (piece, id) in model["vocab"].as_object().into_iter().flatten() {
            let kind = match piece.as_str() {
                piece if Some(piece) == unknown => kinds::UNKNOWN,
                piece if falls_back_to_bytes && is_byte(piece) => kinds::BYTE,
                _ => kinds::NORMAL,
            };
            tokens.put(id, piece, kind);
        }
        for added in tokenizer["added_tokens"].as_array().into_iter().flatten() {
            if let Some(content) = added["content"].as_str() {
                let kind = match added["special"] == true {
                    true if Some(content) == unknown => kinds::UNKNOWN,
                    true => kinds::CONTROL,
                    false => kinds::USER_DEFINED,
                };
                tokens.put(&added["id"], content, kind);
            }
        }
        tokens
    }

    fn put(&mut self, id: &Value, text: &str, kind: i64) {
        if let Some(id) = id.as_u64().map(|id| id as usize).filter(|&id| id < self.texts.len()) {
            self.texts[id] = text.to_string();
            self.kinds[id] = kind;
        }
    }

    /// The id of the token with this text.
    pub(crate) fn id_of(&self, text: &str) -> Option<usize> {
        (0..self.texts.len()).find(|&id| self.texts[id] == text && self.kinds[id] != kinds::UNUSED)
    }
}

/// `<0x0A>`.
fn is_byte(piece: &str) -> bool {
    let digits = piece.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}
