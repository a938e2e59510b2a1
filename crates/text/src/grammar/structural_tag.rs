//! Structural tags, vLLM's and XGrammar's way to say "free text, but what follows this tag is JSON of that schema", as a
//! grammar. Both forms are read: the older list of structures and triggers, and the newer tree of formats.

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

use super::error::GrammarError;
use super::limits::{MAX_NESTING, MAX_RULES};
use super::source::JsonOptions;
use super::stand_ins::StandIn;
use super::{gbnf, json_schema, lark_text, regex};
use crate::tokenizer::Tokenizer;

const KIND: &str = "structural tag";

/// The grammar of a structural tag, and what stands in it for texts that no schema describes.
pub(super) fn convert(
    text: &str,
    json: &JsonOptions,
    tokenizer: &Tokenizer,
) -> Result<(TopLevelGrammar, Vec<StandIn>), GrammarError> {
    let root: Value = serde_json::from_str(text).map_err(|error| invalid("", error.to_string()))?;
    let pieces = tokenizer.special_ids().into_iter().filter_map(|id| Some((id, tokenizer.id_to_piece(id)?)));
    let specials = pieces.filter(|(_, piece)| !piece.is_empty()).collect();
    let mut builder = Builder {
        json,
        specials,
        rules: String::new(),
        num_rules: 0,
        parts: Vec::new(),
        stand_ins: Vec::new(),
        depth: 0,
    };
    let (format, place) = match (root.get("format"), root.get("structures")) {
        (Some(format), None) => (format.clone(), "/format"),
        (None, Some(structures)) => (from_structures(&root, structures)?, ""),
        _ => return Err(invalid("", "it must have `format`, or `structures` and `triggers`")),
    };
    let start = builder.format(&format, place)?;
    let lark = format!("start: {start}\n{}", builder.rules);
    let mut grammars = vec![GrammarWithLexer::from_lark(lark)];
    grammars.append(&mut builder.parts);
    Ok((TopLevelGrammar { grammars, max_tokens: None }, builder.stand_ins))
}

/// The older form in the words of the newer.
fn from_structures(root: &Value, structures: &Value) -> Result<Value, GrammarError> {
    let structures = structures.as_array().ok_or_else(|| invalid("/structures", "it must be a list"))?;
    let tags: Vec<Value> = structures
        .iter()
        .map(|structure| {
            let content =
                json!({ "type": "json_schema", "json_schema": structure.get("schema").unwrap_or(&json!(true)) });
            json!({ "type": "tag", "begin": structure.get("begin"), "content": content, "end": structure.get("end") })
        })
        .collect();
    Ok(json!({ "type": "triggered_tags", "triggers": root.get("triggers"), "tags": tags }))
}

struct Builder<'a> {
    json: &'a JsonOptions,
    /// Ids and pieces of the tokenizer's special tokens.
    specials: Vec<(i32, String)>,
    /// Lark, beside `start`.
    rules: String,
    num_rules: usize,
    /// Schemas and grammars that the rules refer to.
    parts: Vec<GrammarWithLexer>,
    stand_ins: Vec<StandIn>,
    depth: usize,
}

impl Builder<'_> {
    /// An expression of Lark for what matches `format`.
    fn format(&mut self, format: &Value, place: &str) -> Result<String, GrammarError> {
        self.formatted(format, place, None)
    }

    /// The same, and then one of `ends`.
    fn formatted(&mut self, format: &Value, place: &str, ends: Option<&[String]>) -> Result<String, GrammarError> {
        self.depth += 1;
        if self.depth > MAX_NESTING || self.num_rules > MAX_RULES {
            let limit = format!("formats more than {MAX_NESTING} deep, or more than {MAX_RULES} rules");
            return Err(GrammarError::TooComplex { kind: KIND, limit });
        }
        let fields = format.as_object().ok_or_else(|| invalid(place, "a format must be an object"))?;
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
        let expression = match kind {
            "const_string" => self.followed(literal_of(fields, "value", place)?, ends),
            "json_schema" => {
                let schema = fields.get("json_schema").ok_or_else(|| invalid(place, "json_schema is missing"))?;
                let json_schema::Prepared { schema, stand_ins } = json_schema::prepare_value(schema, self.json)?;
                self.stand_ins.extend(stand_ins);
                let part = self.part(GrammarWithLexer::from_json_schema(schema));
                self.joined(part, ends)
            }
            "grammar" => {
                let grammar = string_of(fields, "grammar", place)?;
                let lark = gbnf::to_lark(&grammar)?;
                let part = self.part(GrammarWithLexer::from_lark(lark));
                self.joined(part, ends)
            }
            "regex" => {
                let pattern = regex::translate(&string_of(fields, "pattern", place)?)?;
                self.up_to(&lark_text::terminal(&pattern), ends)
            }
            "any_text" => self.up_to("/(?s:.*)/", ends),
            "sequence" => {
                let elements = list_of(fields, "elements", place)?;
                let mut parts = Vec::new();
                for (index, element) in elements.iter().enumerate() {
                    let is_last = index + 1 == elements.len();
                    if !is_last && element.get("type").and_then(Value::as_str) == Some("any_text") {
                        return Err(unsupported(place, "any_text before other elements of a sequence"));
                    }
                    let place = format!("{place}/elements/{index}");
                    parts.push(self.formatted(element, &place, ends.filter(|_| is_last))?);
                }
                format!("({})", parts.join(" "))
            }
            "or" => {
                let elements = list_of(fields, "elements", place)?;
                let parts = elements
                    .iter()
                    .enumerate()
                    .map(|(index, element)| self.formatted(element, &format!("{place}/elements/{index}"), ends));
                let parts = parts.collect::<Result<Vec<_>, _>>()?;
                format!("({})", parts.join(" | "))
            }
            "tag" => {
                let begin = string_of(fields, "begin", place)?;
                let tag = self.tag_behind(fields, &begin, 0, place)?;
                self.joined(tag, ends)
            }
            "triggered_tags" => self.triggered(fields, place, ends)?,
            "tags_with_separator" => {
                let tags = self.tags(fields, place)?;
                let separator = self.literal(&string_of(fields, "separator", place)?);
                let once = flag(fields, "stop_after_first");
                let repeated = if once { tags } else { format!("{tags} ({separator} {tags})*") };
                let whole =
                    if flag(fields, "at_least_one") { format!("({repeated})") } else { format!("[{repeated}]") };
                self.joined(whole, ends)
            }
            "" => return Err(invalid(place, "a format must have a type")),
            other => return Err(unsupported(place, other)),
        };
        self.depth -= 1;
        Ok(expression)
    }

    /// Free text in which each trigger begins one of its tags.
    fn triggered(
        &mut self,
        fields: &Map<String, Value>,
        place: &str,
        ends: Option<&[String]>,
    ) -> Result<String, GrammarError> {
        let triggers = strings_of(fields, "triggers", place)?;
        let tags = list_of(fields, "tags", place)?;
        let mut stops = triggers.clone();
        stops.extend(ends.into_iter().flatten().cloned());
        let free = self.text_without(&stops);
        let mut segments = Vec::new();
        let mut num_tagged = 0;
        for trigger in &triggers {
            let mut alternatives = Vec::new();
            for (index, tag) in tags.iter().enumerate() {
                let place = format!("{place}/tags/{index}");
                let tag = tag.as_object().ok_or_else(|| invalid(&place, "a tag must be an object"))?;
                let begin = string_of(tag, "begin", &place)?;
                if begin.starts_with(trigger.as_str()) {
                    alternatives.push(self.tag_behind(tag, &begin, trigger.len(), &place)?);
                    num_tagged += 1;
                }
            }
            if alternatives.is_empty() {
                return Err(invalid(place, format!("no tag begins with the trigger {trigger:?}")));
            }
            // A special token is no text: it stands behind the text as itself.
            let opening = match self.special(trigger) {
                Some((id, length)) => {
                    let rest = lark_text::string(&trigger[length..]);
                    format!("{free} <[{id}]> {rest}")
                }
                None => self.lazy(&format!("{free} {}", lark_text::string(trigger))),
            };
            segments.push(format!("{opening} ({})", alternatives.join(" | ")));
        }
        if num_tagged < tags.len() {
            return Err(invalid(place, "a tag's begin must start with one of the triggers"));
        }
        let segment = self.rule(&segments.join(" | "));
        let rest = match ends {
            None => free,
            Some(ends) => {
                let parts: Vec<String> =
                    ends.iter().map(|end| self.lazy(&format!("{free} {}", lark_text::string(end)))).collect();
                format!("({})", parts.join(" | "))
            }
        };
        Ok(match (flag(fields, "at_least_one"), flag(fields, "stop_after_first")) {
            (false, false) => format!("({segment}* {rest})"),
            (true, false) => format!("({segment}+ {rest})"),
            (true, true) => self.joined(segment, ends),
            (false, true) => {
                let stopped = self.joined(segment, ends);
                format!("({stopped} | {rest})")
            }
        })
    }

    fn tags(&mut self, fields: &Map<String, Value>, place: &str) -> Result<String, GrammarError> {
        let mut alternatives = Vec::new();
        for (index, tag) in list_of(fields, "tags", place)?.iter().enumerate() {
            let place = format!("{place}/tags/{index}");
            let tag = tag.as_object().ok_or_else(|| invalid(&place, "a tag must be an object"))?;
            let begin = string_of(tag, "begin", &place)?;
            alternatives.push(self.tag_behind(tag, &begin, 0, &place)?);
        }
        Ok(self.rule(&alternatives.join(" | ")))
    }

    /// A tag without the first `done` bytes of its begin.
    fn tag_behind(
        &mut self,
        tag: &Map<String, Value>,
        begin: &str,
        done: usize,
        place: &str,
    ) -> Result<String, GrammarError> {
        let content = tag.get("content").ok_or_else(|| invalid(place, "content is missing"))?;
        let ends = match tag.get("end") {
            Some(Value::Array(_)) => strings_of(tag, "end", place)?,
            _ => vec![string_of(tag, "end", place)?],
        };
        let place = format!("{place}/content");
        let content = if ends.iter().any(String::is_empty) {
            self.formatted(content, &place, None)?
        } else {
            self.formatted(content, &place, Some(&ends))?
        };
        let rest = self.literal(&begin[done..]);
        Ok(format!("({rest} {content})"))
    }

    fn followed(&mut self, text: String, ends: Option<&[String]>) -> String {
        let expression = self.literal(&text);
        self.joined(expression, ends)
    }

    fn joined(&mut self, expression: String, ends: Option<&[String]>) -> String {
        let Some(ends) = ends else { return expression };
        let ends: Vec<String> = ends.iter().map(|end| self.literal(end)).collect();
        format!("({expression} ({}))", ends.join(" | "))
    }

    /// What matches `terminal`, up to the first of `ends`.
    fn up_to(&mut self, terminal: &str, ends: Option<&[String]>) -> String {
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

    /// Text as text, or with the special tokens that are in it.
    fn literal(&self, text: &str) -> String {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut num_special = 0;
        while let Some((at, id, length)) = self.first_special(rest) {
            if at > 0 {
                pieces.push(lark_text::string(&rest[..at]));
            }
            pieces.push(format!("<[{id}]>"));
            rest = &rest[at + length..];
            num_special += 1;
        }
        let plain = lark_text::string(text);
        if num_special == 0 {
            return plain;
        }
        if !rest.is_empty() {
            pieces.push(lark_text::string(rest));
        }
        format!("({} | {plain})", pieces.join(" "))
    }

    /// The first special token in `text`, of those that begin there the longest: its place, id and length.
    fn first_special(&self, text: &str) -> Option<(usize, i32, usize)> {
        text.char_indices().find_map(|(at, _)| self.special(&text[at..]).map(|(id, length)| (at, id, length)))
    }

    /// The longest special token that `text` begins with: its id and length.
    fn special(&self, text: &str) -> Option<(i32, usize)> {
        let matching = self.specials.iter().filter(|(_, piece)| text.starts_with(piece.as_str()));
        matching.map(|(id, piece)| (*id, piece.len())).max_by_key(|(_, length)| *length)
    }

    fn text_without(&mut self, stops: &[String]) -> String {
        let stops: Vec<String> = stops.iter().map(|stop| lark_text::string(stop)).collect();
        self.terminal(&format!("/(?s:.*)/ & ~(/(?s:.*)/ ({}) /(?s:.*)/)", stops.join(" | ")))
    }

    fn rule(&mut self, body: &str) -> String {
        let name = format!("r{}", self.num_rules);
        self.define(&name, body);
        name
    }

    /// A terminal that is over as soon as it can be.
    fn lazy(&mut self, body: &str) -> String {
        let name = format!("r{}", self.num_rules);
        self.define(&format!("{name}[lazy]"), body);
        name
    }

    fn terminal(&mut self, body: &str) -> String {
        let name = format!("T{}", self.num_rules);
        self.define(&name, body);
        name
    }

    fn define(&mut self, head: &str, body: &str) {
        self.num_rules += 1;
        let _ = writeln!(self.rules, "{head}: {body}");
    }

    fn part(&mut self, grammar: GrammarWithLexer) -> String {
        let name = format!("part{}", self.parts.len());
        self.parts.push(GrammarWithLexer { name: Some(name.clone()), ..grammar });
        format!("@{name}")
    }
}

fn flag(fields: &Map<String, Value>, name: &str) -> bool {
    fields.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn literal_of(fields: &Map<String, Value>, name: &str, place: &str) -> Result<String, GrammarError> {
    string_of(fields, name, place)
}

fn string_of(fields: &Map<String, Value>, name: &str, place: &str) -> Result<String, GrammarError> {
    let text = fields.get(name).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| invalid(place, format!("{name} must be a string")))
}

fn list_of<'v>(fields: &'v Map<String, Value>, name: &str, place: &str) -> Result<&'v [Value], GrammarError> {
    let list = fields.get(name).and_then(Value::as_array).filter(|list| !list.is_empty());
    list.map(Vec::as_slice).ok_or_else(|| invalid(place, format!("{name} must be a list of at least one")))
}

fn strings_of(fields: &Map<String, Value>, name: &str, place: &str) -> Result<Vec<String>, GrammarError> {
    let list = list_of(fields, name, place)?;
    let strings: Option<Vec<String>> =
        list.iter().map(|item| item.as_str().filter(|text| !text.is_empty()).map(str::to_owned)).collect();
    strings.ok_or_else(|| invalid(place, format!("{name} must be a list of strings that are not empty")))
}

fn invalid(place: &str, reason: impl Into<String>) -> GrammarError {
    GrammarError::Invalid { kind: KIND, place: place.to_owned(), reason: reason.into() }
}

fn unsupported(place: &str, keyword: &str) -> GrammarError {
    GrammarError::Unsupported {
        kind: KIND,
        keyword: keyword.to_owned(),
        place: place.to_owned(),
        reason: String::new(),
    }
}
