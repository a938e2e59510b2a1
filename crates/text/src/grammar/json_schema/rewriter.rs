//! The walk over a schema: each part is checked and written anew, references point into one list of definitions.

use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::decimal_multiples::Multiples as DecimalMultiples;
use super::equivalents::Equivalents;
use super::formats::{self, Format};
use super::keywords::{self, Keyword};
use super::negation::any_of;
use super::numbers::{self, Decimals, Multiples};
use super::prepare::{invalid, too_complex, unsupported};
use super::property_counts::{self, Properties};
use super::references::{References, escape};
use super::sorted_lists::Spacing;
use super::{assertions, conjunctions, definitions, disjoint, dynamic_references, search_patterns, standing_alone};
use crate::grammar::error::GrammarError;
use crate::grammar::limits::{
    COMPLEMENT_PARTS, MAX_BRANCHES, MAX_LISTED_VALUES, MAX_PATTERN_BYTES, MAX_PATTERNS, MAX_PROPERTIES, MAX_SCHEMAS,
    MAX_STAND_INS,
};
use crate::grammar::regex;
use crate::grammar::source::JsonOptions;
use crate::grammar::stand_ins::{MARK, StandIn, Texts};

const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

struct Rewriter<'a> {
    references: References<'a>,
    options: &'a JsonOptions,
    /// `$schema` names a draft before 2020-12: `prefixItems` means nothing.
    is_old_draft: bool,
    multiples: Multiples,
    num_schemas: usize,
    /// Values that `enum` and `const` list, with their parts.
    num_listed: usize,
    num_patterns: usize,
    num_pattern_bytes: usize,
    /// Numbers of definitions by the pointers of their originals.
    numbers: HashMap<String, usize>,
    waiting: VecDeque<String>,
    stand_ins: Vec<StandIn>,
}

/// The schema, and what stands in it for texts that no schema describes.
pub(super) fn rewrite(root: &Value, options: &JsonOptions) -> Result<(Value, Vec<StandIn>), GrammarError> {
    let root = &*dynamic_references::resolved(root);
    let dialect = root.get("$schema").and_then(Value::as_str).unwrap_or_default();
    let mut rewriter = Rewriter {
        references: References::new(root),
        options,
        is_old_draft: ["draft-03", "draft-04", "draft-06", "draft-07", "2019-09"].iter().any(|d| dialect.contains(d)),
        multiples: Multiples::new(),
        num_schemas: 0,
        num_listed: 0,
        num_patterns: 0,
        num_pattern_bytes: 0,
        numbers: HashMap::new(),
        waiting: VecDeque::new(),
        stand_ins: Vec::new(),
    };
    let mut rewritten = rewriter.schema(root, "")?;
    let mut definitions = Vec::new();
    while let Some(pointer) = rewriter.waiting.pop_front() {
        let original = rewriter.references.get(&pointer).unwrap_or(&Value::Null);
        definitions.push(rewriter.schema(original, &pointer)?);
    }
    definitions::check(&rewritten, &definitions)?;
    conjunctions::check(&rewritten, &definitions)?;
    let stand_ins = rewriter.stand_ins;
    if !stand_ins.is_empty() {
        standing_alone::check(&rewritten, &definitions, &stand_ins)?;
    }
    if let Value::Object(root) = &mut rewritten
        && !(definitions.is_empty() && stand_ins.is_empty())
    {
        let named = definitions.into_iter().enumerate().map(|(number, schema)| (number.to_string(), schema));
        let stand_ins = stand_ins.iter().enumerate();
        let standing = stand_ins.map(|(number, it)| (format!("text{number}"), json!({ "const": it.string })));
        root.insert("$defs".to_owned(), Value::Object(named.chain(standing).collect()));
    }
    Ok((rewritten, stand_ins))
}

/// Types of values that a schema may have, as its `type` says.
struct Types<'a>(Option<Vec<&'a str>>);

impl Types<'_> {
    fn has(&self, name: &str) -> bool {
        self.0
            .as_ref()
            .is_none_or(|names| names.iter().any(|given| *given == name || (name == "number" && *given == "integer")))
    }
}

impl Rewriter<'_> {
    fn schema(&mut self, schema: &Value, place: &str) -> Result<Value, GrammarError> {
        self.num_schemas += 1;
        if self.num_schemas > MAX_SCHEMAS {
            return Err(too_complex(format!("more than {MAX_SCHEMAS} schemas")));
        }
        let fields = match schema {
            Value::Bool(_) => return Ok(schema.clone()),
            Value::Object(fields) => fields,
            _ => return Err(invalid(place, "a schema must be an object or a boolean")),
        };
        let types = types(fields, place)?;
        let mut out = Map::new();
        let mut all_of = Vec::new();
        let (mut has_numbers, mut lists) = (false, None);
        for (name, value) in fields {
            let applies = keywords::type_of(name).is_none_or(|name| types.has(name));
            if !applies {
                continue;
            }
            match keywords::of(name) {
                Keyword::Annotation => {}
                Keyword::Count => {
                    out.insert(name.clone(), json!(count(name, value, place)?));
                }
                Keyword::Derived => {
                    if self.has_effect(name, value, fields) {
                        let equivalents = Equivalents { references: &self.references, fields, place };
                        match equivalents.of(name, value) {
                            Ok(equal) => all_of.push(self.schema(&equal, place)?),
                            Err(refusal) => {
                                lists = Some(equivalents.sorted_lists(name, self.spacing()).ok_or(refusal)?);
                            }
                        }
                    }
                }
                Keyword::Rule if keywords::type_of(name) == Some("number") => has_numbers = true,
                Keyword::Rule => self.rule(name, value, fields, &types, place, &mut out, &mut all_of)?,
            }
        }
        let names_numbers = types.0.is_some() && types.has("number");
        let mut decimals = None;
        if has_numbers || names_numbers {
            let lists_values = fields.contains_key("enum") || fields.contains_key("const");
            let context = numbers::Context {
                only_integers: types.0.as_ref().is_some_and(|names| !names.contains(&"number")),
                wants_bounds: names_numbers && !lists_values,
                lists_values,
            };
            decimals = numbers::rewrite(fields, context, &mut self.multiples, place, &mut out)?;
        }
        let closes = self.options.disable_additional_properties
            && (out.contains_key("properties") || out.contains_key("patternProperties"))
            && !out.contains_key("additionalProperties");
        if closes {
            out.insert("additionalProperties".to_owned(), json!(false));
        }
        property_counts(&mut out, place, &mut all_of)?;
        match (decimals, lists) {
            (None, None) => {}
            (Some(decimals), None) => self.decimals(decimals, &types, &mut out, &mut all_of)?,
            (None, Some(pattern)) => {
                let mut hasher = DefaultHasher::new();
                pattern.hash(&mut hasher);
                let string = format!("{MARK}lists:{:x}:{}", hasher.finish(), pattern.len());
                let texts = Texts { pattern, multiple_of: None };
                let lists = self.stand_in(StandIn { string, texts, keyword: "uniqueItems" })?;
                instead_of("array", lists, &types, &mut out, &mut all_of);
            }
            (Some(_), Some(_)) => return Err(unsupported(place, "uniqueItems", "beside multipleOf of a decimal")),
        }
        if !all_of.is_empty() {
            match out.get_mut("allOf").and_then(Value::as_array_mut) {
                Some(given) => given.append(&mut all_of),
                None => {
                    out.insert("allOf".to_owned(), Value::Array(all_of));
                }
            }
        }
        Ok(Value::Object(out))
    }

    fn rule(
        &mut self,
        name: &str,
        value: &Value,
        fields: &Map<String, Value>,
        types: &Types<'_>,
        place: &str,
        out: &mut Map<String, Value>,
        all_of: &mut Vec<Value>,
    ) -> Result<(), GrammarError> {
        let here = format!("{place}/{}", escape(name));
        let rewritten = match name {
            "type" => match &types.0 {
                Some(names) if names.len() == 1 => json!(names[0]),
                names => json!(names),
            },
            "const" => self.listed(name, value, place)?,
            "enum" => match value.as_array() {
                Some(values) if !values.is_empty() => self.listed(name, value, place)?,
                _ => return Err(invalid(place, "enum must be a list of at least one value")),
            },
            "$ref" => {
                let reference = value.as_str().ok_or_else(|| invalid(place, "$ref must be a string"))?;
                let pointer = self.references.resolve(reference, place)?;
                json!(format!("#/$defs/{}", self.definition(pointer)))
            }
            "allOf" | "anyOf" => Value::Array(self.schemas(name, value, place)?),
            "oneOf" => {
                let branches = self.schemas(name, value, place)?;
                let given = value.as_array().map(Vec::as_slice).unwrap_or_default();
                if given.len() > MAX_BRANCHES {
                    return Err(too_complex(format!("more than {MAX_BRANCHES} branches of oneOf (at {place})")));
                }
                let holds_one = |(index, branch)| {
                    given[index + 1..].iter().all(|other| disjoint::are(branch, other, &self.references))
                };
                if given.iter().enumerate().all(holds_one) {
                    // Beside an `anyOf` of its own both must hold.
                    all_of.push(json!({ "anyOf": branches }));
                    return Ok(());
                }
                let equivalents = Equivalents { references: &self.references, fields, place };
                match equivalents.one_of(given) {
                    Ok(equal) => all_of.push(self.schema(&equal, place)?),
                    // What stands beside it may exclude branches, which llguidance sees.
                    Err(GrammarError::Unsupported { .. }) => {
                        out.insert(name.to_owned(), Value::Array(branches));
                    }
                    Err(other) => return Err(other),
                }
                return Ok(());
            }
            "properties" => Value::Object(self.named_schemas(name, value, place)?),
            "patternProperties" => {
                let mut patterns = Map::new();
                for (pattern, schema) in self.named_schemas(name, value, place)? {
                    let translated = self.pattern(&pattern, &here)?;
                    if patterns.insert(translated, schema).is_some() {
                        return Err(unsupported(&here, "patternProperties", "two patterns are the same"));
                    }
                }
                Value::Object(patterns)
            }
            "additionalProperties" => self.schema(value, &here)?,
            "required" => {
                let names = value.as_array().filter(|names| names.iter().all(Value::is_string));
                if names.is_some_and(|names| names.len() > MAX_PROPERTIES) {
                    return Err(too_complex(format!("more than {MAX_PROPERTIES} required properties (at {place})")));
                }
                json!(names.ok_or_else(|| invalid(place, "required must be a list of strings"))?)
            }
            "items" if value.is_array() => {
                out.insert("prefixItems".to_owned(), Value::Array(self.schemas(name, value, place)?));
                let Some(rest) = fields.get("additionalItems") else { return Ok(()) };
                self.schema(rest, &format!("{place}/additionalItems"))?
            }
            "items" => self.schema(value, &here)?,
            "prefixItems" if self.is_old_draft || fields.get("items").is_some_and(Value::is_array) => return Ok(()),
            "prefixItems" => Value::Array(self.schemas(name, value, place)?),
            // Dealt with at `items`.
            "additionalItems" => return Ok(()),
            "pattern" => {
                let pattern = value.as_str().ok_or_else(|| invalid(place, "pattern must be a string"))?;
                if formats::imply(fields.get("format"), pattern) {
                    return Ok(());
                }
                let decimal = assertions::decimal(pattern);
                let pattern = decimal.as_deref().unwrap_or(pattern);
                let mut patterns = vec![pattern.to_owned()];
                if pattern.starts_with("^(?!") || pattern.starts_with("^(?=") {
                    self.references.spend(COMPLEMENT_PARTS, place)?;
                    patterns = assertions::without_assertions(pattern).unwrap_or(patterns);
                }
                let last = patterns.pop().unwrap_or_default();
                for other in patterns {
                    all_of.push(json!({ "pattern": self.pattern(&other, &here)? }));
                }
                json!(self.pattern(&last, &here)?)
            }
            // Beside a pattern a name that is not known is the library's own, and the pattern says what it means.
            "format" if has_pattern(fields) && !formats::is_known(value) => return Ok(()),
            "format" => return format(value, types, place, all_of),
            _ => return Ok(()),
        };
        out.insert(name.to_owned(), rewritten);
        Ok(())
    }

    /// Multiples of a decimal, in place of the numbers that the schema allows otherwise.
    fn decimals(
        &mut self,
        decimals: Decimals,
        types: &Types<'_>,
        out: &mut Map<String, Value>,
        all_of: &mut Vec<Value>,
    ) -> Result<(), GrammarError> {
        let Decimals { divisor, minimum, maximum } = decimals;
        let is_allowed = |value: &Value| value.as_f64().is_none_or(|number| divisor.divides(number));
        if out.contains_key("const") || out.contains_key("enum") {
            if out.get("const").is_some_and(|value| !is_allowed(value)) {
                all_of.push(json!(false));
            }
            if let Some(values) = out.get_mut("enum").and_then(Value::as_array_mut) {
                let allowed: Vec<Value> = values.iter().filter(|value| is_allowed(value)).cloned().collect();
                if allowed.is_empty() {
                    all_of.push(json!(false));
                } else {
                    *values = allowed;
                }
            }
            return Ok(());
        }
        let names = types.0.as_deref().unwrap_or(&TYPES);
        let only_integers = !names.contains(&"number");
        let numbers = match divisor.multiples(minimum, maximum, only_integers) {
            DecimalMultiples::Values(values) if values.is_empty() => json!(false),
            DecimalMultiples::Values(values) => json!({ "enum": values }),
            DecimalMultiples::Texts(texts) => {
                let string = format!("{MARK}{}:{minimum}:{maximum}:{only_integers}", divisor.value());
                self.stand_in(StandIn { string, texts, keyword: "multipleOf" })?
            }
        };
        instead_of("number", numbers, types, out, all_of);
        Ok(())
    }

    /// A reference to a stand-in.
    fn stand_in(&mut self, stand_in: StandIn) -> Result<Value, GrammarError> {
        let number = self.stand_ins.iter().position(|known| known.string == stand_in.string);
        let number = number.unwrap_or(self.stand_ins.len());
        if number == self.stand_ins.len() {
            self.stand_ins.push(stand_in);
        }
        if number >= MAX_STAND_INS {
            return Err(too_complex(format!("more than {MAX_STAND_INS} ranges of decimals and sets of values")));
        }
        Ok(json!({ "$ref": format!("{}{number}", standing_alone::PREFIX) }))
    }

    fn spacing(&self) -> Spacing {
        let is_plain = self.options.whitespace_pattern.is_none() && !self.options.disable_any_whitespace;
        if is_plain { Spacing::Flexible } else { Spacing::Dense }
    }

    fn schemas(&mut self, name: &str, value: &Value, place: &str) -> Result<Vec<Value>, GrammarError> {
        let list = value.as_array().filter(|list| !list.is_empty() || name.ends_with("tems"));
        let list = list.ok_or_else(|| invalid(place, format!("{name} must be a list of at least one schema")))?;
        list.iter().enumerate().map(|(index, schema)| self.schema(schema, &format!("{place}/{name}/{index}"))).collect()
    }

    fn named_schemas(&mut self, name: &str, value: &Value, place: &str) -> Result<Map<String, Value>, GrammarError> {
        let fields = value.as_object().ok_or_else(|| invalid(place, format!("{name} must be an object")))?;
        if fields.len() > MAX_PROPERTIES {
            return Err(too_complex(format!("more than {MAX_PROPERTIES} properties of one object (at {place})")));
        }
        let rewritten = fields
            .iter()
            .map(|(key, schema)| Ok((key.clone(), self.schema(schema, &format!("{place}/{name}/{}", escape(key)))?)));
        rewritten.collect()
    }

    fn definition(&mut self, pointer: String) -> usize {
        let next = self.numbers.len();
        let number = *self.numbers.entry(pointer.clone()).or_insert(next);
        if number == next {
            self.waiting.push_back(pointer);
        }
        number
    }

    /// Values as they stand. Strings have no control characters but those with an escape of their own.
    fn listed(&mut self, name: &str, value: &Value, place: &str) -> Result<Value, GrammarError> {
        let mut left = vec![value];
        while let Some(value) = left.pop() {
            self.num_listed += 1;
            if self.num_listed > MAX_LISTED_VALUES {
                return Err(too_complex(format!("more than {MAX_LISTED_VALUES} values in enum and const")));
            }
            match value {
                Value::String(text) if text.chars().any(needs_numeric_escape) => {
                    return Err(unsupported(place, name, "a control character in a string"));
                }
                Value::Array(items) => left.extend(items),
                Value::Object(fields) => left.extend(fields.values()),
                _ => {}
            }
        }
        Ok(value.clone())
    }

    fn pattern(&mut self, pattern: &str, place: &str) -> Result<String, GrammarError> {
        if ["Emoji", "Pictographic"].iter().any(|name| pattern.contains(name)) {
            return Err(unsupported(
                place,
                "pattern",
                "which characters are emoji differs between releases of Unicode",
            ));
        }
        let translated = regex::translate(pattern).map_err(|error| match error {
            GrammarError::Unsupported { keyword, .. } => unsupported(place, "pattern", format!("it has {keyword}")),
            GrammarError::TooComplex { limit, .. } => too_complex(format!("pattern at {place}: {limit}")),
            other => invalid(place, other.to_string()),
        })?;
        self.num_patterns += 1;
        self.num_pattern_bytes += pattern.len();
        if self.num_patterns > MAX_PATTERNS || self.num_pattern_bytes > MAX_PATTERN_BYTES {
            let limit = format!("more than {MAX_PATTERNS} patterns, or {MAX_PATTERN_BYTES} bytes of them");
            return Err(too_complex(limit));
        }
        let parsed = regex_syntax::parse(&translated).map_err(|error| invalid(place, error.to_string()))?;
        let mut left = vec![&parsed];
        while let Some(node) = left.pop() {
            if let regex_syntax::hir::HirKind::Literal(literal) = node.kind()
                && literal.0.iter().any(|byte| needs_numeric_escape(char::from(*byte)))
            {
                return Err(unsupported(place, "pattern", "it has a control character"));
            }
            left.extend(node.kind().subs());
        }
        Ok(search_patterns::trimmed(&parsed).unwrap_or(translated))
    }

    /// Whether a keyword that is made of others changes what is valid.
    fn has_effect(&self, name: &str, value: &Value, fields: &Map<String, Value>) -> bool {
        let is_empty = value.as_object().is_some_and(Map::is_empty);
        match name {
            "not" => value != &Value::Bool(false),
            "if" => fields.contains_key("then") || fields.contains_key("else"),
            "uniqueItems" => {
                let holds_one = fields.get("maxItems").and_then(Value::as_f64).is_some_and(|most| most <= 1.0);
                value == &Value::Bool(true) && !holds_one
            }
            "contains" if self.references.counts_contained() => {
                fields.get("minContains") != Some(&json!(0)) || fields.contains_key("maxContains")
            }
            "propertyNames" | "unevaluatedItems" | "unevaluatedProperties" => value != &Value::Bool(true) && !is_empty,
            "dependencies" | "dependentRequired" | "dependentSchemas" => !is_empty,
            _ => true,
        }
    }
}

fn types<'a>(fields: &'a Map<String, Value>, place: &str) -> Result<Types<'a>, GrammarError> {
    let given: Vec<&str> = match fields.get("type") {
        None => return Ok(Types(None)),
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) if !names.is_empty() => names.iter().filter_map(Value::as_str).collect(),
        Some(_) => Vec::new(),
    };
    let mut names: Vec<&str> = Vec::new();
    for name in &given {
        let is_covered = names.contains(name) || (*name == "integer" && given.contains(&"number"));
        if !TYPES.contains(name) {
            return Err(invalid(place, format!("there is no type {name:?}")));
        }
        if !is_covered {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(invalid(place, "type must be the name of a type or a list of them"));
    }
    Ok(Types(Some(names)))
}

fn count(name: &str, value: &Value, place: &str) -> Result<u64, GrammarError> {
    match value.as_f64() {
        Some(number) if number >= 0.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX) => Ok(number as u64),
        // As good as no limit.
        Some(number) if number.fract() == 0.0 && number > 0.0 && name.starts_with("max") => Ok(u64::from(u32::MAX)),
        _ => Err(invalid(place, format!("{name} must be a whole number, at least 0 and less than 2^32"))),
    }
}

fn format(value: &Value, types: &Types<'_>, place: &str, all_of: &mut Vec<Value>) -> Result<(), GrammarError> {
    let name = value.as_str().ok_or_else(|| invalid(place, "format must be a string"))?;
    match formats::lookup(name) {
        Some(Format::Pattern(pattern)) if types.has("string") => all_of.push(json!({ "pattern": pattern })),
        Some(Format::Integer(least, most)) if types.has("number") => {
            let mut whole = json!({ "type": ["null", "boolean", "integer", "string", "array", "object"] });
            if least.is_finite() {
                whole["minimum"] = json!(least);
                whole["maximum"] = json!(most);
            }
            all_of.push(whole);
        }
        None if types.has("string") => {
            return Err(unsupported(place, "format", format!("{name:?} is not a format that can be promised")));
        }
        _ => {}
    }
    Ok(())
}

/// Says `minProperties` and `maxProperties` in other words, where some of the properties are optional.
fn property_counts(out: &mut Map<String, Value>, place: &str, all_of: &mut Vec<Value>) -> Result<(), GrammarError> {
    let count = |name: &str| out.get(name).and_then(Value::as_u64);
    let (least, most) = (count("minProperties").unwrap_or(0), count("maxProperties"));
    if least == 0 && most.is_none() {
        return Ok(());
    }
    let required: BTreeSet<&str> =
        out.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let named = out.get("properties").and_then(Value::as_object).into_iter().flatten();
    let optional = named.filter(|(name, schema)| !required.contains(name.as_str()) && **schema != json!(false));
    let optional: Vec<&str> = optional.map(|(name, _)| name.as_str()).collect();
    let has_patterns = out.get("patternProperties").and_then(Value::as_object).is_some_and(|all| !all.is_empty());
    let is_open = has_patterns || out.get("additionalProperties") != Some(&json!(false));
    let num_required = required.len() as u64;
    if is_open && least > num_required + optional.len() as u64 + 1 {
        return Err(unsupported(place, "minProperties", "more than one property beside those that are named"));
    }
    if optional.is_empty() {
        return Ok(());
    }
    let keyword = if least > num_required { "minProperties" } else { "maxProperties" };
    let properties = Properties { optional: &optional, num_required, is_open };
    let branches = property_counts::branches(properties, least, most)
        .ok_or_else(|| unsupported(place, keyword, "too many ways to choose among the optional properties"))?;
    out.remove("minProperties");
    out.remove("maxProperties");
    all_of.push(any_of(branches));
    Ok(())
}

/// Whether a pattern stands in the schema, or in what it is made of.
fn has_pattern(fields: &Map<String, Value>) -> bool {
    let mut parts = fields.get("allOf").and_then(Value::as_array).into_iter().flatten();
    fields.contains_key("pattern") || parts.any(|part| part.get("pattern").is_some())
}

/// Characters that JSON writes as `\u00XX` only.
fn needs_numeric_escape(character: char) -> bool {
    matches!(character, '\0'..='\x1f' | '\x7f') && !matches!(character, '\x08' | '\t' | '\n' | '\x0c' | '\r')
}

/// Values of the type `kind` are what `values` says, instead of what `out` says of them.
fn instead_of(kind: &str, values: Value, types: &Types<'_>, out: &mut Map<String, Value>, all_of: &mut Vec<Value>) {
    let names = types.0.as_deref().unwrap_or(&TYPES);
    let is_kind = |name: &str| name == kind || (kind == "number" && name == "integer");
    let others: Vec<&str> = names.iter().copied().filter(|name| !is_kind(name)).collect();
    out.retain(|name, _| keywords::type_of(name) != Some(kind));
    let is_of_type = |name: &str| name == "type" || keywords::type_of(name).is_some();
    let (mut of_others, combinations): (Map<_, _>, Map<_, _>) =
        std::mem::take(out).into_iter().partition(|(name, _)| is_of_type(name));
    *out = combinations;
    if others.is_empty() {
        all_of.push(values);
    } else {
        of_others.insert("type".to_owned(), json!(others));
        all_of.push(json!({ "anyOf": [of_others, values] }));
    }
}
