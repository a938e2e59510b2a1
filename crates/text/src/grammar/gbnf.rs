//! GBNF, the EBNF of llama.cpp (and, but for its extras, of XGrammar), as Lark. A rule that does not refer to itself, by
//! whatever way, is a regular language and becomes a terminal; the others become rules.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::error::GrammarError;
use super::gbnf_recursion::{recursive, without_recursion};
use super::lark_text;
use super::limits::{MAX_NESTING, MAX_REPETITIONS, MAX_RULES};

const KIND: &str = "grammar";

/// The grammar in Lark: as it is, or from GBNF if that is what it is.
pub(super) fn to_lark(text: &str) -> Result<String, GrammarError> {
    if text.contains("::=") { convert(text) } else { Ok(text.to_owned()) }
}

#[derive(Debug)]
pub(super) enum Expression {
    Literal(String),
    /// A class in the syntax of regular expressions.
    Class(String),
    Rule(usize),
    Sequence(Vec<Expression>),
    Choice(Vec<Expression>),
    Repeated(Box<Expression>, u32, Option<u32>),
}

pub(super) struct Rule {
    name: String,
    /// Where it was first met.
    place: String,
    pub(super) body: Option<Expression>,
}

fn convert(text: &str) -> Result<String, GrammarError> {
    let mut parser =
        Parser { characters: text.chars().collect(), index: 0, rules: Vec::new(), numbers: HashMap::new() };
    parser.grammar()?;
    let Parser { mut rules, numbers, .. } = parser;
    let root = match numbers.get("root") {
        Some(&root) if rules[root].body.is_some() => root,
        _ => return Err(invalid("", "there is no rule `root`")),
    };
    if let Some(rule) = rules.iter().find(|rule| rule.body.is_none()) {
        return Err(invalid(&rule.place, format!("there is no rule `{}`", rule.name)));
    }
    for (number, rule) in rules.iter_mut().enumerate() {
        rule.body = rule.body.take().map(|body| without_recursion(number, body));
    }
    let recursive = recursive(&rules);
    let reference = |number: usize| if recursive[number] { format!("r{number}") } else { format!("R{number}") };
    let mut lark = format!("start: {}\n", reference(root));
    for (number, rule) in rules.iter().enumerate() {
        let body = rule.body.as_ref().map(|body| write(body, &reference)).unwrap_or_default();
        let _ = writeln!(lark, "{}: {body}", reference(number));
    }
    Ok(lark)
}

fn write(expression: &Expression, reference: &impl Fn(usize) -> String) -> String {
    let joined = |parts: &[Expression], separator: &str| {
        let parts: Vec<String> = parts.iter().map(|part| write(part, reference)).collect();
        if parts.is_empty() { "\"\"".to_owned() } else { format!("({})", parts.join(separator)) }
    };
    match expression {
        Expression::Literal(text) => lark_text::string(text),
        Expression::Class(pattern) => lark_text::regex(pattern),
        Expression::Rule(number) => reference(*number),
        Expression::Sequence(parts) => joined(parts, " "),
        Expression::Choice(parts) => joined(parts, " | "),
        Expression::Repeated(inner, least, most) => {
            let inner = write(inner, reference);
            match (least, most) {
                (0, None) => format!("({inner})*"),
                (1, None) => format!("({inner})+"),
                (0, Some(1)) => format!("({inner})?"),
                (_, Some(0)) => "\"\"".to_owned(),
                (least, None) => format!("({inner}){{{least},}}"),
                (least, Some(most)) => format!("({inner}){{{least},{most}}}"),
            }
        }
    }
}

struct Parser {
    characters: Vec<char>,
    index: usize,
    rules: Vec<Rule>,
    numbers: HashMap<String, usize>,
}

impl Parser {
    fn grammar(&mut self) -> Result<(), GrammarError> {
        self.space();
        while self.index < self.characters.len() {
            let place = self.place();
            let name = self.name().ok_or_else(|| invalid(&place, "a rule must begin with its name"))?;
            self.space();
            if !self.take("::=") {
                return Err(invalid(&self.place(), format!("`::=` is missing behind `{name}`")));
            }
            self.space();
            let body = self.choice(0)?;
            let number = self.number(name.clone(), &place)?;
            if self.rules[number].body.replace(body).is_some() {
                return Err(invalid(&place, format!("there are two rules `{name}`")));
            }
            self.space();
        }
        Ok(())
    }

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
        let before = &self.characters[..self.index.min(self.characters.len())];
        let line = 1 + before.iter().filter(|character| **character == '\n').count();
        let column = 1 + before.iter().rev().take_while(|character| **character != '\n').count();
        format!("line {line}, column {column}")
    }

    /// Passes over whitespace and comments.
    fn space(&mut self) {
        while let Some(character) = self.peek() {
            if character == '#' {
                while self.peek().is_some_and(|character| character != '\n') {
                    self.index += 1;
                }
            } else if character.is_whitespace() {
                self.index += 1;
            } else {
                return;
            }
        }
    }

    fn name(&mut self) -> Option<String> {
        let start = self.index;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.') {
            // A dot alone is any character; within a name it is a part of it.
            if self.peek() == Some('.') && self.index == start {
                break;
            }
            self.index += 1;
        }
        let name: String = self.characters[start..self.index].iter().collect();
        (!name.is_empty()).then_some(name)
    }

    fn number(&mut self, name: String, place: &str) -> Result<usize, GrammarError> {
        if let Some(&number) = self.numbers.get(&name) {
            return Ok(number);
        }
        let number = self.rules.len();
        if number == MAX_RULES {
            return Err(too_complex(format!("more than {MAX_RULES} rules")));
        }
        self.rules.push(Rule { name: name.clone(), place: place.to_owned(), body: None });
        self.numbers.insert(name, number);
        Ok(number)
    }

    fn choice(&mut self, depth: usize) -> Result<Expression, GrammarError> {
        if depth > MAX_NESTING {
            return Err(too_complex(format!("brackets more than {MAX_NESTING} deep")));
        }
        let mut alternatives = vec![self.sequence(depth)?];
        while self.take("|") {
            self.space();
            alternatives.push(self.sequence(depth)?);
        }
        Ok(match alternatives.len() {
            1 => alternatives.remove(0),
            _ => Expression::Choice(alternatives),
        })
    }

    fn sequence(&mut self, depth: usize) -> Result<Expression, GrammarError> {
        let mut parts = Vec::new();
        loop {
            let place = self.place_of_start(parts.is_empty());
            let part = match self.peek() {
                None | Some('|' | ')') => break,
                Some('"') => self.literal()?,
                Some('[') => self.class()?,
                Some('.') => {
                    self.index += 1;
                    Expression::Class("(?s:.)".to_owned())
                }
                Some('(') => {
                    self.index += 1;
                    if self.peek() == Some('=') {
                        return Err(unsupported(&self.place(), "a lookahead"));
                    }
                    self.space();
                    let inner = self.choice(depth + 1)?;
                    if !self.take(")") {
                        return Err(invalid(&self.place(), "a `)` is missing"));
                    }
                    inner
                }
                Some(_) => {
                    let start = self.index;
                    let Some(name) = self.name() else {
                        return Err(invalid(&self.place(), "neither a rule, a string, a class nor a bracket"));
                    };
                    let after = self.index;
                    self.space();
                    if self.take("::=") {
                        // The next rule has begun.
                        self.index = start;
                        break;
                    }
                    self.index = after;
                    let place = place.unwrap_or_else(|| self.place());
                    Expression::Rule(self.number(name, &place)?)
                }
            };
            self.space();
            let part = self.repeated(part)?;
            parts.push(part);
            self.space();
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => Expression::Sequence(parts),
        })
    }

    /// Positions are costly to tell and wanted for errors only; the first part of a rule stands for the others.
    fn place_of_start(&self, is_first: bool) -> Option<String> {
        (is_first && self.rules.len() < 256).then(|| self.place())
    }

    fn repeated(&mut self, mut part: Expression) -> Result<Expression, GrammarError> {
        let mut num_repetitions = 0;
        loop {
            let (least, most) = match self.peek() {
                Some('*') => (0, None),
                Some('+') => (1, None),
                Some('?') => (0, Some(1)),
                Some('{') => {
                    self.index += 1;
                    let least = self.count()?.unwrap_or(0);
                    let most = if self.take(",") { self.count()? } else { Some(least) };
                    if self.peek() != Some('}') || most.is_some_and(|most| most < least) {
                        return Err(invalid(&self.place(), "the numbers of a repetition are broken"));
                    }
                    (least, most)
                }
                _ => return Ok(part),
            };
            num_repetitions += 1;
            if num_repetitions > MAX_NESTING {
                return Err(too_complex(format!("repetitions more than {MAX_NESTING} deep")));
            }
            self.index += 1;
            part = Expression::Repeated(Box::new(part), least, most);
            self.space();
        }
    }

    fn count(&mut self) -> Result<Option<u32>, GrammarError> {
        while self.peek() == Some(' ') {
            self.index += 1;
        }
        let mut value: Option<u32> = None;
        while let Some(digit) = self.peek().and_then(|character| character.to_digit(10)) {
            self.index += 1;
            value = Some(value.unwrap_or(0).saturating_mul(10).saturating_add(digit));
        }
        while self.peek() == Some(' ') {
            self.index += 1;
        }
        if value.is_some_and(|value| value > MAX_REPETITIONS) {
            return Err(too_complex(format!("more than {MAX_REPETITIONS} repetitions")));
        }
        Ok(value)
    }

    fn literal(&mut self) -> Result<Expression, GrammarError> {
        self.index += 1;
        let mut text = String::new();
        loop {
            match self.next() {
                None | Some('\n') => return Err(invalid(&self.place(), "a string without its end")),
                Some('"') => return Ok(Expression::Literal(text)),
                Some('\\') => text.push(self.escape()?),
                Some(character) => text.push(character),
            }
        }
    }

    fn class(&mut self) -> Result<Expression, GrammarError> {
        self.index += 1;
        let negated = self.take("^");
        let mut items = String::new();
        loop {
            let first = match self.next() {
                None => return Err(invalid(&self.place(), "a class without its end")),
                Some(']') => break,
                Some('\\') => self.escape()?,
                Some(character) => character,
            };
            let is_range = self.peek() == Some('-') && self.characters.get(self.index + 1).is_some_and(|c| *c != ']');
            let last = if is_range {
                self.index += 1;
                match self.next() {
                    Some('\\') => self.escape()?,
                    Some(character) => character,
                    None => return Err(invalid(&self.place(), "a class without its end")),
                }
            } else {
                first
            };
            if last < first {
                return Err(invalid(&self.place(), "a range of a class is out of order"));
            }
            let _ = write!(items, "\\x{{{:X}}}-\\x{{{:X}}}", first as u32, last as u32);
        }
        Ok(match (items.is_empty(), negated) {
            (true, true) => Expression::Class("(?s:.)".to_owned()),
            (true, false) => return Err(invalid(&self.place(), "a class of nothing")),
            (false, _) => Expression::Class(format!("[{}{items}]", if negated { "^" } else { "" })),
        })
    }

    fn escape(&mut self) -> Result<char, GrammarError> {
        let num_digits = match self.next() {
            Some('n') => return Ok('\n'),
            Some('r') => return Ok('\r'),
            Some('t') => return Ok('\t'),
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some(character) if character.is_ascii_punctuation() => return Ok(character),
            _ => return Err(invalid(&self.place(), "an escape that is not known")),
        };
        let mut code: u32 = 0;
        for _ in 0..num_digits {
            match self.next().and_then(|character| character.to_digit(16)) {
                Some(digit) => code = code.wrapping_mul(16).wrapping_add(digit),
                None => return Err(invalid(&self.place(), format!("an escape needs {num_digits} hexadecimal digits"))),
            }
        }
        char::from_u32(code).ok_or_else(|| invalid(&self.place(), format!("{code:X} is no character")))
    }
}

fn invalid(place: &str, reason: impl Into<String>) -> GrammarError {
    GrammarError::Invalid { kind: KIND, place: place.to_owned(), reason: reason.into() }
}

fn unsupported(place: &str, keyword: &str) -> GrammarError {
    let (keyword, place) = (keyword.to_owned(), place.to_owned());
    GrammarError::Unsupported { kind: KIND, keyword, place, reason: String::new() }
}

fn too_complex(limit: String) -> GrammarError {
    GrammarError::TooComplex { kind: KIND, limit }
}
