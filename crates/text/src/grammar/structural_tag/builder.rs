//! Structural tags, vLLM's and XGrammar's way to say "free text, but what follows this tag is JSON of that schema", as a
//! grammar. Both forms are read: the older list of structures and triggers, and the newer tree of formats.

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

use super::fields::{flag, invalid, list_of, optional_count, refuse, string_of, strings_of, unsupported};
use crate::grammar::error::GrammarError;
use crate::grammar::limits::{MAX_NESTING, MAX_RULES};
use crate::grammar::source::JsonOptions;
use crate::grammar::stand_ins::StandIn;
use crate::grammar::{gbnf, json_schema, lark_text, regex};
use crate::tokenizer::Tokenizer;

pub(super) const KIND: &str = "structural tag";

/// The grammar of a structural tag, and what stands in it for texts that no schema describes.
pub(in crate::grammar) fn convert(
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
        tokenizer,
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

pub(super) struct Builder<'a> {
    json: &'a JsonOptions,
    /// Ids and pieces of the tokenizer's special tokens.
    specials: Vec<(i32, String)>,
    tokenizer: &'a Tokenizer,
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
    pub(super) fn formatted(
        &mut self,
        format: &Value,
        place: &str,
        ends: Option<&[String]>,
    ) -> Result<String, GrammarError> {
        self.depth += 1;
        if self.depth > MAX_NESTING || self.num_rules > MAX_RULES {
            let limit = format!("formats more than {MAX_NESTING} deep, or more than {MAX_RULES} rules");
            return Err(GrammarError::TooComplex { kind: KIND, limit });
        }
        let fields = format.as_object().ok_or_else(|| invalid(place, "a format must be an object"))?;
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
        let expression = match kind {
            "const_string" => self.followed(&string_of(fields, "value", place)?, ends),
            "json_schema" => {
                let json_schema::Prepared { schema, stand_ins } = self.schema(fields, place)?;
                self.stand_ins.extend(stand_ins);
                let part = self.part(GrammarWithLexer::from_json_schema(schema));
                self.joined(part, ends)
            }
            "grammar" => {
                let grammar = string_of(fields, "grammar", place)?;
                let is_lark = fields.get("syntax").and_then(Value::as_str) == Some("lark");
                let lark = if is_lark { grammar } else { gbnf::to_lark(&grammar)? };
                let part = self.part(GrammarWithLexer::from_lark(lark));
                self.joined(part, ends)
            }
            "regex" => {
                let pattern = regex::translate(&string_of(fields, "pattern", place)?)?;
                self.up_to(&lark_text::terminal(&pattern), ends)
            }
            "any_text" => self.any_text(fields, place, ends)?,
            "token" => {
                let token = self.token(fields.get("token"), place)?;
                self.joined(token, ends)
            }
            "sequence" => self.sequence(fields, place, ends)?,
            "optional" => {
                let content = self.content(fields, place, ends)?;
                let nothing = self.joined("\"\"".to_owned(), ends);
                format!("({content} | {nothing})")
            }
            "star" => self.repeated(fields, place, (0, None), ends)?,
            "plus" => self.repeated(fields, place, (1, None), ends)?,
            "repeat" => {
                let least = optional_count(fields, "min", place)?.unwrap_or(0);
                let most = match fields.get("max") {
                    Some(value) if value.as_i64() == Some(-1) => None,
                    _ => optional_count(fields, "max", place)?,
                };
                self.repeated(fields, place, (least, most), ends)?
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
                let tag = match fields.get("begin") {
                    Some(Value::Object(token)) => {
                        let begin = self.token(token.get("token"), place)?;
                        let rest = self.tag_behind(fields, "", 0, place)?;
                        format!("({begin} {rest})")
                    }
                    _ => {
                        let begin = string_of(fields, "begin", place)?;
                        self.tag_behind(fields, &begin, 0, place)?
                    }
                };
                self.joined(tag, ends)
            }
            "triggered_tags" => self.triggered(fields, place, ends)?,
            "dispatch" => self.dispatch(fields, place, ends)?,
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

    /// The schema of a format that writes JSON.
    fn schema(&self, fields: &Map<String, Value>, place: &str) -> Result<json_schema::Prepared, GrammarError> {
        let schema = fields.get("json_schema").ok_or_else(|| invalid(place, "json_schema is missing"))?;
        if fields.get("style").and_then(Value::as_str).is_some_and(|style| style != "json") {
            return Err(unsupported(place, "style"));
        }
        refuse(fields, &["excludes"], place)?;
        match optional_count(fields, "max_whitespace_cnt", place)? {
            None => json_schema::prepare_value(schema, self.json),
            Some(most) => {
                let pattern = format!("[ \\t\\n\\r]{{0,{most}}}");
                let json = JsonOptions { whitespace_pattern: Some(pattern), ..self.json.clone() };
                json_schema::prepare_value(schema, &json)
            }
        }
    }

    fn content(
        &mut self,
        fields: &Map<String, Value>,
        place: &str,
        ends: Option<&[String]>,
    ) -> Result<String, GrammarError> {
        let content = fields.get("content").ok_or_else(|| invalid(place, "content is missing"))?;
        self.formatted(content, &format!("{place}/content"), ends)
    }

    fn repeated(
        &mut self,
        fields: &Map<String, Value>,
        place: &str,
        (least, most): (u64, Option<u64>),
        ends: Option<&[String]>,
    ) -> Result<String, GrammarError> {
        if most.is_some_and(|most| most < least) {
            return Err(invalid(place, "max must not be less than min"));
        }
        if most.unwrap_or(least) > MAX_RULES as u64 {
            let limit = format!("more than {MAX_RULES} repetitions");
            return Err(GrammarError::TooComplex { kind: KIND, limit });
        }
        let content = self.content(fields, place, None)?;
        // By a name, which is written once.
        let content = self.rule(&content);
        let repeated = match most {
            None if least == 0 => format!("{content}*"),
            None if least == 1 => format!("{content}+"),
            None => format!("{content}{{{least},}}"),
            Some(0) => "\"\"".to_owned(),
            Some(most) => format!("{content}{{{least},{most}}}"),
        };
        Ok(self.joined(repeated, ends))
    }

    /// One token, by its id or its piece.
    fn token(&self, token: Option<&Value>, place: &str) -> Result<String, GrammarError> {
        let id = match token {
            Some(Value::String(piece)) => self.tokenizer.piece_to_id(piece),
            Some(value) => value.as_u64().and_then(|id| i32::try_from(id).ok()),
            None => None,
        };
        match id.filter(|id| self.tokenizer.id_to_piece(*id).is_some()) {
            Some(id) => Ok(format!("<[{id}]>")),
            None => Err(invalid(place, "token must be the id or the text of a token of the vocabulary")),
        }
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
    pub(super) fn tag_behind(
        &mut self,
        tag: &Map<String, Value>,
        begin: &str,
        done: usize,
        place: &str,
    ) -> Result<String, GrammarError> {
        let content = tag.get("content").ok_or_else(|| invalid(place, "content is missing"))?;
        let ends = match tag.get("end") {
            Some(Value::Array(_)) => strings_of(tag, "end", place)?,
            Some(Value::Object(token)) => {
                let end = self.token(token.get("token"), place)?;
                let content = self.formatted(content, &format!("{place}/content"), None)?;
                let rest = self.literal(&begin[done..]);
                return Ok(format!("({rest} {content} {end})"));
            }
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

    pub(super) fn followed(&mut self, text: &str, ends: Option<&[String]>) -> String {
        let expression = self.literal(text);
        self.joined(expression, ends)
    }

    pub(super) fn joined(&mut self, expression: String, ends: Option<&[String]>) -> String {
        let Some(ends) = ends else { return expression };
        let ends: Vec<String> = ends.iter().map(|end| self.literal(end)).collect();
        format!("({expression} ({}))", ends.join(" | "))
    }

    /// Text as text, or with the special tokens that are in it.
    pub(super) fn literal(&self, text: &str) -> String {
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
    pub(super) fn special(&self, text: &str) -> Option<(i32, usize)> {
        let matching = self.specials.iter().filter(|(_, piece)| text.starts_with(piece.as_str()));
        matching.map(|(id, piece)| (*id, piece.len())).max_by_key(|(_, length)| *length)
    }

    pub(super) fn rule(&mut self, body: &str) -> String {
        let name = format!("r{}", self.num_rules);
        self.define(&name, body);
        name
    }

    /// A terminal that is over as soon as it can be.
    pub(super) fn lazy(&mut self, body: &str) -> String {
        let name = format!("r{}", self.num_rules);
        self.define(&format!("{name}[lazy]"), body);
        name
    }

    pub(super) fn terminal(&mut self, body: &str) -> String {
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
