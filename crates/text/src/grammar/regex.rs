//! Regular expressions of ECMAScript (with its flag `u`, and what old patterns get away with) in the syntax that llguidance
//! reads, which is Rust's. The two differ in what `.`, `\d`, `\w`, `\s`, classes and escapes mean; nothing is handed on as
//! it stands. What cannot be kept (assertions about what is around, references to groups) is refused by its name.

use std::fmt::Write as _;

use super::error::GrammarError;
use super::limits::{MAX_NESTED_REPETITIONS, MAX_NESTING, MAX_REPETITIONS};

const KIND: &str = "regular expression";
const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = r"\t\n\x0B\x0C\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}";
/// All but line terminators.
const DOT: &str = r"[^\n\r\x{2028}\x{2029}]";

/// The same expression in Rust's syntax. Anchors stay; they may stand at the beginning and the end only.
pub(super) fn translate(pattern: &str) -> Result<String, GrammarError> {
    let mut translator =
        Translator { characters: pattern.chars().collect(), index: 0, out: String::with_capacity(pattern.len() * 2) };
    translator.disjunction(0)?;
    if translator.index < translator.characters.len() {
        return Err(translator.invalid("a `)` without its `(`"));
    }
    Ok(translator.out)
}

struct Translator {
    characters: Vec<char>,
    index: usize,
    out: String,
}

/// What one escape stands for.
enum Escape {
    Character(char),
    /// The inside of a class, and whether it is negated.
    Set(String, bool),
}

impl Translator {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.index).copied()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek();
        self.index += usize::from(character.is_some());
        character
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.characters[self.index..].iter().copied().take(text.len()).eq(text.chars());
        self.index += if found { text.len() } else { 0 };
        found
    }

    fn place(&self) -> String {
        format!("character {}", self.index)
    }

    fn invalid(&self, reason: impl Into<String>) -> GrammarError {
        GrammarError::Invalid { kind: KIND, place: self.place(), reason: reason.into() }
    }

    fn unsupported(&self, keyword: impl Into<String>) -> GrammarError {
        let (keyword, place) = (keyword.into(), self.place());
        GrammarError::Unsupported { kind: KIND, keyword, place, reason: String::new() }
    }

    /// Gives the greatest product of repetitions that stand within each other.
    fn disjunction(&mut self, depth: usize) -> Result<u64, GrammarError> {
        if depth > MAX_NESTING {
            return Err(GrammarError::TooComplex { kind: KIND, limit: format!("more than {MAX_NESTING} groups deep") });
        }
        let mut repetitions = 1;
        loop {
            match self.peek() {
                None | Some(')') => return Ok(repetitions),
                Some('|') => {
                    self.index += 1;
                    self.out.push('|');
                }
                Some(_) => repetitions = self.term(depth)?.max(repetitions),
            }
        }
    }

    fn term(&mut self, depth: usize) -> Result<u64, GrammarError> {
        let start = self.index;
        let mut repetitions = 1;
        match self.next().unwrap_or_default() {
            '^' => return self.anchor("^"),
            '$' => return self.anchor("$"),
            '.' => self.out.push_str(DOT),
            '[' => self.class()?,
            '(' => repetitions = self.group(depth)?,
            '*' | '+' | '?' => {
                self.index = start;
                return Err(self.invalid("nothing to repeat"));
            }
            '{' => {
                self.index = start;
                if self.quantifier()?.is_some() {
                    return Err(self.invalid("nothing to repeat"));
                }
                self.index += 1;
                self.character('{');
            }
            '\\' => match self.escape(false)? {
                Escape::Character(character) => self.character(character),
                Escape::Set(inside, negated) => {
                    let _ = write!(self.out, "[{}{inside}]", if negated { "^" } else { "" });
                }
            },
            other => self.character(other),
        }
        let Some((least, most)) = self.quantifier()? else { return Ok(repetitions) };
        repetitions *= u64::from(most.unwrap_or(least).max(1));
        if repetitions > MAX_NESTED_REPETITIONS {
            let limit = format!("repetitions within repetitions multiply to more than {MAX_NESTED_REPETITIONS}");
            return Err(GrammarError::TooComplex { kind: KIND, limit });
        }
        match (least, most) {
            (0, None) => self.out.push('*'),
            (1, None) => self.out.push('+'),
            (0, Some(1)) => self.out.push('?'),
            (least, None) => {
                let _ = write!(self.out, "{{{least},}}");
            }
            (least, Some(most)) => {
                let _ = write!(self.out, "{{{least},{most}}}");
            }
        }
        Ok(repetitions)
    }

    fn anchor(&mut self, anchor: &str) -> Result<u64, GrammarError> {
        if matches!(self.peek(), Some('*' | '+' | '?')) || self.quantifier_ahead() {
            return Err(self.invalid("nothing to repeat"));
        }
        self.out.push_str(anchor);
        Ok(1)
    }

    fn quantifier_ahead(&mut self) -> bool {
        let start = self.index;
        let found = matches!(self.peek(), Some('{')) && matches!(self.quantifier(), Ok(Some(_)));
        self.index = start;
        found
    }

    fn group(&mut self, depth: usize) -> Result<u64, GrammarError> {
        let opened = self.place();
        if self.take("?") {
            for assertion in ["=", "!", "<=", "<!"] {
                if self.take(assertion) {
                    return Err(self.unsupported(format!("the assertion (?{assertion}...)")));
                }
            }
            if self.take("<") || self.take("P<") {
                let mut name = String::new();
                while let Some(character) = self.next().filter(|character| *character != '>') {
                    name.push(character);
                }
                if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                    return Err(self.invalid("a group's name is not valid"));
                }
            } else if !self.take(":") {
                return Err(self.unsupported("a group with flags"));
            }
        }
        self.out.push_str("(?:");
        let repetitions = self.disjunction(depth + 1)?;
        if self.next() != Some(')') {
            return Err(GrammarError::Invalid { kind: KIND, place: opened, reason: "a `(` without its `)`".into() });
        }
        self.out.push(')');
        Ok(repetitions)
    }

    /// The quantifier at the index, if there is one: least and most.
    fn quantifier(&mut self) -> Result<Option<(u32, Option<u32>)>, GrammarError> {
        let start = self.index;
        let bounds = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                self.index += 1;
                let least = self.number()?;
                let most = if self.take(",") { self.number()? } else { least };
                match least.filter(|_| self.peek() == Some('}')) {
                    Some(least) => (least, most),
                    None => {
                        // No quantifier: a brace that stands for itself.
                        self.index = start;
                        return Ok(None);
                    }
                }
            }
            _ => return Ok(None),
        };
        self.index += 1;
        if bounds.1.is_some_and(|most| most < bounds.0) {
            return Err(self.invalid("the numbers of a quantifier are out of order"));
        }
        self.take("?");
        if matches!(self.peek(), Some('*' | '+' | '?')) {
            return Err(self.invalid("nothing to repeat"));
        }
        Ok(Some(bounds))
    }

    fn number(&mut self) -> Result<Option<u32>, GrammarError> {
        let mut value: Option<u32> = None;
        while let Some(digit) = self.peek().and_then(|character| character.to_digit(10)) {
            self.index += 1;
            value = Some(value.unwrap_or(0).saturating_mul(10).saturating_add(digit));
        }
        if value.is_some_and(|value| value > MAX_REPETITIONS) {
            let limit = format!("more than {MAX_REPETITIONS} repetitions");
            return Err(GrammarError::TooComplex { kind: KIND, limit });
        }
        Ok(value)
    }

    /// One character that stands for itself.
    fn character(&mut self, character: char) {
        if character.is_ascii_alphanumeric() {
            self.out.push(character);
        } else {
            let _ = write!(self.out, "\\x{{{:X}}}", character as u32);
        }
    }

    fn class(&mut self) -> Result<(), GrammarError> {
        let negated = self.take("^");
        let mut items = String::new();
        while let Some(first) = self.class_atom()? {
            let is_range = self.peek() == Some('-') && self.characters.get(self.index + 1).is_some_and(|c| *c != ']');
            if !is_range {
                push_item(&mut items, &first);
                continue;
            }
            self.index += 1;
            let Some(last) = self.class_atom()? else { return Err(self.invalid("a class without its end")) };
            match (&first, &last) {
                (Escape::Character(low), Escape::Character(high)) if low > high => {
                    return Err(self.invalid("a range of a class is out of order"));
                }
                (Escape::Character(low), Escape::Character(high)) => {
                    let _ = write!(items, "\\x{{{:X}}}-\\x{{{:X}}}", *low as u32, *high as u32);
                }
                _ => {
                    // `[\w-.]`: no range, three items.
                    push_item(&mut items, &first);
                    push_item(&mut items, &Escape::Character('-'));
                    push_item(&mut items, &last);
                }
            }
        }
        match (items.is_empty(), negated) {
            (true, true) => self.out.push_str("(?s:.)"),
            (true, false) => self.out.push_str(r"[^\x{0}-\x{10FFFF}]"),
            (false, _) => {
                let _ = write!(self.out, "[{}{items}]", if negated { "^" } else { "" });
            }
        }
        Ok(())
    }

    /// The next item of a class; `None` at its end.
    fn class_atom(&mut self) -> Result<Option<Escape>, GrammarError> {
        match self.next() {
            None => Err(self.invalid("a class without its end")),
            Some(']') => Ok(None),
            Some('\\') => self.escape(true).map(Some),
            Some(character) => Ok(Some(Escape::Character(character))),
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self, in_class: bool) -> Result<Escape, GrammarError> {
        let Some(character) = self.next() else { return Err(self.invalid("a backslash at the end")) };
        let set = |inside: &str, negated| Ok(Escape::Set(inside.to_owned(), negated));
        let single = |character| Ok(Escape::Character(character));
        match character {
            'd' => set(DIGIT, false),
            'D' => set(DIGIT, true),
            'w' => set(WORD, false),
            'W' => set(WORD, true),
            's' => set(SPACE, false),
            'S' => set(SPACE, true),
            't' => single('\t'),
            'n' => single('\n'),
            'v' => single('\x0B'),
            'f' => single('\x0C'),
            'r' => single('\r'),
            'b' if in_class => single('\x08'),
            'b' | 'B' => Err(self.unsupported(format!("the assertion \\{character}"))),
            '0' if !self.peek().is_some_and(|next| next.is_ascii_digit()) => single('\0'),
            '0'..='9' => Err(self.unsupported(format!("the reference \\{character}"))),
            'k' => Err(self.unsupported("the reference \\k")),
            'c' => match self.next() {
                Some(letter) if letter.is_ascii_alphabetic() => single((letter as u8 % 32) as char),
                _ => Err(self.invalid("\\c without a letter")),
            },
            'x' => {
                let code = self.hexadecimal(2)?;
                single(char::from_u32(code).unwrap_or_default())
            }
            'u' => self.unicode_escape().map(Escape::Character),
            'p' | 'P' => self.property(character == 'P'),
            other if other.is_ascii_alphanumeric() => Err(self.unsupported(format!("the escape \\{other}"))),
            other => single(other),
        }
    }

    fn hexadecimal(&mut self, num_digits: usize) -> Result<u32, GrammarError> {
        let mut code = 0;
        for _ in 0..num_digits {
            match self.next().and_then(|character| character.to_digit(16)) {
                Some(digit) => code = code * 16 + digit,
                None => return Err(self.invalid(format!("an escape without its {num_digits} hexadecimal digits"))),
            }
        }
        Ok(code)
    }

    fn unicode_escape(&mut self) -> Result<char, GrammarError> {
        let code = if self.take("{") {
            let mut code: u32 = 0;
            while let Some(character) = self.next().filter(|character| *character != '}') {
                let Some(digit) = character.to_digit(16) else { return Err(self.invalid("an escape \\u{} is broken")) };
                code = code.saturating_mul(16).saturating_add(digit);
            }
            code
        } else {
            let high = self.hexadecimal(4)?;
            if (0xD800..0xDC00).contains(&high) && self.take("\\u") {
                let low = self.hexadecimal(4)?;
                0x10000 + ((high - 0xD800) << 10) + low.wrapping_sub(0xDC00) % 0x400
            } else {
                high
            }
        };
        char::from_u32(code).ok_or_else(|| self.unsupported(format!("the code point {code:X}, which no text has")))
    }

    fn property(&mut self, negated: bool) -> Result<Escape, GrammarError> {
        let mut name = String::new();
        if self.take("{") {
            while let Some(character) = self.next().filter(|character| *character != '}') {
                name.push(character);
            }
        }
        let property = format!("\\p{{{name}}}");
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '=');
        if !is_name || regex_syntax::parse(&property).is_err() {
            return Err(self.unsupported(format!("the property {property}")));
        }
        Ok(Escape::Set(property, negated))
    }
}

fn push_item(items: &mut String, item: &Escape) {
    match item {
        Escape::Character(character) => {
            let _ = write!(items, "\\x{{{:X}}}", *character as u32);
        }
        Escape::Set(inside, false) => items.push_str(inside),
        Escape::Set(inside, true) => {
            let _ = write!(items, "[^{inside}]");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn translates_what_ecmascript_means() {
        let rows = [
            ("abc", "abc"),
            ("^a$", "^a$"),
            ("a.b", r"a[^\n\r\x{2028}\x{2029}]b"),
            (r"\d+", "[0-9]+"),
            (r"[\w-.]", r"[0-9A-Za-z_\x{2D}\x{2E}]"),
            (r"[^\D]", "[^[^0-9]]"),
            ("[]", r"[^\x{0}-\x{10FFFF}]"),
            ("[^]", "(?s:.)"),
            ("[[]", r"[\x{5B}]"),
            ("[a&&b]", r"[\x{61}\x{26}\x{26}\x{62}]"),
            ("a{2,3}?", "a{2,3}"),
            ("a{,3}", r"a\x{7B}\x{2C}3\x{7D}"),
            (r"\/\-\_", r"\x{2F}\x{2D}\x{5F}"),
            (r"\u00e9\u{1F600}\ud83d\ude00", r"\x{E9}\x{1F600}\x{1F600}"),
            ("(?<year>a)|(?:b)", "(?:a)|(?:b)"),
            (r"\p{Lu}\P{L}", r"[\p{Lu}][^\p{L}]"),
            (r"[\b]", r"[\x{8}]"),
        ];
        for (pattern, expected) in rows {
            let translated = translate(pattern).expect(pattern);
            assert_eq!(translated, expected, "{pattern}");
            regex_syntax::parse(&translated).expect("Rust reads it");
        }
    }

    #[test]
    fn refuses_what_it_cannot_keep() {
        let rows = [
            ("(?=a)", "the assertion (?=...)"),
            ("(?<!a)", "the assertion (?<!...)"),
            (r"\bword", r"the assertion \b"),
            (r"(a)\1", r"the reference \1"),
            ("(?i)a", "a group with flags"),
            (r"\Aa", r"the escape \A"),
            (r"\p{Nonsense}", r"the property \p{Nonsense}"),
            (r"\ud800", "the code point D800, which no text has"),
        ];
        for (pattern, keyword) in rows {
            let error = translate(pattern).expect_err(pattern);
            assert_eq!(error.keyword(), Some(keyword), "{pattern}: {error}");
            assert_eq!(error.code(), "ERR_GRAMMAR_UNSUPPORTED");
        }
        for pattern in ["(", ")", "[a", "*", "a**", "a{3,2}", "[z-a]", "\\", "^*", r"\x4", "(?<>a)", "{2}"] {
            assert_eq!(translate(pattern).expect_err(pattern).code(), "ERR_GRAMMAR_INVALID", "{pattern}");
        }
        let deep = "(".repeat(1_000) + &")".repeat(1_000);
        for pattern in [deep.as_str(), "a{100000}", "(a{1000}){1000}", "((a{100}){100}){100}"] {
            assert_eq!(translate(pattern).expect_err(pattern).code(), "ERR_GRAMMAR_TOO_COMPLEX");
        }
    }
}
