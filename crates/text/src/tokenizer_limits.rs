//! What a `tokenizer.json` may ask for. The tokenizers library trusts its files; a hostile one could make it allocate
//! without bound (a step of normalization that doubles the text, forty times) or build huge tables.

use serde_json::Value;

use crate::error::TextError;

pub(crate) const MAX_TOKENIZER_BYTES: u64 = 256 << 20;
pub(crate) const MAX_CONFIG_BYTES: u64 = 16 << 20;
pub(crate) const MAX_TEMPLATE_BYTES: u64 = 4 << 20;
/// One past the largest id that a vocabulary may use; the piece table has one entry per id.
pub(crate) const MAX_VOCABULARY: usize = 1 << 24;
const MAX_STRING_BYTES: usize = 64 << 10;
const MAX_GROWTH: f64 = 4096.0;

/// Checks the parts of a `tokenizer.json` that transform text.
pub(crate) fn check(root: &Value) -> Result<(), TextError> {
    for part in ["normalizer", "pre_tokenizer", "post_processor", "decoder"] {
        let value = root.get(part).unwrap_or(&Value::Null);
        check_strings(part, value)?;
        let growth = growth(value);
        if growth > MAX_GROWTH {
            return invalid(format!("{part} could make a text {growth:.0} times longer, the limit is {MAX_GROWTH}"));
        }
    }
    let model = root.get("model").unwrap_or(&Value::Null);
    let vocab = model.get("vocab").and_then(Value::as_object);
    let ids = vocab.into_iter().flat_map(|vocab| vocab.values());
    let added = root.get("added_tokens").and_then(Value::as_array).into_iter().flatten();
    for id in ids.chain(added.filter_map(|token| token.get("id"))) {
        if id.as_u64().is_none_or(|id| id >= MAX_VOCABULARY as u64) {
            return invalid(format!("token id {id} is not in 0..{MAX_VOCABULARY}"));
        }
    }
    Ok(())
}

fn invalid<T>(reason: String) -> Result<T, TextError> {
    Err(TextError::InvalidTokenizer { reason })
}

fn check_strings(part: &str, value: &Value) -> Result<(), TextError> {
    match value {
        Value::String(text) if text.len() > MAX_STRING_BYTES => {
            invalid(format!("{part} has a string of {} bytes, the limit is {MAX_STRING_BYTES}", text.len()))
        }
        Value::Array(items) => items.iter().try_for_each(|item| check_strings(part, item)),
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| *key != "precompiled_charsmap")
            .try_for_each(|(_, field)| check_strings(part, field)),
        _ => Ok(()),
    }
}

/// An upper bound of how much longer the `Replace` steps below `value` can make a text, as a factor.
fn growth(value: &Value) -> f64 {
    match value {
        Value::Array(items) => items.iter().map(growth).product(),
        Value::Object(fields) => {
            let nested: f64 = fields.values().map(growth).product();
            let content = fields.get("content").and_then(Value::as_str);
            match (fields.get("pattern"), content) {
                (Some(pattern), Some(content)) => {
                    let literal = pattern.get("String").and_then(Value::as_str);
                    let shortest = literal.map_or(1, |literal| literal.len().max(1));
                    nested * (content.len() as f64 / shortest as f64).max(1.0)
                }
                _ => nested,
            }
        }
        _ => 1.0,
    }
}
