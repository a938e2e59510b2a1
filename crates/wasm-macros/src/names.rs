//! Names as JavaScript has them, and attributes that only the native door reads.

use syn::Attribute;

/// `max_tokens` as `maxTokens`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let capital = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &capital.into_iter().chain(letters).collect::<String>()
    })
}

/// `RawLogprobs` as `raw_logprobs`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Removes the attributes of napi-rs; gives whether there was one, and its text.
pub(crate) fn take_napi(attributes: &mut Vec<Attribute>) -> Option<String> {
    let mut found = None;
    attributes.retain(|attribute| {
        let is_napi = attribute.path().is_ident("napi");
        if is_napi {
            let list = attribute.meta.require_list().map(|list| list.tokens.to_string());
            found = Some(list.unwrap_or_default());
        }
        !is_napi
    });
    found
}
