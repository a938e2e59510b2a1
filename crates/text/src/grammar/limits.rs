//! What a source may cost. Grammars come from whoever sends requests; each limit is far above what real ones need.

use llguidance::api::ParserLimits;

use super::source::GrammarKind;

/// Bytes of a JSON schema, most of which are words for people.
const MAX_SCHEMA_BYTES: usize = 1 << 20;
/// Bytes of a regular expression.
const MAX_REGEX_BYTES: usize = 32 << 10;
/// Bytes of every other source.
const MAX_GRAMMAR_BYTES: usize = 256 << 10;
/// Schemas within a JSON schema, each counted once.
pub(super) const MAX_SCHEMAS: usize = 10_000;
/// Properties of one object: the work is quadratic in them.
pub(super) const MAX_PROPERTIES: usize = 1_000;
/// Branches of one `oneOf`: each is compared with each.
pub(super) const MAX_BRANCHES: usize = 200;
/// Values of all `enum` and `const`, with their parts.
pub(super) const MAX_LISTED_VALUES: usize = 10_000;
/// All patterns of a JSON schema.
pub(super) const MAX_PATTERNS: usize = 500;
/// Bytes of all patterns of a JSON schema.
pub(super) const MAX_PATTERN_BYTES: usize = 64 << 10;
/// Schemas between the outermost and the innermost one, through references.
pub(super) const MAX_SCHEMA_DEPTH: usize = 200;
/// Parts of schemas that are written to say keywords in other words.
pub(super) const MAX_DERIVED: usize = 50_000;
/// Ranges of multiples of decimals, each a large pattern.
pub(super) const MAX_STAND_INS: usize = 30;
/// What the strings that a pattern does not match are counted as among them.
pub(super) const COMPLEMENT_PARTS: usize = 1_000;
/// Brackets within brackets of a regular expression or grammar.
pub(super) const MAX_NESTING: usize = 100;
/// `n` of `{n}`: in a regular expression each one is a state.
pub(super) const MAX_REPETITIONS: u32 = 20_000;
/// The product of repetitions that stand within each other.
pub(super) const MAX_NESTED_REPETITIONS: u64 = 100_000;
/// Rules of a grammar.
pub(super) const MAX_RULES: usize = 5_000;
/// Strings of a choice.
pub(super) const MAX_CHOICES: usize = 10_000;
/// Room for the recursion of parsers. Only what is touched is ever committed.
pub(super) const COMPILE_STACK_BYTES: usize = 64 << 20;

/// Bytes that a source may have.
pub(super) fn max_source_bytes(kind: GrammarKind) -> usize {
    match kind {
        GrammarKind::JsonSchema | GrammarKind::JsonObject | GrammarKind::StructuralTag => MAX_SCHEMA_BYTES,
        GrammarKind::Regex => MAX_REGEX_BYTES,
        GrammarKind::Choice | GrammarKind::Grammar => MAX_GRAMMAR_BYTES,
    }
}

/// Work that llguidance may do.
pub(super) fn parser_limits() -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: 1_000_000,
        step_lexer_fuel: 200_000,
        step_max_items: 50_000,
        max_items_in_row: 5_000,
        max_lexer_states: 50_000,
        max_grammar_size: 300_000,
        precompute_large_lexemes: true,
        verbose_errors: false,
    }
}
