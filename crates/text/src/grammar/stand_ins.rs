//! Texts of values that no JSON schema describes, in grammars made of JSON schemas. A string that nothing else allows stands
//! in for them; in the lexer that llguidance makes of the grammar, the texts then take its place.

use llguidance::api::{GrammarInit, ParserLimits, TopLevelGrammar};
use llguidance::derivre::RegexAst;
use llguidance::toktrie::TokEnv;

/// Begins every stand-in. No text has it, for it is no character; a source with it may have no stand-ins.
pub(super) const MARK: char = '\u{10FFFF}';

/// Texts of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Texts {
    /// A pattern in Rust's syntax for the whole text.
    pub(super) pattern: String,
    /// Only numbers that are multiples of coefficient / 10^digits among them.
    pub(super) multiple_of: Option<(u32, u32)>,
}

impl Texts {
    /// As llguidance has it.
    pub(super) fn expression(&self) -> RegexAst {
        let texts = RegexAst::Regex(self.pattern.clone());
        match self.multiple_of {
            None => texts,
            Some((coefficient, num_digits)) => {
                let multiples = RegexAst::MultipleOf(coefficient, num_digits);
                let signed = RegexAst::Concat(vec![RegexAst::Regex("-?".to_owned()), multiples]);
                RegexAst::And(vec![texts, signed])
            }
        }
    }
}

/// A string in place of texts. Equal strings stand in for equal texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StandIn {
    /// Begins with [`MARK`], and has nothing that JSON escapes.
    pub(super) string: String,
    pub(super) texts: Texts,
    /// The keyword that asks for them.
    pub(super) keyword: &'static str,
}

/// The grammar with the texts where strings stand in for them.
///
/// # Errors
/// What llguidance says.
pub(super) fn replace(
    grammar: TopLevelGrammar,
    stand_ins: &[StandIn],
    environment: TokEnv,
    limits: ParserLimits,
) -> Result<GrammarInit, String> {
    let internal = GrammarInit::Serialized(grammar).to_internal(Some(environment), limits);
    let (grammar, mut lexer) = internal.map_err(|error| format!("{error:#}"))?;
    for stand_in in stand_ins {
        let quoted = format!("\"{}\"", stand_in.string);
        for index in 0..lexer.lexemes.len() {
            if !lexer.has_forced_bytes(&lexer.lexemes[index], quoted.as_bytes()) {
                continue;
            }
            // A lexeme is numbered by its place when it is added.
            let behind = lexer.lexemes.split_off(index + 1);
            let class = lexer.lexemes.pop().map_or(lexer.current_class, |replaced| replaced.class());
            let class = std::mem::replace(&mut lexer.current_class, class);
            let expression = stand_in.texts.expression();
            let added = lexer.add_greedy_lexeme(String::new(), expression, false, None, usize::MAX);
            lexer.current_class = class;
            if added.map_err(|error| format!("{error:#}"))?.as_usize() != index {
                return Err(format!("{} describes what another schema does (too complex)", stand_in.keyword));
            }
            lexer.lexemes.extend(behind);
        }
    }
    Ok(GrammarInit::Internal(grammar, lexer))
}
