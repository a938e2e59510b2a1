//! Formats that are free text until something begins: `any_text`, `triggered_tags` and `dispatch`; and
//! sequences, which say what that is.

use serde_json::{Map, Value};

use super::builder::{Builder, KIND};
use super::fields::{
    flag, invalid, list_of, optional_count, optional_strings, refuse, string_of, strings_of, unsupported,
};
use crate::grammar::error::GrammarError;
use crate::grammar::lark_text;
use crate::grammar::limits::MAX_REPETITIONS;

const ANY: &str = "/(?s:.*)/";

impl Builder<'_> {
    /// Any text, without some strings and no longer than it may be.
    pub(super) fn any_text(
        &mut self,
        fields: &Map<String, Value>,
        place: &str,
        ends: Option<&[String]>,
    ) -> Result<String, GrammarError> {
        refuse(fields, &["max_tokens"], place)?;
        let excluded = optional_strings(fields, "excludes", place)?;
        let most = optional_count(fields, "max_chars", place)?;
        if most.is_some_and(|most| most > u64::from(MAX_REPETITIONS)) {
            let limit = format!("max_chars above {MAX_REPETITIONS}");
            return Err(GrammarError::TooComplex { kind: KIND, limit });
        }
        let text = most.map_or_else(|| ANY.to_owned(), |most| format!("/(?s:.{{0,{most}}})/"));
        if excluded.is_empty() {
            return Ok(self.up_to(&text, ends));
        }
        let text = self.without(&text, &excluded);
        Ok(self.up_to(&text, ends))
    }

    /// Free text in which each trigger begins one of its tags.
    pub(super) fn triggered(
        &mut self,
        fields: &Map<String, Value>,
        place: &str,
        ends: Option<&[String]>,
    ) -> Result<String, GrammarError> {
        let triggers = strings_of(fields, "triggers", place)?;
        let tags = list_of(fields, "tags", place)?;
        let free = self.free(fields, &triggers, place, ends)?;
        let (mut segments, mut whole) = (Vec::new(), Vec::new());
        let mut has_trigger = vec![false; tags.len()];
        let is_first = flag(fields, "at_least_one");
        for trigger in &triggers {
            let mut alternatives = Vec::new();
            for (index, tag) in tags.iter().enumerate() {
                let place = format!("{place}/tags/{index}");
                let tag = tag.as_object().ok_or_else(|| invalid(&place, "a tag must be an object"))?;
                let begin = string_of(tag, "begin", &place)?;
                if begin.starts_with(trigger.as_str()) {
                    alternatives.push(self.tag_behind(tag, &begin, trigger.len(), &place)?);
                    has_trigger[index] = true;
                }
            }
            if alternatives.is_empty() {
                return Err(invalid(place, format!("no tag begins with the trigger {trigger:?}")));
            }
            let alternatives = self.rule(&alternatives.join(" | "));
            segments.push(format!("{} {alternatives}", self.opening(&free, trigger)));
            whole.push(format!("{} {alternatives}", self.literal(trigger)));
        }
        if has_trigger.contains(&false) {
            return Err(invalid(place, "a tag's begin must start with one of the triggers"));
        }
        // At least one: then it comes first.
        let first = is_first.then_some(whole);
        Ok(self.segments(&segments, first, flag(fields, "stop_after_first"), &free, ends))
    }

    /// Free text in which what is behind each of some strings is of a format.
    pub(super) fn dispatch(
        &mut self,
        fields: &Map<String, Value>,
        place: &str,
        ends: Option<&[String]>,
    ) -> Result<String, GrammarError> {
        let mut rules = Vec::new();
        for (index, rule) in list_of(fields, "rules", place)?.iter().enumerate() {
            let place = format!("{place}/rules/{index}");
            match rule.as_array().map(Vec::as_slice) {
                Some([Value::String(pattern), format]) if !pattern.is_empty() => rules.push((pattern, format, place)),
                _ => return Err(invalid(&place, "a rule must be a string that is not empty, and a format")),
            }
        }
        let patterns: Vec<String> = rules.iter().map(|(pattern, ..)| (*pattern).clone()).collect();
        let free = self.free(fields, &patterns, place, ends)?;
        let mut segments = Vec::new();
        for (pattern, format, place) in rules {
            let content = self.formatted(format, &place, None)?;
            segments.push(format!("{} {content}", self.opening(&free, pattern)));
        }
        let is_once = fields.get("loop") == Some(&Value::Bool(false));
        Ok(self.segments(&segments, None, is_once, &free, ends))
    }

    /// One format behind the other. Free text goes on until what is behind it begins.
    pub(super) fn sequence(
        &mut self,
        fields: &Map<String, Value>,
        place: &str,
        ends: Option<&[String]>,
    ) -> Result<String, GrammarError> {
        let elements = list_of(fields, "elements", place)?;
        let text = |element: &Value, name: &str| element.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut parts = Vec::new();
        let mut index = 0;
        while let Some(element) = elements.get(index) {
            let here = format!("{place}/elements/{index}");
            let kind = text(element, "type").unwrap_or_default();
            let is_free = ["any_text", "triggered_tags", "dispatch"].contains(&kind.as_str());
            index += 1;
            let Some(next) = elements.get(index) else {
                parts.push(self.formatted(element, &here, ends)?);
                break;
            };
            let begin = match text(next, "type").as_deref() {
                Some("const_string") => text(next, "value"),
                Some("tag") => text(next, "begin"),
                _ => None,
            };
            let Some(begin) = begin.filter(|begin| is_free && !begin.is_empty()) else {
                if kind == "any_text" {
                    return Err(unsupported(place, "any_text before other elements of a sequence"));
                }
                parts.push(self.formatted(element, &here, None)?);
                continue;
            };
            let length = begin.len();
            parts.push(self.formatted(element, &here, Some(std::slice::from_ref(&begin)))?);
            let here = format!("{place}/elements/{index}");
            index += 1;
            let ends = ends.filter(|_| index == elements.len());
            let is_tag = text(next, "type").as_deref() == Some("tag");
            parts.push(match next.as_object().filter(|_| is_tag) {
                Some(tag) => {
                    let tag = self.tag_behind(tag, &begin, length, &here)?;
                    self.joined(tag, ends)
                }
                None => self.followed("", ends),
            });
        }
        Ok(format!("({})", parts.join(" ")))
    }

    /// Segments, the first as it must begin if there is one that must, and the free text behind the last.
    fn segments(
        &mut self,
        segments: &[String],
        first: Option<Vec<String>>,
        is_once: bool,
        free: &str,
        ends: Option<&[String]>,
    ) -> String {
        let segment = self.rule(&segments.join(" | "));
        let rest = match ends {
            None => free.to_owned(),
            Some(ends) => {
                let parts: Vec<String> = ends.iter().map(|end| self.opening(free, end)).collect();
                format!("({})", parts.join(" | "))
            }
        };
        match (first, is_once) {
            (None, false) => format!("({segment}* {rest})"),
            (None, true) => {
                let stopped = self.joined(segment, ends);
                format!("({stopped} | {rest})")
            }
            (Some(first), is_once) => {
                let first = self.rule(&first.join(" | "));
                if is_once { self.joined(first, ends) } else { format!("({first} {segment}* {rest})") }
            }
        }
    }

    /// Free text without what ends or interrupts it, and what `excludes` names.
    fn free(
        &mut self,
        fields: &Map<String, Value>,
        stops: &[String],
        place: &str,
        ends: Option<&[String]>,
    ) -> Result<String, GrammarError> {
        let mut all = stops.to_vec();
        all.extend(ends.into_iter().flatten().cloned());
        all.extend(optional_strings(fields, "excludes", place)?);
        Ok(self.without(ANY, &all))
    }

    /// Free text, and the string behind it. A special token is no text: it stands behind the text as itself.
    fn opening(&mut self, free: &str, text: &str) -> String {
        match self.special(text) {
            Some((id, length)) => format!("{free} <[{id}]> {}", lark_text::string(&text[length..])),
            None => self.lazy(&format!("{free} {}", lark_text::string(text))),
        }
    }

    /// What matches `terminal`, up to the first of `ends`.
    pub(super) fn up_to(&mut self, terminal: &str, ends: Option<&[String]>) -> String {
        let Some(ends) = ends else { return self.terminal(terminal) };
        let mut parts = Vec::new();
        for end in ends {
            parts.push(match self.special(end) {
                Some((id, length)) => {
                    let body = self.terminal(terminal);
                    format!("({body} <[{id}]> {})", lark_text::string(&end[length..]))
                }
                None => {
                    let whole = format!("{terminal} {}", lark_text::string(end));
                    self.lazy(&whole)
                }
            });
        }
        format!("({})", parts.join(" | "))
    }

    /// What matches `text` and has none of `stops` within.
    fn without(&mut self, text: &str, stops: &[String]) -> String {
        let stops: Vec<String> = stops.iter().map(|stop| lark_text::string(stop)).collect();
        self.terminal(&format!("{text} & ~({ANY} ({}) {ANY})", stops.join(" | ")))
    }
}
