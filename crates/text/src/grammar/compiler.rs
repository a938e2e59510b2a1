//! Sources to grammars that sequences can follow. A compiler belongs to one tokenizer and one model's vocabulary.

use llguidance::api::{GrammarInit, GrammarWithLexer, TopLevelGrammar};
use llguidance::toktrie::{InferenceCapabilities, TokEnv};
use llguidance::{Matcher, ParserFactory};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::GrammarError;
use super::limits::{COMPILE_STACK_BYTES, MAX_CHOICES, MAX_NESTING, max_source_bytes, parser_limits};
use super::matcher::GrammarMatcher;
use super::source::{GrammarKind, GrammarSource};
use super::stand_ins::{self, MARK, StandIn};
use super::{gbnf, json_schema, lark_text, regex, structural_tag, token_environment};
use crate::tokenizer::Tokenizer;

/// Compiles grammars. Made once for a model: that takes a second or so for a vocabulary of 128 k.
pub struct GrammarCompiler {
    tokenizer: Tokenizer,
    factory: ParserFactory,
    vocab_size: usize,
}

impl fmt::Debug for GrammarCompiler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GrammarCompiler").field("vocab_size", &self.vocab_size).finish_non_exhaustive()
    }
}

impl GrammarCompiler {
    /// A compiler for a model of `vocab_size` logits whose texts end with one of `eos_ids`, if it has any.
    ///
    /// # Errors
    /// [`GrammarError::Tokenizer`] if the text of single ids cannot be told.
    pub fn new(tokenizer: &Tokenizer, vocab_size: usize, eos_ids: &[i32]) -> Result<Self, GrammarError> {
        guarded(|| {
            let environment: TokEnv = token_environment::build(tokenizer, vocab_size, eos_ids)?;
            let capabilities = InferenceCapabilities { ff_tokens: true, ..InferenceCapabilities::default() };
            let slices = llguidance::earley::SlicedBiasComputer::general_slices();
            let mut factory = ParserFactory::new(&environment, capabilities, &slices).map_err(internal)?;
            factory.quiet();
            *factory.limits_mut() = parser_limits();
            Ok(Self { tokenizer: tokenizer.clone(), factory, vocab_size })
        })
    }

    /// Logits per row.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Compiles a source, on a thread whose stack is as deep as sources may be.
    ///
    /// # Errors
    /// [`GrammarError`] of the source.
    pub fn compile(&self, source: &GrammarSource) -> Result<CompiledGrammar, GrammarError> {
        let most = max_source_bytes(source.kind);
        if source.text.len() > most {
            let limit = format!("{} bytes, at most {most} allowed", source.text.len());
            return Err(GrammarError::TooComplex { kind: kind_name(source.kind), limit });
        }
        // There are no threads to be had; the stack is what whoever runs the module gave it.
        if cfg!(target_family = "wasm") {
            return guarded(|| self.compile_here(source));
        }
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().name("quire-grammar".to_owned()).stack_size(COMPILE_STACK_BYTES);
            let thread = builder.spawn_scoped(scope, || guarded(|| self.compile_here(source))).map_err(internal)?;
            thread.join().map_err(|_| internal("a compiling thread panicked"))?
        })
    }

    fn compile_here(&self, source: &GrammarSource) -> Result<CompiledGrammar, GrammarError> {
        let (grammar, stand_ins) = self.grammar(source)?;
        let init = if stand_ins.is_empty() {
            GrammarInit::Serialized(grammar)
        } else {
            check_marks(source)?;
            let (environment, limits) = (self.factory.tok_env().clone(), parser_limits());
            let replaced = stand_ins::replace(grammar, &stand_ins, environment, limits);
            replaced.map_err(|error| classify(source.kind, &error))?
        };
        let parser = self.factory.create_parser_from_init_default(init);
        let parser = parser.map_err(|error| classify(source.kind, &format!("{error:#}")))?;
        let matcher = Matcher::new(Ok(parser));
        if let Some(reason) = matcher.get_error() {
            return Err(classify(source.kind, &reason));
        }
        // The first mask shows whether anything can be said at all, and fills the caches that all sequences share.
        let first = matcher.clone().compute_mask_or_eos();
        first.map_err(|error| classify(source.kind, &format!("{error:#}")))?;
        Ok(CompiledGrammar { matcher: std::sync::Mutex::new(matcher), vocab_size: self.vocab_size })
    }

    fn grammar(&self, source: &GrammarSource) -> Result<(TopLevelGrammar, Vec<StandIn>), GrammarError> {
        let lark = |text: String| TopLevelGrammar::from_grammar(GrammarWithLexer::from_lark(text));
        let of_schema =
            |prepared: json_schema::Prepared| (TopLevelGrammar::from_json_schema(prepared.schema), prepared.stand_ins);
        let grammar = match source.kind {
            GrammarKind::JsonSchema => return Ok(of_schema(json_schema::prepare(&source.text, &source.json)?)),
            GrammarKind::JsonObject => return Ok(of_schema(json_schema::prepare_object(&source.json)?)),
            GrammarKind::StructuralTag => return structural_tag::convert(&source.text, &source.json, &self.tokenizer),
            GrammarKind::Regex => {
                let pattern = regex::translate(&source.text)?;
                lark(format!("start: WHOLE\nWHOLE: {}", lark_text::terminal(&pattern)))
            }
            GrammarKind::Choice => lark(choice(&source.text)?),
            GrammarKind::Grammar => {
                check_nesting(&source.text)?;
                lark(gbnf::to_lark(&source.text)?)
            }
        };
        Ok((grammar, Vec::new()))
    }
}

/// A grammar that sequences can follow. The states that one sequence finds are there for the others.
pub struct CompiledGrammar {
    /// Locked while it is cloned only.
    matcher: std::sync::Mutex<Matcher>,
    vocab_size: usize,
}

impl fmt::Debug for CompiledGrammar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CompiledGrammar").field("vocab_size", &self.vocab_size).finish_non_exhaustive()
    }
}

impl CompiledGrammar {
    /// Whether its first mask can be computed. It could when it was compiled; a panic while a sequence followed it may have
    /// left the states that all share half done.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.matcher().fill_mask(&mut vec![0; GrammarMatcher::mask_words(self.vocab_size)]).is_ok()
    }

    /// A matcher at the beginning.
    #[must_use]
    pub fn matcher(&self) -> GrammarMatcher {
        let matcher = self.matcher.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        GrammarMatcher::new(matcher.clone(), self.vocab_size)
    }
}

fn choice(text: &str) -> Result<String, GrammarError> {
    const KIND: &str = "choice";
    let invalid = |reason: String| GrammarError::Invalid { kind: KIND, place: String::new(), reason };
    let choices: Vec<String> = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
    if choices.is_empty() || choices.iter().any(String::is_empty) {
        return Err(invalid("it must have at least one string, and no empty one".to_owned()));
    }
    if choices.len() > MAX_CHOICES {
        return Err(GrammarError::TooComplex { kind: KIND, limit: format!("more than {MAX_CHOICES} strings") });
    }
    let alternatives: Vec<String> = choices.iter().map(|choice| lark_text::string(choice)).collect();
    Ok(format!("start: CHOICE\nCHOICE: {}", alternatives.join(" | ")))
}

/// A text of the source could be taken for a stand-in.
fn check_marks(source: &GrammarSource) -> Result<(), GrammarError> {
    let value = serde_json::from_str::<serde_json::Value>(&source.text).map_err(internal)?;
    if !value.to_string().contains(MARK) {
        return Ok(());
    }
    let reason = "in a source with U+10FFFF".to_owned();
    let (keyword, place) = ("multipleOf".to_owned(), String::new());
    Err(GrammarError::Unsupported { kind: kind_name(source.kind), keyword, place, reason })
}

/// Lark's parser goes down with its brackets.
fn check_nesting(text: &str) -> Result<(), GrammarError> {
    let (mut depth, mut deepest) = (0usize, 0usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' | b'~' => depth += 1,
            b')' | b']' | b'}' | b'\n' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if deepest > 10 * MAX_NESTING {
        let limit = format!("brackets more than {} deep", 10 * MAX_NESTING);
        return Err(GrammarError::TooComplex { kind: "grammar", limit });
    }
    Ok(())
}

fn kind_name(kind: GrammarKind) -> &'static str {
    match kind {
        GrammarKind::JsonSchema | GrammarKind::JsonObject => "JSON schema",
        GrammarKind::Regex => "regular expression",
        GrammarKind::Choice => "choice",
        GrammarKind::Grammar => "grammar",
        GrammarKind::StructuralTag => "structural tag",
    }
}

/// llguidance's errors are texts.
fn classify(kind: GrammarKind, message: &str) -> GrammarError {
    let kind = kind_name(kind);
    let text = first_lines(message);
    let unsupported = |keyword: &str, reason: &str| GrammarError::Unsupported {
        kind,
        keyword: keyword.to_owned(),
        place: String::new(),
        reason: reason.to_owned(),
    };
    let has = |part: &str| message.contains(part);
    if has("NoExtensionBias") {
        GrammarError::Invalid { kind, place: String::new(), reason: "no text satisfies it".to_owned() }
    } else if has("oneOf constraints are not supported") {
        unsupported("oneOf", "its branches are not known to exclude each other")
    } else if has("min/maxProperties only supported") {
        unsupported("minProperties or maxProperties", "some of the properties are optional")
    } else if has("patternProperty regexes") && has("not disjoint") {
        unsupported("patternProperties", "two patterns match the same name")
    } else if has("circular references") {
        unsupported("$ref", "a recursive reference beside other keywords")
    } else if has("lookarounds not supported") {
        unsupported("^ or $ in the middle", "")
    } else if has("too complex")
        || has("TooComplex")
        || has("too large")
        || has("too many")
        || has("too big")
        || has("max is")
        || has("fuel")
        || has("limit")
        || has("exceeded")
        || has("Unable to determine")
        || has("can't determine")
    {
        GrammarError::TooComplex { kind, limit: text }
    } else {
        GrammarError::Invalid { kind, place: String::new(), reason: text }
    }
}

/// Without dumps of states, and short.
fn first_lines(message: &str) -> String {
    let message = message.split("<non-verbose/>").next().unwrap_or_default().trim();
    let mut text: String = message.chars().take(500).collect();
    if text.len() < message.len() {
        text.push_str("...");
    }
    text
}

fn internal(reason: impl fmt::Display) -> GrammarError {
    GrammarError::Internal { reason: reason.to_string() }
}

/// Runs code of llguidance; a panic becomes an error.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, GrammarError>) -> Result<T, GrammarError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(internal(text.unwrap_or_else(|| "a panic".to_owned())))
    })
}
