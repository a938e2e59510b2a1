//! Splits the inside of a Jinja tag into tokens, as slices of the source.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Name,
    Number,
    String,
    Operator,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'s> {
    pub(super) kind: TokenKind,
    pub(super) text: &'s str,
}

/// The tokens of `source` up to the closing `end` (`%}` or `}}`) outside strings and brackets, and where it begins,
/// the whitespace sign before it included. The error says what is wrong.
pub(super) fn tokens<'s>(source: &'s str, end: &str) -> Result<(Vec<Token<'s>>, usize), &'static str> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut open = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        let byte = bytes[at];
        if open.is_empty() {
            let signed = rest.strip_prefix(['-', '+']).is_some_and(|rest| rest.starts_with(end));
            if signed || rest.starts_with(end) {
                return Ok((found, at));
            }
        }
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let (kind, length) = match byte {
            b'"' | b'\'' => (TokenKind::String, string_length(rest)?),
            b'0'..=b'9' => (TokenKind::Number, number_length(rest)),
            _ if is_name(rest.chars().next()) => (TokenKind::Name, name_length(rest)),
            _ => (TokenKind::Operator, operator_length(rest)?),
        };
        match byte {
            b'(' => open.push(b')'),
            b'[' => open.push(b']'),
            b'{' => open.push(b'}'),
            b')' | b']' | b'}' if open.pop() != Some(byte) => return Err("a bracket closes that was not opened"),
            _ => {}
        }
        found.push(Token { kind, text: &rest[..length] });
        at += length;
    }
    Err("a tag is not closed")
}

fn is_name(character: Option<char>) -> bool {
    character.is_some_and(|character| character == '_' || character.is_alphabetic())
}

fn name_length(text: &str) -> usize {
    text.find(|character: char| character != '_' && !character.is_alphanumeric()).unwrap_or(text.len())
}

fn string_length(text: &str) -> Result<usize, &'static str> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            quote if quote == bytes[0] => return Ok(at + 1),
            _ => at += 1,
        }
    }
    Err("a string is not closed")
}

/// Digits, underscores, a radix, one fraction and an exponent; a dot only before a digit (`x[0].y`, `1.5`).
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digit_at = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut at = 0;
    let mut fraction = false;
    while at < bytes.len() {
        match bytes[at] {
            b'.' if !fraction && digit_at(at + 1) => {
                fraction = true;
                at += 1;
            }
            b'e' | b'E' if digit_at(at + 1) => at += 1,
            b'e' | b'E' if matches!(bytes.get(at + 1), Some(b'+' | b'-')) && digit_at(at + 2) => at += 2,
            byte if byte == b'_' || byte.is_ascii_alphanumeric() => at += 1,
            _ => break,
        }
    }
    at
}

fn operator_length(text: &str) -> Result<usize, &'static str> {
    const TWO: [&str; 6] = ["**", "//", "==", "!=", "<=", ">="];
    if TWO.iter().any(|operator| text.starts_with(operator)) {
        return Ok(2);
    }
    if text.starts_with(['+', '-', '*', '/', '%', '~', '=', '<', '>', '(', ')', '[', ']', '{', '}', ',', '.', ':', '|'])
    {
        return Ok(1);
    }
    Err("a tag has a character that is not part of the language")
}
