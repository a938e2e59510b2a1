//! Python's methods on strings. Offsets count characters, white space is Python's, and arguments may be named.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::operators::Tuple;
use super::{format_string, limits, methods, python_text};

/// What ends a line for `str.splitlines`; a line feed after a carriage return belongs to it.
const LINE_ENDS: [char; 10] = ['\n', '\r', '\x0b', '\x0c', '\x1c', '\x1d', '\x1e', '\u{85}', '\u{2028}', '\u{2029}'];

/// What `str.isspace` says of a character: Unicode's white space, and four controls that separate fields and records.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// `text.method(arguments)`; `None`: strings have no such method here.
pub(super) fn call(
    state: &State<'_, '_>,
    text: &str,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>, Error> {
    let bind = |names: &[&str], num_required: usize| Arguments::bind(method, arguments, names, num_required);
    Ok(Some(match method {
        "upper" | "lower" | "title" | "capitalize" | "casefold" | "swapcase" => {
            bind(&[], 0)?;
            limits::text(state, Some(text.len()))?;
            Value::from(in_case(text, method))
        }
        "strip" | "lstrip" | "rstrip" => {
            let arguments = bind(&["chars"], 0)?;
            limits::text(state, Some(text.len()))?;
            Value::from(strip(text, method, arguments.text(0)?))
        }
        "split" | "rsplit" => {
            let arguments = bind(&["sep", "maxsplit"], 0)?;
            let limit = arguments.integer(1)?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
            let separator = not_empty(arguments.text(0)?)?;
            let num_cuts = separator.map_or_else(|| text.matches(is_space).count(), |one| text.matches(one).count());
            limits::items(state, Some(num_cuts.min(limit).saturating_add(1)))?;
            let parts = split(text, separator, limit, method == "rsplit");
            parts.into_iter().map(Value::from).collect::<Vec<Value>>().into()
        }
        "splitlines" => {
            let keeps_ends = bind(&["keepends"], 0)?.value(0).is_some_and(|value| value.is_true());
            limits::items(state, Some(text.matches(LINE_ENDS).count() + 1))?;
            let lines = lines(text, keeps_ends);
            lines.into_iter().map(Value::from).collect::<Vec<Value>>().into()
        }
        "partition" | "rpartition" => {
            let arguments = bind(&["sep"], 1)?;
            let separator = not_empty(arguments.text(0)?)?.unwrap_or_default();
            let halves = if method == "partition" { text.split_once(separator) } else { text.rsplit_once(separator) };
            let whole = if method == "partition" { [text, "", ""] } else { ["", "", text] };
            let parts = halves.map_or(whole, |(before, after)| [before, separator, after]);
            Value::from_object(Tuple(parts.map(Value::from).to_vec()))
        }
        "replace" => {
            let arguments = bind(&["old", "new", "count"], 2)?;
            let (old, new) = (arguments.text(0)?.unwrap_or_default(), arguments.text(1)?.unwrap_or_default());
            Value::from(methods::replace(state, text, old, new, arguments.integer(2)?)?)
        }
        "join" => Value::from(methods::join(state, text, &bind(&["iterable"], 1)?.required(0), true)?),
        "removeprefix" | "removesuffix" => {
            let arguments = bind(&["affix"], 1)?;
            let affix = arguments.text(0)?.unwrap_or_default();
            let rest = if method == "removeprefix" { text.strip_prefix(affix) } else { text.strip_suffix(affix) };
            Value::from(rest.unwrap_or(text))
        }
        "startswith" | "endswith" => {
            let arguments = bind(&["affix", "start", "end"], 1)?;
            let (part, _) = arguments.range(text)?;
            let affix = &arguments.required(0);
            Value::from(match part {
                Some(part) => has_affix(part, method, affix)?,
                None => false,
            })
        }
        "find" | "rfind" | "index" | "rindex" | "count" => {
            let arguments = bind(&["sub", "start", "end"], 1)?;
            let (part, num_before) = arguments.range(text)?;
            let needle = arguments.text(0)?.unwrap_or_default();
            if method == "count" {
                return Ok(Some(Value::from(part.map_or(0, |part| part.matches(needle).count()))));
            }
            let found = part.and_then(|part| {
                let at = if method.starts_with('r') { part.rfind(needle) } else { part.find(needle) };
                at.map(|at| num_before + part[..at].chars().count())
            });
            match found {
                Some(at) => Value::from(at),
                None if method.ends_with("find") => Value::from(-1),
                None => return Err(Error::new(ErrorKind::InvalidOperation, "substring not found")),
            }
        }
        "zfill" | "ljust" | "rjust" | "center" => {
            let arguments = bind(&["width", "fillchar"], 1)?;
            let width = usize::try_from(arguments.integer(0)?.unwrap_or(0)).unwrap_or(0);
            Value::from(methods::pad(state, text, method, width, arguments.text(1)?.unwrap_or(" "))?)
        }
        "format" => format_string::format_fields(state, text, arguments)?,
        _ if method.starts_with("is") => {
            bind(&[], 0)?;
            match is(text, method) {
                Some(answer) => Value::from(answer),
                None => return Ok(None),
            }
        }
        _ => return Ok(None),
    }))
}

/// Arguments in the order of their names.
struct Arguments {
    values: Vec<Option<Value>>,
}

impl Arguments {
    fn bind(method: &str, arguments: &[Value], names: &[&str], num_required: usize) -> Result<Self, Error> {
        let fail = |kind, reason: &str| Err(Error::new(kind, format!("{method}: {reason}")));
        let (positional, named) = match arguments.split_last() {
            Some((last, positional)) if last.is_kwargs() => (positional, Some(Kwargs::try_from(last.clone())?)),
            _ => (arguments, None),
        };
        if positional.len() > names.len() {
            return fail(ErrorKind::TooManyArguments, "too many arguments");
        }
        let mut values: Vec<Option<Value>> = positional.iter().cloned().map(Some).collect();
        values.resize(names.len(), None);
        if let Some(named) = named {
            for (value, name) in values.iter_mut().zip(names) {
                if value.is_none() && named.has(name) {
                    *value = Some(named.get(name)?);
                }
            }
            named.assert_all_used()?;
        }
        if values.iter().take(num_required).any(Option::is_none) {
            return fail(ErrorKind::MissingArgument, "an argument is missing");
        }
        Ok(Self { values })
    }

    fn value(&self, index: usize) -> Option<&Value> {
        self.values.get(index)?.as_ref().filter(|value| !value.is_none())
    }

    fn required(&self, index: usize) -> Value {
        self.value(index).cloned().unwrap_or_default()
    }

    fn text(&self, index: usize) -> Result<Option<&str>, Error> {
        let Some(value) = self.value(index) else { return Ok(None) };
        let reason = || Error::new(ErrorKind::InvalidOperation, format!("a {} is not a string", value.kind()));
        value.as_str().map(Some).ok_or_else(reason)
    }

    fn integer(&self, index: usize) -> Result<Option<i64>, Error> {
        self.value(index).map(|value| i64::try_from(value.clone())).transpose()
    }

    /// The part of `text` between the second argument and the third, and how many characters are before it. `None`: it
    /// begins behind the end.
    fn range<'t>(&self, text: &'t str) -> Result<(Option<&'t str>, usize), Error> {
        if self.value(1).is_none() && self.value(2).is_none() {
            return Ok((Some(text), 0));
        }
        let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        let place = |index: i64| if index < 0 { (index + length).max(0) } else { index };
        let start = place(self.integer(1)?.unwrap_or(0));
        let end = place(self.integer(2)?.unwrap_or(length)).min(length);
        if start > end {
            return Ok((None, 0));
        }
        let byte = |index: i64| {
            let index = usize::try_from(index).unwrap_or(0);
            text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
        };
        Ok((Some(&text[byte(start)..byte(end)]), usize::try_from(start).unwrap_or(0)))
    }
}

fn not_empty(separator: Option<&str>) -> Result<Option<&str>, Error> {
    match separator {
        Some("") => Err(Error::new(ErrorKind::InvalidOperation, "empty separator")),
        _ => Ok(separator),
    }
}

/// The text as the method of this name writes it.
pub(super) fn in_case(text: &str, method: &str) -> String {
    match method {
        "upper" => text.to_uppercase(),
        "lower" => text.to_lowercase(),
        "casefold" => text.to_lowercase().replace('ß', "ss"),
        "swapcase" => text.chars().flat_map(swap_case).collect(),
        "capitalize" => capitalized(text),
        _ => {
            let words = text.split_inclusive(|character: char| !character.is_alphabetic());
            words.map(capitalized).collect()
        }
    }
}

/// The first character large, all others small. What becomes several letters has one large letter: `ß`, `Ss`.
pub(super) fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return String::new() };
    let mut large = first.to_uppercase();
    let head: String = large.next().into_iter().chain(large.flat_map(char::to_lowercase)).collect();
    head + &characters.as_str().to_lowercase()
}

fn swap_case(character: char) -> Vec<char> {
    if character.is_uppercase() { character.to_lowercase().collect() } else { character.to_uppercase().collect() }
}

/// `method` is one of strip, lstrip and rstrip.
pub(super) fn strip<'t>(text: &'t str, method: &str, characters: Option<&str>) -> &'t str {
    let stripped = |character: char| characters.map_or_else(|| is_space(character), |some| some.contains(character));
    match method {
        "lstrip" => text.trim_start_matches(stripped),
        "rstrip" => text.trim_end_matches(stripped),
        _ => text.trim_matches(stripped),
    }
}

/// At most `limit` cuts, from the end if `from_end`.
fn split<'t>(text: &'t str, separator: Option<&str>, limit: usize, from_end: bool) -> Vec<&'t str> {
    let num_parts = limit.saturating_add(1);
    let mut parts: Vec<&str> = match (separator, from_end) {
        (Some(separator), false) => return text.splitn(num_parts, separator).collect(),
        (Some(separator), true) => text.rsplitn(num_parts, separator).collect(),
        (None, false) => {
            let mut rest = text.trim_start_matches(is_space);
            let mut parts = Vec::new();
            while !rest.is_empty() {
                let cut = if parts.len() < limit { rest.find(is_space) } else { None };
                let Some(cut) = cut else {
                    // Without a cut that is left, the white space at the end stays.
                    parts.push(rest);
                    break;
                };
                parts.push(&rest[..cut]);
                rest = rest[cut..].trim_start_matches(is_space);
            }
            return parts;
        }
        (None, true) => {
            let mut rest = text.trim_end_matches(is_space);
            let mut parts = Vec::new();
            while !rest.is_empty() {
                let cut = if parts.len() < limit { rest.char_indices().rfind(|(_, one)| is_space(*one)) } else { None };
                let Some((at, space)) = cut else {
                    parts.push(rest);
                    break;
                };
                parts.push(&rest[at + space.len_utf8()..]);
                rest = rest[..at].trim_end_matches(is_space);
            }
            parts
        }
    };
    parts.reverse();
    parts
}

/// The lines of a text, by all of Python's line ends.
pub(super) fn lines(text: &str, keeps_ends: bool) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(LINE_ENDS) {
        let end = if rest[at..].starts_with("\r\n") {
            at + 2
        } else {
            at + rest[at..].chars().next().map_or(1, char::len_utf8)
        };
        lines.push(&rest[..if keeps_ends { end } else { at }]);
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

fn has_affix(text: &str, method: &str, affix: &Value) -> Result<bool, Error> {
    let has = |affix: &str| if method == "startswith" { text.starts_with(affix) } else { text.ends_with(affix) };
    let fail = || {
        let reason = format!("{method}: expected a string or a tuple of strings, not a {}", affix.kind());
        Error::new(ErrorKind::InvalidOperation, reason)
    };
    match affix.kind() {
        ValueKind::String => Ok(affix.as_str().is_some_and(has)),
        ValueKind::Seq => {
            for one in affix.try_iter()? {
                if has(one.as_str().ok_or_else(fail)?) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Err(fail()),
    }
}

/// What an `is...` method says; `None`: there is no such method here. Nothing is true of an empty text but that it is
/// ASCII.
fn is(text: &str, method: &str) -> Option<bool> {
    let all = |test: fn(char) -> bool| Some(!text.is_empty() && text.chars().all(test));
    match method {
        "isascii" => Some(text.is_ascii()),
        "isspace" => all(is_space),
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isnumeric" | "isdigit" | "isdecimal" => all(char::is_numeric),
        "islower" => Some(text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)),
        "isupper" => Some(text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)),
        _ => None,
    }
}

/// `str(value)` in the case that a filter of this name gives it.
pub(super) fn case_filter(state: &State<'_, '_>, value: &Value, filter: &str) -> Result<Value, Error> {
    let text = python_text::str(state, value)?;
    let written = in_case(&text, filter);
    limits::text(state, Some(written.len()))?;
    // Marked as safe, a text stays so.
    Ok(if value.is_safe() { Value::from_safe_string(written) } else { Value::from(written) })
}
