//! Rewrites a template's source before minijinja compiles it: arithmetic and `~` become calls, with Jinja2's
//! precedence, so that they can follow Python and be limited; `{% generation %}` becomes a scope. All else, the
//! number of lines included, stays as it is.

use super::bounded::{BOUNDED, BOUNDED_ATTRIBUTE};
use super::operators::{CONCAT, GENERATOR, ITERABLE, MATH, NEGATED, SLICE, TUPLE};
use super::tag_lexer::{Token, TokenKind, tokens};

const MAX_DEPTH: usize = 64;

#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) reason: String,
}

pub(super) fn rewrite(source: &str) -> Result<String, SyntaxError> {
    // Jinja2 reads all line ends as one.
    let source = &source.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(source.len() + source.len() / 4);
    let mut at = 0;
    let fail = |at: usize, reason: String| SyntaxError { line: 1 + source[..at].matches('\n').count(), reason };
    while let Some(start) = next_tag(source, at) {
        out.push_str(&source[at..start]);
        let opening = &source[start..start + 2];
        at = start + 2;
        if opening == "{#" {
            let end = source[at..].find("#}").ok_or_else(|| fail(start, "a comment is not closed".to_owned()))?;
            out.push_str(&source[start..at + end + 2]);
            at += end + 2;
            continue;
        }
        let sign = source[at..].starts_with(['-', '+']);
        let inside = at + usize::from(sign);
        out.push_str(&source[start..inside]);
        let end = if opening == "{%" { "%}" } else { "}}" };
        let (found, length) = tokens(&source[inside..], end).map_err(|reason| fail(start, reason.to_owned()))?;
        let mut parser = Parser { tokens: &found, at: 0, depth: 0 };
        let text = if opening == "{%" { parser.statement() } else { parser.whole_tuple() };
        let text = text.map_err(|reason| fail(start, reason))?;
        let close = inside + length;
        out.push(' ');
        out.push_str(&text);
        let lines = source[inside..close].matches('\n').count().saturating_sub(text.matches('\n').count());
        out.extend(std::iter::repeat_n('\n', lines));
        out.push(' ');
        at = close + end.len() + usize::from(!source[close..].starts_with(end));
        out.push_str(&source[close..at]);
        if opening == "{%" && found.len() == 1 && matches!(found[0].text, "raw") {
            let end = raw_end(&source[at..]).ok_or_else(|| fail(start, "a raw block is not closed".to_owned()))?;
            // Jinja2 keeps the newline after `{% raw %}`; minijinja drops one.
            if !source[..at].ends_with("-%}") && source[at..].starts_with('\n') {
                out.push('\n');
            }
            out.push_str(&source[at..at + end]);
            at += end;
        }
    }
    out.push_str(&source[at..]);
    Ok(out)
}

fn next_tag(source: &str, from: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    (from..bytes.len().saturating_sub(1)).find(|&at| bytes[at] == b'{' && matches!(bytes[at + 1], b'{' | b'%' | b'#'))
}

/// Where the `{% endraw %}` tag begins.
fn raw_end(source: &str) -> Option<usize> {
    source.match_indices("{%").map(|(at, _)| at).find(|&at| {
        let inside = source[at + 2..].trim_start_matches(['-', '+']).trim_start();
        inside
            .strip_prefix("endraw")
            .is_some_and(|rest| rest.trim_start().trim_start_matches(['-', '+']).starts_with("%}"))
    })
}

struct Parser<'t, 's> {
    tokens: &'t [Token<'s>],
    at: usize,
    depth: usize,
}

type Parsed = Result<String, String>;

impl<'s> Parser<'_, 's> {
    fn peek(&self) -> &'s str {
        self.tokens.get(self.at).map_or("", |token| token.text)
    }

    fn peek_kind(&self) -> Option<TokenKind> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    fn next(&mut self) -> &'s str {
        let text = self.peek();
        self.at += 1;
        text
    }

    fn accept(&mut self, text: &str) -> bool {
        let found = self.peek() == text && self.peek_kind() != Some(TokenKind::String);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.accept(text) { Ok(()) } else { Err(format!("expected {text:?}, found {:?}", self.peek())) }
    }

    fn name(&mut self) -> Result<&'s str, String> {
        match self.peek_kind() {
            Some(TokenKind::Name) => Ok(self.next()),
            _ => Err(format!("expected a name, found {:?}", self.peek())),
        }
    }

    fn done(&self, text: String) -> Parsed {
        if self.at == self.tokens.len() { Ok(text) } else { Err(format!("unexpected {:?}", self.peek())) }
    }

    fn statement(&mut self) -> Parsed {
        let keyword = self.name()?;
        let text = match keyword {
            "generation" => "with".to_owned(),
            "endgeneration" => "endwith".to_owned(),
            "if" | "elif" | "do" => format!("{keyword} {}", self.tuple()?),
            "for" => self.for_statement()?,
            "set" => self.set_statement()?,
            "macro" => format!("macro {} {}", self.name()?, self.parameters()?),
            "call" => {
                let parameters = if self.peek() == "(" { self.parameters()? } else { String::new() };
                format!("call {parameters} {}", self.expression()?)
            }
            "with" => format!("with {}", self.assignments()?),
            "filter" => format!("filter {}", self.filter_chain()?),
            "else" | "break" | "continue" | "raw" => keyword.to_owned(),
            _ if keyword.starts_with("end") => {
                // `{% endmacro name %}` and the like.
                self.at = self.tokens.len();
                keyword.to_owned()
            }
            _ => return Err(format!("unknown statement {keyword:?}")),
        };
        self.done(text)
    }

    fn for_statement(&mut self) -> Parsed {
        let mut text = "for ".to_owned();
        while !self.accept("in") {
            if self.at >= self.tokens.len() {
                return Err("a for has no in".to_owned());
            }
            text.push_str(self.next());
            text.push(' ');
        }
        text.push_str(&format!("in {ITERABLE}({})", self.comma_separated(Self::or)?));
        if self.accept("if") {
            text.push_str(" if ");
            text.push_str(&self.expression()?);
        }
        if self.accept("recursive") {
            text.push_str(" recursive");
        }
        Ok(text)
    }

    fn set_statement(&mut self) -> Parsed {
        let mut text = "set ".to_owned();
        let mut check = BOUNDED;
        while self.at < self.tokens.len() && self.peek() != "=" && self.peek() != "|" {
            let token = self.next();
            check = if token == "." { BOUNDED_ATTRIBUTE } else { check };
            text.push_str(token);
        }
        if self.accept("=") {
            text.push_str(&format!(" = {check}({})", self.tuple()?));
        } else if self.accept("|") {
            text.push_str(" | ");
            text.push_str(&self.filter_chain()?);
        }
        Ok(text)
    }

    fn parameters(&mut self) -> Parsed {
        self.expect("(")?;
        let text = self.assignments()?;
        self.expect(")")?;
        Ok(format!("({text})"))
    }

    fn assignments(&mut self) -> Parsed {
        let mut parts = Vec::new();
        while self.peek_kind() == Some(TokenKind::Name) {
            let name = self.name()?;
            let value = if self.accept("=") { format!(" = {}", self.expression()?) } else { String::new() };
            parts.push(format!("{name}{value}"));
            if !self.accept(",") {
                break;
            }
        }
        Ok(parts.join(", "))
    }

    fn filter_chain(&mut self) -> Parsed {
        let mut text = self.filter()?;
        while self.accept("|") {
            text = format!("{text} | {}", self.filter()?);
        }
        Ok(text)
    }

    fn filter(&mut self) -> Parsed {
        let mut text = self.name()?.to_owned();
        while self.accept(".") {
            text = format!("{text}.{}", self.name()?);
        }
        let is_lazy = matches!(text.as_str(), "map" | "select" | "reject" | "selectattr" | "rejectattr");
        if self.peek() == "(" {
            text.push_str(&self.arguments()?);
        }
        if is_lazy {
            text = format!("{text} | {GENERATOR}");
        }
        Ok(text)
    }

    fn whole_tuple(&mut self) -> Parsed {
        let text = self.tuple()?;
        self.done(text)
    }

    fn tuple(&mut self) -> Parsed {
        self.comma_separated(Self::expression)
    }

    fn comma_separated(&mut self, item: fn(&mut Self) -> Parsed) -> Parsed {
        let first = item(self)?;
        if self.peek() != "," {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.accept(",") {
            if self.at == self.tokens.len() || matches!(self.peek(), ")" | "=" | "if" | "recursive") {
                break;
            }
            parts.push(item(self)?);
        }
        Ok(format!("{TUPLE}({})", parts.join(", ")))
    }

    fn expression(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("expressions are nested more than {MAX_DEPTH} deep"));
        }
        let mut text = self.or()?;
        while self.accept("if") {
            text = format!("{text} if {}", self.or()?);
            if self.accept("else") {
                text = format!("{text} else {}", self.expression()?);
            }
        }
        self.depth -= 1;
        Ok(text)
    }

    fn or(&mut self) -> Parsed {
        let mut text = self.and()?;
        while self.accept("or") {
            text.push_str(" or ");
            text.push_str(&self.and()?);
        }
        Ok(text)
    }

    fn and(&mut self) -> Parsed {
        let mut text = self.not()?;
        while self.accept("and") {
            text.push_str(" and ");
            text.push_str(&self.not()?);
        }
        Ok(text)
    }

    fn not(&mut self) -> Parsed {
        let mut text = String::new();
        while self.accept("not") {
            text.push_str("not ");
            if text.len() > 4 * MAX_DEPTH {
                return Err("too many not".to_owned());
            }
        }
        text.push_str(&self.compare()?);
        Ok(text)
    }

    fn compare(&mut self) -> Parsed {
        let mut text = self.sum()?;
        loop {
            let operator = self.peek();
            if self.peek_kind() == Some(TokenKind::String) {
                return Ok(text);
            }
            match operator {
                "==" | "!=" | "<" | ">" | "<=" | ">=" | "in" => self.at += 1,
                "not" if self.tokens.get(self.at + 1).is_some_and(|token| token.text == "in") => self.at += 2,
                _ => return Ok(text),
            }
            let operator = if operator == "not" { "not in" } else { operator };
            text = format!("{text} {operator} {}", self.sum()?);
        }
    }

    /// One level of left-associative operators becomes one call: `MATH(a, '+', b, '-', c)`.
    fn chain(&mut self, operators: &[&str], operand: fn(&mut Self) -> Parsed) -> Parsed {
        let first = operand(self)?;
        let mut rest = String::new();
        while operators.contains(&self.peek()) && self.peek_kind() == Some(TokenKind::Operator) {
            let operator = self.next();
            rest.push_str(&format!(", '{operator}', {}", operand(self)?));
        }
        Ok(if rest.is_empty() { first } else { format!("{MATH}({first}{rest})") })
    }

    fn sum(&mut self) -> Parsed {
        self.chain(&["+", "-"], Self::concat)
    }

    fn concat(&mut self) -> Parsed {
        let mut parts = vec![self.product()?];
        while self.accept("~") {
            parts.push(self.product()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { format!("{CONCAT}({})", parts.join(", ")) })
    }

    fn product(&mut self) -> Parsed {
        self.chain(&["*", "/", "//", "%"], Self::power)
    }

    fn power(&mut self) -> Parsed {
        self.chain(&["**"], Self::unary)
    }

    fn unary(&mut self) -> Parsed {
        let text = self.signed()?;
        self.filters(text)
    }

    fn signed(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("expressions are nested more than {MAX_DEPTH} deep"));
        }
        let text = if self.accept("-") {
            let operand = self.signed()?;
            if operand.starts_with(|first: char| first.is_ascii_digit()) && !operand.contains(['.', '[']) {
                format!("-{operand}")
            } else {
                format!("{MATH}({operand}, '{NEGATED}', 0)")
            }
        } else if self.accept("+") {
            self.signed()?
        } else {
            let primary = self.primary()?;
            self.postfix(primary)?
        };
        self.depth -= 1;
        Ok(text)
    }

    fn primary(&mut self) -> Parsed {
        match (self.peek_kind(), self.peek()) {
            (Some(TokenKind::String), _) => {
                let mut text = self.next().to_owned();
                while self.peek_kind() == Some(TokenKind::String) {
                    text = format!("{CONCAT}({text}, {})", self.next());
                }
                Ok(text)
            }
            (Some(TokenKind::Name | TokenKind::Number), _) => Ok(self.next().to_owned()),
            (_, "(") => {
                self.at += 1;
                if self.accept(")") {
                    return Ok(format!("{TUPLE}()"));
                }
                let text = self.tuple()?;
                self.expect(")")?;
                Ok(format!("({text})"))
            }
            (_, "[") => {
                self.at += 1;
                let mut parts = Vec::new();
                while !self.accept("]") {
                    parts.push(self.expression()?);
                    if !self.accept(",") && self.peek() != "]" {
                        return Err(format!("expected \"]\", found {:?}", self.peek()));
                    }
                }
                Ok(format!("[{}]", parts.join(", ")))
            }
            (_, "{") => {
                self.at += 1;
                let mut parts = Vec::new();
                while !self.accept("}") {
                    let key = self.expression()?;
                    self.expect(":")?;
                    parts.push(format!("{key}: {}", self.expression()?));
                    if !self.accept(",") && self.peek() != "}" {
                        return Err(format!("expected a closing brace, found {:?}", self.peek()));
                    }
                }
                Ok(format!("{{ {} }}", parts.join(", ")))
            }
            (_, other) => Err(format!("expected an expression, found {other:?}")),
        }
    }

    fn postfix(&mut self, mut text: String) -> Parsed {
        while self.peek_kind() == Some(TokenKind::Operator) {
            match self.peek() {
                "." => {
                    self.at += 1;
                    text = match self.peek_kind() {
                        Some(TokenKind::Number) => format!("{text}[{}]", self.next()),
                        _ => format!("{text}.{}", self.name()?),
                    };
                }
                "[" => {
                    self.at += 1;
                    text = self.subscript(&text)?;
                    self.expect("]")?;
                }
                "(" => text = format!("{text}{}", self.arguments()?),
                _ => break,
            }
        }
        Ok(text)
    }

    /// An item, or a slice: minijinja's own refer to the value, and panic where an empty one is read backwards.
    fn subscript(&mut self, text: &str) -> Parsed {
        let mut bounds = vec![self.bound()?];
        while bounds.len() < 3 && self.accept(":") {
            bounds.push(self.bound()?);
        }
        if let [item] = bounds.as_slice() {
            let item = item.as_ref().ok_or_else(|| "a subscript is empty".to_owned())?;
            return Ok(format!("{text}[{item}]"));
        }
        bounds.resize(3, None);
        let bounds: Vec<String> = bounds.into_iter().map(|bound| bound.unwrap_or_else(|| "none".to_owned())).collect();
        Ok(format!("{SLICE}({text}, {})", bounds.join(", ")))
    }

    fn bound(&mut self) -> Result<Option<String>, String> {
        if matches!(self.peek(), ":" | "]") && self.peek_kind() != Some(TokenKind::String) {
            return Ok(None);
        }
        self.expression().map(Some)
    }

    fn arguments(&mut self) -> Parsed {
        self.expect("(")?;
        let mut parts = Vec::new();
        while !self.accept(")") {
            let keyword = self.tokens.get(self.at + 1).is_some_and(|token| token.text == "=")
                && self.peek_kind() == Some(TokenKind::Name);
            let mut part = String::new();
            if keyword {
                part = format!("{}=", self.name()?);
                self.at += 1;
            } else if self.peek() == "*" || self.peek() == "**" {
                part = self.next().to_owned();
            }
            parts.push(format!("{part}{}", self.expression()?));
            if !self.accept(",") && self.peek() != ")" {
                return Err(format!("expected \")\", found {:?}", self.peek()));
            }
        }
        Ok(format!("({})", parts.join(", ")))
    }

    fn filters(&mut self, mut text: String) -> Parsed {
        loop {
            if self.peek_kind() == Some(TokenKind::Operator) && self.accept("|") {
                text = format!("{text} | {}", self.filter()?);
            } else if self.accept("is") {
                let negated = if self.accept("not") { "not " } else { "" };
                text = format!("{text} is {negated}{}", self.test()?);
            } else if self.peek() == "(" {
                text = format!("{text}{}", self.arguments()?);
            } else {
                return Ok(text);
            }
        }
    }

    /// A test takes arguments in brackets, or one primary expression (`is divisibleby 3`).
    fn test(&mut self) -> Parsed {
        let name = self.name()?.to_owned();
        let next = self.peek();
        let takes_bare = match self.peek_kind() {
            Some(TokenKind::Name) => !matches!(next, "else" | "or" | "and" | "is" | "in" | "not" | "if" | "recursive"),
            Some(TokenKind::Number | TokenKind::String) => true,
            Some(TokenKind::Operator) => matches!(next, "[" | "{"),
            None => false,
        };
        if next == "(" {
            return Ok(format!("{name}{}", self.arguments()?));
        }
        if takes_bare {
            let primary = self.primary()?;
            return Ok(format!("{name}({})", self.postfix(primary)?));
        }
        Ok(name)
    }
}
